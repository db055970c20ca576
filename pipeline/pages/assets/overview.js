/* The panels of the first page, drawn from the snapshot. */
(function () {
  "use strict";

  const tools = window.dashboardTools;
  const { local, title, part } = tools;
  const none = () => window.dash_clientside.no_update;
  /* So many locations are told by their alarms. */
  const PLACES = 12;
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

  function chartCard(name) {
    const id = { type: "chart", of: name };
    return part("Div", { className: "card", key: name, role: "group", "aria-label": title(name) }, [
      part("Div", { className: "card-head" }, [
        part("H3", {}, title(name)),
        part("P", { id: { type: "chart-now", of: name }, className: "now" }, ""),
      ]),
      {
        namespace: "dash_core_components",
        type: "Graph",
        props: {
          id,
          style: { height: "190px" },
          responsive: true,
          config: { displayModeBar: false, showTips: false, doubleClick: false, scrollZoom: false },
        },
      },
    ]);
  }

  /* A small line, or small bars, as a picture: it says nothing that the words beside it do not. */
  function spark(values, scheme, bars) {
    const top = Math.max(...values, 0);
    if (values.length < 2 || top === 0) return "";
    const [width, height] = [240, 36];
    const colour = scheme === "dark" ? "%236ea8fe" : "%231f63d0";
    const x = (index) => ((index / (values.length - (bars ? 0 : 1))) * width).toFixed(1);
    const y = (value) => (height - 2 - (value / top) * (height - 6)).toFixed(1);
    const step = width / values.length;
    const shape = bars
      ? values.map((one, index) => (one ? `M${x(index)} ${height}V${y(one)}h${Math.max(1, step - 1).toFixed(1)}V${height}z` : "")).join("")
      : `M${values.map((one, index) => `${x(index)} ${y(one)}`).join("L")}`;
    const look = bars ? `fill='${colour}'` : `fill='none' stroke='${colour}' stroke-width='1.5' vector-effect='non-scaling-stroke'`;
    const image = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 ${width} ${height}' preserveAspectRatio='none'><path d='${shape}' ${look}/></svg>`;
    return part("Img", { className: "spark", src: `data:image/svg+xml,${image}`, alt: "" });
  }

  function change(now, before, seconds) {
    if (before === null || before === undefined) return "";
    const span = tools.span(seconds).replace(/ h 0 min$/, " h");
    const than = `than in the ${span} before`;
    if (!before) return now ? `none in the ${span} before` : "";
    const percent = (100 * (now - before)) / before;
    if (Math.abs(percent) < 0.5) return `as many as in the ${span} before`;
    return `${percent > 0 ? "▲" : "▼"} ${tools.number(Math.abs(percent), Math.abs(percent) < 9.95 ? 1 : 0)} % ${percent > 0 ? "more" : "fewer"} ${than}`;
  }

  const trend = (picture, text) => [picture, part("P", { className: "note" }, text || "\u00a0")];

  const isChosen = (view, type, location) =>
    (!view.types.length || view.types.includes(type)) && (!view.locations.length || view.locations.includes(location));

  const WORDS = (deviation) => {
    if (deviation === null) return "no normal range is known";
    if (Math.abs(deviation) <= 1) return "within the normal range";
    return deviation > 0 ? "above the normal range" : "below the normal range";
  };
  /* 0 within the normal range, up to 4 far beyond it. */
  const strength = (deviation) => (Math.abs(deviation) <= 1 ? 0 : Math.min(4, Math.ceil(Math.abs(deviation) - 1)));

  function cell(view, type, location, row, open) {
    if (!row) return part("Td", { key: type.name }, "");
    const [, , mean, low, high, count, deviation] = row;
    const side = deviation !== null && strength(deviation) ? ` ${deviation > 0 ? "over" : "under"}-${strength(deviation)}` : "";
    const away = isChosen(view, type.name, location) ? "" : " away";
    const exact = `${title(type.name)} at ${location}: ${tools.measured(mean)} ${type.unit}, ${WORDS(deviation)}; from ${tools.measured(low)} to ${tools.measured(high)}, ${tools.number(count)} readings${open ? `; ${tools.number(open[2])} open alarms` : ""}`;
    return part("Td", { key: type.name }, [
      part(
        "Button",
        {
          type: "button",
          className: `cell${side}${away}`,
          title: exact,
          "aria-label": exact,
          "data-narrow": JSON.stringify({ types: [type.name], locations: [location] }),
          "data-name": `${type.name} ${location}`,
        },
        [tools.measured(mean), open ? part("Span", { className: open[3] ? "count critical" : "count" }, tools.number(open[2])) : ""],
      ),
    ]);
  }

  function heading(scope, text, wanted, className) {
    const button = part("Button", { type: "button", className: "axis", "data-narrow": JSON.stringify(wanted) }, text);
    return part("Th", { scope, className, key: text }, [button]);
  }

  function partState(one) {
    const words = { good: "well", warn: "look at it", bad: "not well", unknown: "not known" }[one.state];
    return part("Li", { key: one.name, className: one.state, title: `${one.what} ${one.todo}`.trim() }, [
      part("Span", { className: `dot ${one.state}` }, ""),
      part("B", {}, title(one.name).replace("Mongodb", "MongoDB")),
      part("Span", { className: "note" }, one.state === "good" ? words : `${words}: ${one.what}`),
    ]);
  }

  const stampedRows = (snapshot) =>
    Object.entries(snapshot.charts).flatMap(([name, one]) => {
      const line = one.figure.data[1];
      return line.x.map((at, index) => [at, index, line]).filter(([at]) => at !== null).map(([at, index]) => [
        tools.stamp(at),
        name,
        one.unit,
        line.y[index],
        ...line.customdata[index],
      ]);
    });

  /* All charts as one picture, with their titles. */
  async function picture(view) {
    const cards = [...document.querySelectorAll("#charts .card")].filter((one) => one.querySelector(".js-plotly-plot"));
    const style = getComputedStyle(document.body);
    const [width, height, head, gap] = [640, 260, 34, 16];
    const columns = Math.min(3, cards.length);
    const canvas = document.createElement("canvas");
    canvas.width = columns * (width + gap) + gap;
    canvas.height = Math.ceil(cards.length / columns) * (height + head + gap) + gap + 30;
    const context = canvas.getContext("2d");
    context.fillStyle = style.getPropertyValue("--card");
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = style.getPropertyValue("--text");
    for (const [index, card] of cards.entries()) {
      const plot = card.querySelector(".js-plotly-plot");
      const image = new Image();
      image.src = await window.Plotly.toImage(plot, { format: "png", width, height });
      await image.decode();
      const x = gap + (index % columns) * (width + gap);
      const y = gap + Math.floor(index / columns) * (height + head + gap);
      context.font = `600 18px ${style.fontFamily}`;
      context.fillText(`${card.querySelector("h3").innerText}   ${card.querySelector(".now").innerText.replace("\n", "   ")}`, x + 8, y + 22);
      context.drawImage(image, x, y + head);
    }
    context.font = `14px ${style.fontFamily}`;
    const { since, until } = window.dashboardShown;
    const chosen = [...view.types, ...view.locations].join(", ");
    context.fillText(`${tools.between(since, until)} (${tools.zone()})${chosen ? ` · ${chosen}` : ""}`, gap + 8, canvas.height - 16);
    canvas.toBlob((blob) => tools.save(blob, tools.fileName("readings", "png")));
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    overview: {
      figures: (snapshot, _count, view) => {
        if (!snapshot) return Array(8).fill(none());
        const found = snapshot.figures;
        const over = view && view.since !== null;
        const now = view && view.paused ? snapshot.at : tools.serverNow(snapshot);
        const all = found.filtered ? "of the chosen sensors, over the last minute" : "stored, over the last 10 s";
        const unknown = found.filtered ? "of the chosen sensors: none" : "no batch of the Spark job yet";
        const rate = found.rate === null ? unknown : over ? "mean over the chosen time" : all;
        const fresh = found.newest === null ? "–" : tools.span((now - found.newest) / 1000);
        const stale = found.newest !== null && tools.isStale(found.newest, now);
        let open = found.known ? "all quiet" : "no sensors";
        if (found.open) open = found.critical ? `${tools.number(found.critical)} critical` : "none critical";
        if (over && found.known) open = `${open}, of those seen in the chosen time`;
        return [
          tools.number(found.rate, found.rate !== null && found.rate < 10 ? 1 : 0),
          rate,
          tools.number(found.alive),
          `of ${tools.number(found.known)}, in the last ${tools.span(found.alive_within)}`,
          tools.number(found.open) + (found.open_at_limit ? "+" : ""),
          open,
          fresh,
          found.newest === null ? "no readings" : stale ? "stale: since the newest reading" : "since the newest reading",
        ];
      },

      trends: (snapshot, view) => {
        if (!snapshot || !view) return Array(4).fill(none());
        const { trends, latency, figures: found } = snapshot;
        const before = trends.before || {};
        const scheme = tools.scheme(view);
        const seen = trends.alarms ? `${tools.number(trends.alarms)} seen: ${change(trends.alarms, before.alarms, trends.seconds)}` : "none seen in this time";
        const share = found.known ? (100 * found.alive) / found.known : 0;
        const silent = found.known - found.alive;
        return [
          trend(spark(trends.rate, scheme, false), change(trends.mean, before.mean, trends.seconds)),
          trend(
            found.known ? part("Div", { className: "meter" }, [part("Div", { style: { width: `${share}%` } }, "")]) : "",
            silent > 0 ? `${tools.number(silent)} silent` : found.known ? "none silent" : "",
          ),
          trend(spark(trends.seen, scheme, true), seen.replace(/: $/, "")),
          found.newest === null ? "" : trend(spark(latency.each, scheme, false), latency.all === null ? "" : `95 % of the latest are stored within ${tools.number(latency.all, latency.all < 9.95 ? 1 : 0)} s`),
        ];
      },

      cells: (snapshot, view) => {
        if (!snapshot || !view) return none();
        const { types, locations, rows } = snapshot.cells;
        if (!rows.length) return [tools.empty("No readings in this time.")];
        const keyed = (list) => new Map(list.map((one) => [JSON.stringify(one.slice(0, 2)), one]));
        const [found, open] = [keyed(rows), keyed(snapshot.alarms.places)];
        const head = part("Tr", {}, [
          part("Td", {}, ""),
          ...types.map((type) => heading("col", type.unit ? `${title(type.name)}, ${type.unit}` : title(type.name), { types: [type.name] }, "column")),
        ]);
        const body = locations.map((name) =>
          part("Tr", { key: name }, [
            heading("row", name, { locations: [name] }, "row-name"),
            ...types.map((type) => {
              const key = JSON.stringify([type.name, name]);
              return cell(view, type, name, found.get(key), open.get(key));
            }),
          ]),
        );
        const legend = [["under-3", "below normal"], ["", "normal"], ["over-3", "above normal"]].map(([look, text]) =>
          part("Span", { key: text }, [part("I", { className: look }, ""), text]),
        );
        return [
          part("Table", { key: "table" }, [part("Thead", {}, [head]), part("Tbody", {}, body)]),
          part("P", { key: "legend", className: "note cells-legend" }, [...legend, "Click a cell, a row or a column to see it alone."]),
        ];
      },

      places: (snapshot) => {
        if (!snapshot) return none();
        const counted = new Map();
        for (const [, place, count, critical] of snapshot.alarms.places) {
          const [before, worse] = counted.get(place) || [0, 0];
          counted.set(place, [before + count, worse + critical]);
        }
        const places = [...counted].map(([place, counts]) => [place, ...counts]).sort((one, other) => other[1] - one[1] || String(one[0]).localeCompare(String(other[0]))).slice(0, PLACES);
        if (!places.length) return [tools.empty(snapshot.known ? "No open alarms." : "No sensors yet.")];
        const most = places[0][1];
        return places.map(([place, count, critical]) => {
          const text = `${tools.number(count)}${critical ? `, ${tools.number(critical)} critical` : ""}`;
          const bar = part("Span", { className: "bar", style: { width: `${(100 * count) / most}%` } }, [
            part("Span", { className: "bar-critical", style: { width: `${(100 * critical) / count}%` } }, ""),
          ]);
          const inside = [part("Span", { className: "bar-name" }, place === null ? "no location" : place), part("Span", { className: "bar-count" }, text), bar];
          if (place === null) return part("Div", { className: "bar-row", key: "none" }, inside);
          return part(
            "Button",
            { type: "button", key: place, className: "bar-row", "data-name": place, "data-narrow": JSON.stringify({ locations: [place] }), "aria-label": `${place}: ${text}` },
            inside,
          );
        });
      },

      cards: (snapshot, before) => {
        if (!snapshot) return [none(), none(), none()];
        const names = Object.keys(snapshot.charts);
        const first = Math.min(...Object.values(snapshot.charts).map((one) => one.figure.data[1].x.find((at) => at !== null)));
        const isShort = Number.isFinite(first) && first - snapshot.since > 0.2 * (snapshot.until - snapshot.since);
        const note = [
          snapshot.complete ? "" : "Older readings are still being read. ",
          snapshot.complete && isShort ? `Nothing before ${tools.whole(first)}. ` : "",
          "Drag across a chart to look closer.",
        ].join("");
        if (!names.length) {
          const found = snapshot.figures;
          const nothing = found.filtered ? "Nothing matches the filters." : "No readings yet.";
          return [[tools.empty(found.newest === null ? nothing : "No readings in this time.")], "", snapshot.at];
        }
        const there = (Array.isArray(before) ? before : [before]).map((one) => one && one.props && one.props.key);
        return [same(there, names) ? none() : names.map(chartCard), note, snapshot.at];
      },

      chart: (_drawn, _theme, snapshot, view, templates, id) => {
        const one = snapshot && snapshot.charts[id.of];
        if (!one || !view) return [none(), none()];
        const { data, layout } = one.figure;
        window.dashboardShown = { since: snapshot.since, until: snapshot.until };
        const figure = {
          data: data.map((trace) => ({ ...trace, x: trace.x.map(local) })),
          layout: {
            ...layout,
            /* A finger on a chart scrolls the page. */
            dragmode: window.matchMedia("(pointer: coarse)").matches ? false : layout.dragmode,
            template: templates[tools.scheme(view)],
            xaxis: { ...layout.xaxis, range: layout.xaxis.range.map(local) },
          },
        };
        const now = `${tools.measured(one.avg)} ${one.unit}`;
        const band = `${tools.measured(one.min)} … ${tools.measured(one.max)}`;
        return [figure, [part("B", {}, now), part("Span", {}, band)]];
      },

      health: (snapshot, common) => {
        if (!snapshot) return none();
        const link = part("A", { href: tools.link("/pipeline/", common), className: "more" }, "Pipeline →");
        return [part("Ul", {}, snapshot.parts.map(partState)), link];
      },

      export: (...given) => {
        const [snapshot, view] = given.slice(-2);
        if (!snapshot || !view) return none();
        const cause = window.dash_clientside.callback_context.triggered_id;
        if (cause === "cells-csv") {
          const normal = new Map(snapshot.cells.types.map((one) => [one.name, one]));
          tools.csv(
            "deviation",
            ["type", "location", "unit", "mean", "minimum", "maximum", "readings", "deviation", "normal_minimum", "normal_maximum"],
            snapshot.cells.rows.map(([type, place, ...figures]) => [type, place, normal.get(type).unit, ...figures, ...(normal.get(type).normal || [null, null])]),
          );
        } else if (cause === "charts-csv") {
          tools.csv("readings", ["time", "type", "unit", "mean", "minimum", "maximum", "readings"], stampedRows(snapshot));
        } else if (cause === "charts-png") {
          picture(view);
        }
        return none();
      },
    },
  });
})();
