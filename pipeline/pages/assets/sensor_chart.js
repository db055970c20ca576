/* The chart of one sensor's readings. */
(function () {
  "use strict";

  const tools = window.dashboardTools;
  const none = () => window.dash_clientside.no_update;
  const WORST_FIRST = ["critical", "high", "normal", "low"];

  /* The page's own colours, with as much strength as is wanted. */
  function colour(name, strength = 1) {
    const hex = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return `rgba(${red},${green},${blue},${strength})`;
  }
  const ofPriority = (name) => ({ critical: "bad", high: "warn", normal: "accent" })[name] || "soft";

  /* A band from the low to the high values; each part between two gaps is one polygon. */
  function band(columns, xs, fill) {
    const [x, y] = [[], []];
    let from = 0;
    for (let n = 0; n <= xs.length; n += 1) {
      if (n < xs.length && columns.at[n] !== null) continue;
      if (n > from) {
        if (x.length) x.push(null), y.push(null);
        x.push(...xs.slice(from, n), ...xs.slice(from, n).reverse());
        y.push(...columns.high.slice(from, n), ...columns.low.slice(from, n).reverse());
      }
      from = n + 1;
    }
    return { type: "scatter", x, y, mode: "lines", line: { width: 0, color: fill }, fill: "toself", fillcolor: fill, hoverinfo: "skip" };
  }

  /* What the values' axis goes over: the data, and what they are judged by where that leaves the data to be seen. */
  function extent(one, judged) {
    const values = [...one.readings.low, ...one.readings.high, ...one.alerts.map((alert) => alert.value)].filter((value) => value !== null);
    if (!values.length) return judged.length ? [Math.min(...judged), Math.max(...judged)] : null;
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const all = [Math.min(low, ...judged), Math.max(high, ...judged)];
    const [least, greatest] = high > low && all[1] - all[0] > 8 * (high - low) ? [low, high] : all;
    const margin = 0.06 * (greatest - least || Math.abs(greatest) || 1);
    return [least - margin, greatest + margin];
  }

  function limitsOf(one) {
    return one.rules.flatMap((rule) =>
      [["below", rule.below], ["above", rule.above]]
        .filter(([, value]) => value !== null)
        .map(([side, value]) => ({ side, value, rule: rule.rule, colour: ofPriority(rule.priority) })),
    );
  }

  function swatch(label, style, kind = "") {
    return tools.part("Span", {}, [tools.part("I", { className: kind, style }, ""), label]);
  }

  function legend(one, limits) {
    const single = one.bin_seconds === null;
    const worst = WORST_FIRST.filter((name) => one.alerts.some((alert) => alert.priority === name));
    return [
      swatch(single ? "Readings" : "Mean, minimum to maximum", { background: "var(--accent)" }),
      ...worst.map((name) => swatch(`Broke a rule (${name})`, { background: `var(--${ofPriority(name)})` }, "mark")),
      ...(one.windows && one.windows.at.length ? [swatch(`Mean of all ${one.type} at ${one.location || "no location"}`, { background: "var(--soft)" })] : []),
      ...(one.normal ? [swatch(`Normal, ${one.normal[0]} to ${one.normal[1]}`, { background: "var(--good)", opacity: 0.3 }, "area")] : []),
      ...limits.map((limit) => swatch(`Alert ${limit.side} ${limit.value} (${limit.rule})`, { borderColor: `var(--${limit.colour})` }, "dashed")),
    ];
  }

  function note(snapshot, one) {
    const many = one.bin_seconds === null ? "Each point is a reading." : `Each point stands for ${tools.span(one.bin_seconds)}.`;
    const more = one.alerts_at_limit ? ` Marked are the newest ${tools.number(one.alerts.length)} alerts.` : "";
    const reading = one.complete ? "" : " Older readings are still being read.";
    const types = one.types.length > 1 ? " It sends readings of several types, so no limits are drawn." : "";
    return `${many}${types}${more}${reading}`;
  }

  function traces(one, view) {
    const { readings, windows, alerts } = one;
    const xs = readings.at.map(tools.local);
    const found = [];
    if (windows && windows.at.length) {
      const at = windows.at.map(tools.local);
      found.push({ type: "scatter", x: at, y: windows.mean, mode: "lines", line: { width: 1, color: colour("soft", 0.7) }, hoverinfo: "skip" });
    }
    const single = one.bin_seconds === null;
    if (!single) found.push(band(readings, xs, colour("accent", view === "dark" ? 0.24 : 0.18)));
    const few = readings.at.length <= 150 || readings.at.some((at, n) => at !== null && !readings.at[n - 1] && !readings.at[n + 1]);
    found.push({
      type: "scatter",
      x: xs,
      y: readings.mean,
      customdata: readings.low.map((low, n) => [low, readings.high[n], readings.count[n]]),
      mode: few ? "lines+markers" : "lines",
      connectgaps: false,
      line: { width: single ? 1.5 : 2, color: colour("accent") },
      marker: { size: 4, color: colour("accent") },
      hovertemplate: single
        ? `%{y} ${one.unit}<extra></extra>`
        : `%{y} ${one.unit}<br>%{customdata[0]} … %{customdata[1]}<br>%{customdata[2]:,} readings<extra></extra>`,
    });
    found.push({
      type: "scatter",
      x: alerts.map((alert) => tools.local(alert.at)),
      y: alerts.map((alert) => alert.value),
      text: alerts.map((alert) => `${alert.rule} (${alert.priority})`),
      mode: "markers",
      marker: { size: 8, symbol: "diamond", color: alerts.map((alert) => colour(ofPriority(alert.priority))), line: { width: 1, color: colour("card") } },
      hovertemplate: `%{y} ${one.unit}<br>%{text}<extra></extra>`,
    });
    return found;
  }

  const escaped = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  function figure(snapshot, one, view, templates) {
    const limits = limitsOf(one);
    const judged = [...limits.map((limit) => limit.value), ...(one.normal || [])];
    const spread = snapshot.until - snapshot.since;
    const lines = limits.map((limit) => ({
      type: "line", xref: "paper", x0: 0, x1: 1, y0: limit.value, y1: limit.value, opacity: 1, layer: "above",
      line: { width: 1, dash: "dash", color: colour(limit.colour) },
    }));
    const normal = one.normal ? [{ type: "rect", xref: "paper", x0: 0, x1: 1, y0: one.normal[0], y1: one.normal[1] }] : [];
    const range = extent(one, judged);
    return {
      data: traces({ ...one, unit: escaped(one.unit), alerts: one.alerts.map((alert) => ({ ...alert, rule: escaped(alert.rule) })) }, tools.scheme(view)),
      layout: {
        template: templates[tools.scheme(view)],
        showlegend: false,
        hovermode: "closest",
        /* A finger on a chart scrolls the page. */
        dragmode: window.matchMedia("(pointer: coarse)").matches ? false : "zoom",
        margin: { l: 8, r: 12, t: 8, b: 4 },
        xaxis: {
          type: "date",
          range: [tools.local(snapshot.since), tools.local(snapshot.until)],
          tickformat: spread > 129600000 ? "%d %b %H:%M" : spread <= 300000 ? "%H:%M:%S" : "%H:%M",
          hoverformat: "%d %b %H:%M:%S",
        },
        yaxis: { ...(range ? { range } : {}), fixedrange: true, nticks: 7, ticksuffix: one.unit ? ` ${escaped(one.unit)}` : "" },
        shapes: [...normal, ...lines],
        annotations: limits.filter((limit) => range && limit.value > range[0] && limit.value < range[1]).map((limit) => ({
          xref: "paper", x: 1, xanchor: "right", y: limit.value, yanchor: limit.side === "above" ? "bottom" : "top", showarrow: false,
          text: `${limit.side} ${limit.value}`, font: { size: 11, color: colour(limit.colour) },
        })),
      },
    };
  }

  const chart = () => document.querySelector("#readings-chart .js-plotly-plot");

  Object.assign(window.dash_clientside.sensor, {
    chart: (snapshot, view, templates) => {
      const one = snapshot && view && snapshot.sensor;
      if (!one || !one.known || one.id !== view.sensor) return Array(4).fill(none());
      const empty = !one.readings.at.length;
      const limits = limitsOf(one);
      const look = tools.part("Button", { id: "readings-back", type: "button", className: "action", "data-last": one.last }, "Show when it last sent");
      const told = empty ? [`No readings in this time; the last one came at ${tools.whole(one.last)}. `, look] : note(snapshot, one);
      return [figure(snapshot, one, view, templates), told, legend(one, limits), empty ? "readings-frame is-bare" : "readings-frame"];
    },

    readings_png: (_clicks, snapshot) => {
      const one = snapshot && snapshot.sensor;
      if (one && one.known && chart()) {
        const name = tools.fileName(one.id, "png").replace(/\.png$/, "");
        window.Plotly.downloadImage(chart(), { format: "png", filename: name, width: 1200, height: 500, scale: 2 });
      }
      return none();
    },
  });

  document.addEventListener("click", (event) => {
    if (event.target.id !== "readings-back") return;
    const last = Number(event.target.dataset.last);
    tools.change({ since: last - 840000, until: last + 60000 });
  });
})();
