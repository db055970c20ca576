/* The page about the pipeline, drawn from the snapshot. */
(function () {
  "use strict";

  const tools = window.dashboardTools;
  const none = () => window.dash_clientside.no_update;
  const part = tools.part;

  /* Lines that can be told apart in both themes, also by who sees few colours. */
  const COLOURS = {
    light: ["#1f63d0", "#b45309", "#0b7a43", "#8b3fb8", "#b42318", "#52606d"],
    dark: ["#6ea8fe", "#f0a848", "#4cc38a", "#c792ea", "#ff9b92", "#a9b4c0"],
  };
  const LEG_WORDS = {
    to_broker: ["to the broker", "From the reading’s own timestamp to the broker’s. A sensor whose clock is wrong is wrong here."],
    to_spark: ["to Spark", "From the broker’s timestamp to the task that has the reading in hand: mostly the wait for the next batch, so up to the trigger."],
    to_store: ["to MongoDB", "From there until MongoDB has acknowledged it, journalled."],
    to_screen: ["to the screen", "From the end of a batch until this page has drawn it, by the server’s clock, since the page was opened: mostly the wait for the next refresh."],
  };
  const NODES = [
    ["producer", "Producer"],
    ["broker", "Broker"],
    ["spark", "Spark job"],
    ["mongodb", "MongoDB"],
    ["page", "This page"],
  ];
  const WAY = ["to_broker", "to_spark", "to_store", "to_screen"];
  const NAMES = { producer: "Producer", broker: "Broker", mongodb: "MongoDB", page: "This page" };
  const STATES = { good: "well", warn: "look at it", bad: "not well", unknown: "not known" };
  const WORST = ["good", "unknown", "warn", "bad"];

  /* 4 ms, 1.24 s, 3 min: three digits that tell something. */
  function time(seconds) {
    if (seconds === null || seconds === undefined) return "–";
    if (seconds < 0.9995) return `${tools.number(1000 * seconds, seconds < 0.00995 ? 1 : 0)} ms`;
    if (seconds < 99.5) return `${tools.number(seconds, seconds < 9.95 ? 2 : 1)} s`;
    return tools.span(seconds);
  }

  function bytes(value) {
    if (value === null || value === undefined) return "–";
    const names = ["B", "kB", "MB", "GB", "TB", "PB"];
    const power = Math.min(names.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(value, 1)) / 3)));
    const shown = value / 1000 ** power;
    return `${tools.number(shown, power && shown < 99.5 ? 1 : 0)} ${names[power]}`;
  }

  const kept = (seconds) => (seconds === null ? "for good" : seconds % 86400 ? tools.span(seconds) : `${seconds / 86400} ${seconds === 86400 ? "day" : "days"}`);

  /* How long it takes from the end of a batch to the page that shows it: measured when the browser has painted, for the
     batches that a tick brought, each as often as it has readings. The offset between the two clocks is the least that
     was seen between the server's instant of an answer and its arrival here. */
  const screen = { at: null, newest: null, offset: Infinity, samples: [] };
  const SAMPLES = 300;

  function measure(snapshot, link) {
    if (!snapshot || !link || !link.now || screen.at === link.now) return;
    screen.at = link.now;
    screen.offset = Math.min(screen.offset, Date.now() - link.now);
    const before = screen.newest;
    screen.newest = Math.max(before || 0, ...snapshot.stored.map(([at]) => at));
    if (before === null || document.hidden) return;
    const fresh = snapshot.stored.filter(([at]) => at > before);
    if (!fresh.length) return;
    window.requestAnimationFrame(() =>
      setTimeout(() => {
        const now = Date.now() - screen.offset;
        for (const [at, count] of fresh) screen.samples.push([Math.max(0, now - at) / 1000, count]);
        screen.samples = screen.samples.slice(-SAMPLES);
      }),
    );
  }

  function onScreen() {
    const sorted = [...screen.samples].sort((one, other) => one[0] - other[0]);
    const count = sorted.reduce((sum, one) => sum + one[1], 0);
    const quantile = (wanted) => {
      let below = 0;
      for (const [seconds, weight] of sorted) {
        below += weight;
        if (below >= wanted * count) return seconds;
      }
      return null;
    };
    return { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99), count, ahead: 0 };
  }

  function nodeState(name, parts) {
    if (name !== "spark") return parts[name];
    const queries = ["router", "readings", "windows"].map((one) => parts[one]);
    const worst = queries.reduce((one, other) => (WORST.indexOf(other.state) > WORST.indexOf(one.state) ? other : one));
    if (worst.state === "good") return { ...worst, what: "All three queries keep up." };
    if (queries.every((one) => one.what === worst.what)) return worst;
    const meant = queries.filter((one) => one.state === worst.state).map((one) => one.name);
    return { ...worst, what: `${worst.state === "unknown" ? "Not known:" : "See"} ${meant.join(", ")}.` };
  }

  const dot = (state) => part("Span", { className: `dot ${state}`, role: "img", "aria-label": STATES[state] });

  function node(key, title, state) {
    return part("Li", { className: `node ${state.state}`, key }, [
      part("Div", { className: "node-name" }, [dot(state.state), title]),
      part("Div", { className: "note" }, state.what),
    ]);
  }

  function leg(key, summary, chosen) {
    const [name, explained] = LEG_WORDS[key];
    const inner = [
      part("Span", { className: "leg-value" }, time(summary.p50)),
      part("Span", { className: "leg-rest" }, summary.count ? `p95 ${time(summary.p95)} · p99 ${time(summary.p99)}` : "not measured yet"),
      part("Span", { className: "leg-name" }, name),
    ];
    const ahead = summary.ahead > 0.005 ? part("Span", { className: "leg-warn" }, `${tools.number(100 * summary.ahead)} % ahead of the broker’s clock`) : null;
    const title = `${explained} ${tools.number(summary.count)} readings.`;
    const body = ahead ? [...inner, ahead] : inner;
    const shown =
      key === "to_screen"
        ? part("Div", { className: "leg-body", title }, body)
        : part("Button", { className: `leg-body${chosen ? " is-chosen" : ""}`, title, type: "button", "data-leg": key, "aria-pressed": String(chosen) }, body);
    return part("Li", { className: "leg", key }, [shown]);
  }

  function command(words) {
    return part("Div", { className: "command", key: words }, [
      part("Code", {}, words),
      part("Button", { type: "button", className: "copy", "data-copy": words, "aria-label": `Copy: ${words}` }, "Copy"),
    ]);
  }

  function advice(one) {
    const words = [part("B", {}, NAMES[one.name] || `Query ${one.name}`), ` ${one.what} ${one.todo}`];
    return part("Li", { key: one.name }, [dot(one.state), part("Span", {}, words), one.command ? command(one.command) : ""]);
  }

  function pageState(link, snapshot, view) {
    if (view.paused) return { name: "page", state: "good", what: "Paused." };
    if (link && !link.ok) return { name: "page", state: "warn", what: "It shows what it had." };
    return { name: "page", state: "good", what: snapshot.complete ? "It follows." : "Older batches are still being read." };
  }

  /* The snapshot's parts, and what the browser knows of them: who has not answered cannot say so. */
  function partsNow(snapshot, link, view) {
    const parts = Object.fromEntries(snapshot.parts.map((one) => [one.name, one]));
    parts.page = pageState(link, snapshot, view);
    if (link && !link.ok) {
      for (const [name, one] of Object.entries(parts)) {
        if (name !== "page") parts[name] = { ...one, state: "unknown", what: "Not known while MongoDB is away.", todo: "", command: "" };
      }
      parts.mongodb = { name: "mongodb", state: "bad", what: "It does not answer.", todo: "Start it, or see --mongo-uri.", command: "python stack.py up --services mongo" };
    }
    return parts;
  }

  let drawn = "";

  /* One line or bars over time. `lines` are [name, at, values, extra]. */
  function figure(lines, view, templates, snapshot, more) {
    const scheme = tools.scheme(view);
    const include = [snapshot.since, snapshot.until].map(tools.local);
    const data = lines.map(([name, at, values, extra], number) => ({
      type: "scatter",
      mode: values.filter((one) => one !== null).length > 1 ? "lines" : "markers",
      connectgaps: false,
      name,
      x: at.map(tools.local),
      y: values,
      line: { width: 1.8, color: COLOURS[scheme][number % COLOURS[scheme].length] },
      marker: { color: COLOURS[scheme][number % COLOURS[scheme].length], size: 5 },
      hovertemplate: `%{y}<extra>${name}</extra>`,
      ...extra,
    }));
    return {
      data,
      layout: {
        showlegend: false,
        hovermode: "x",
        dragmode: window.matchMedia("(pointer: coarse)").matches ? false : "zoom",
        margin: { l: 8, r: 8, t: 6, b: 4 },
        template: { layout: templates[scheme].layout },
        bargap: 0.1,
        barmode: "stack",
        xaxis: { visible: data.length > 0, type: "date", autorange: true, autorangeoptions: { include }, nticks: 5, tickformat: "%H:%M", hoverformat: "%d %b %H:%M:%S" },
        yaxis: { visible: data.length > 0, rangemode: "tozero", autorange: true, fixedrange: true, ticksuffix: more.unit, nticks: 5 },
      },
    };
  }

  function legend(lines, view) {
    const colours = COLOURS[tools.scheme(view)];
    return lines.map(([name, , values, extra], number) => {
      const colour = (extra && extra.line && extra.line.color) || colours[number % colours.length];
      const newest = [...values].reverse().find((one) => one !== null);
      return part("Span", { key: name }, [
        part("I", { style: { background: colour }, className: extra && extra.line && extra.line.dash ? "dashed" : "" }),
        name,
        extra && extra.told ? part("B", {}, extra.told(newest)) : "",
      ]);
    });
  }

  /* Seconds as milliseconds where all of a chart is short. */
  function timed(lines) {
    const largest = Math.max(0, ...lines.flatMap(([, , values]) => values.filter((one) => one !== null)));
    if (largest >= 1) return [lines, " s"];
    return [lines.map(([name, at, values, extra]) => [name, at, values.map((one) => (one === null ? null : Number((1000 * one).toPrecision(4)))), extra]), " ms"];
  }

  function chartLines(snapshot, view) {
    const { readings, windows } = snapshot.series;
    const queries = [["readings", readings], ["windows", windows], ["router", snapshot.series.router]].filter(([, one]) => one);
    const of = (column) => queries.map(([name, one]) => [name, one.at, one[column]]);
    const leg = (readings && readings.legs[view.leg]) || null;
    const lag = snapshot.series[view.lag];
    const triggers = snapshot.queries.filter((one) => one.trigger_seconds && !one.is_real_time).map((one) => one.trigger_seconds);
    const trigger = triggers.length ? Math.max(...triggers) : null;
    const batch = of("batch_seconds");
    if (trigger && batch.length) {
      const ends = [snapshot.since, snapshot.until];
      batch.push(["trigger", ends, [trigger, trigger], { line: { dash: "dash", width: 1.4, color: COLOURS[tools.scheme(view)][5] }, mode: "lines", hoverinfo: "skip", hovertemplate: null }]);
    }
    const bars = Object.entries(snapshot.losses.reasons);
    const scheme = COLOURS[tools.scheme(view)];
    return {
      latency: timed(leg ? ["p50", "p95", "p99"].map((name) => [name, readings.at, leg[name]]) : []),
      rate: [of("rate"), ""],
      lag: [lag ? partitions(lag) : [], ""],
      batch: timed(batch),
      behind: timed(queries.filter(([, one]) => one.behind.some((value) => value !== null)).map(([name, one]) => [name, one.at, one.behind])),
      losses: [
        bars.map(([name, values], number) => [name, snapshot.losses.at, values, { type: "bar", mode: null, line: { color: scheme[number % scheme.length] } }]),
        "",
      ],
    };
  }

  const PARTITIONS = 6;

  /* Each partition, or where there are many the sum and the worst of them. */
  function partitions(series) {
    const lags = Object.entries(series.lags);
    if (lags.length <= PARTITIONS) return lags.map(([number, values]) => [`partition ${number}`, series.at, values]);
    const worst = series.at.map((_, place) => lags.reduce((most, [, values]) => (values[place] === null ? most : Math.max(most ?? 0, values[place])), null));
    const sum = series.at.map((_, place) => lags.reduce((all, [, values]) => (values[place] === null ? all : (all ?? 0) + values[place]), null));
    return [["all partitions", series.at, sum], ["the worst of them", series.at, worst]];
  }

  const cell = (text, label) => part("Td", { "data-label": label }, text);

  function table(names, rows, caption) {
    const head = part("Tr", {}, names.map((name) => part("Th", { scope: "col" }, name)));
    return part("Table", {}, [part("Caption", { className: "unseen" }, caption), part("Thead", {}, [head]), part("Tbody", {}, rows)]);
  }

  const PHASES = { addBatch: "work", queryPlanning: "planning", walCommit: "noting the offsets", commitOffsets: "noting the end", latestOffset: "asking for the newest offset", getBatch: "getting the batch", commitBatch: "ending the batch" };

  // Spark does not count the rows with --available-now.
  function keptState({ state_rows: rows, state_bytes: size }) {
    return [rows && tools.number(rows), size && bytes(size)].filter(Boolean).join(" · ") || "–";
  }

  function queryRow(query, parts) {
    const told = parts[query.query];
    const phases = Object.entries(query.phases);
    const whole = phases.reduce((sum, [, seconds]) => sum + seconds, 0);
    const most = phases.sort((one, other) => other[1] - one[1]).slice(0, 3);
    const spent = most.map(([name, seconds]) => `${PHASES[name] || name} ${tools.number((100 * seconds) / whole)} %`).join(", ");
    const every = query.trigger_seconds ? ` of ${time(query.trigger_seconds)}` : "";
    return part("Tr", {}, [
      part("Th", { scope: "row" }, query.query),
      part("Td", { "data-label": "State" }, [part("Span", {}, [dot(told.state), told.what])]),
      cell(tools.number(query.lag), "Lag"),
      part("Td", { "data-label": "Batch", title: spent ? `The last batch: ${spent}.` : "" }, query.is_real_time ? "real time" : query.batch_seconds === null ? "–" : `${time(query.batch_seconds)}${every}`),
      cell(time(query.longest_seconds), "Longest"),
      cell(tools.number(query.input_rows_per_second), "In/s"),
      cell(tools.number(query.rows_per_second), "At work/s"),
      cell(query.behind === null ? "–" : time(query.behind), "Watermark behind"),
      cell(keptState(query), "State rows"),
      cell(tools.number(query.late), "Late"),
      cell(tools.number(query.refused), "Refused"),
    ]);
  }

  function keptNote(snapshot) {
    const { seconds, is_cut: isCut, is_empty: isEmpty } = snapshot.kept;
    const reading = snapshot.complete ? "" : " Older batches are still being read.";
    const how = `What the queries did is kept for ${kept(seconds)} (--progress-retention)`;
    if (isEmpty && isCut) return `${how}: nothing is known of this time any more.${reading}`;
    if (isEmpty) return `No batch ended in this time.${reading}`;
    return isCut ? `${how}: of what was before, nothing is shown.${reading}` : reading.trim();
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    pipeline: {
      way: (snapshot, link, _count, view) => {
        if (!snapshot || !view) return [none(), none(), none()];
        if (!view.paused) measure(snapshot, link);
        const parts = partsNow(snapshot, link, view);
        const legs = { ...snapshot.legs, to_screen: onScreen() };
        const items = NODES.flatMap(([name, title], number) => [
          node(name, title, nodeState(name, parts)),
          ...(number < WAY.length ? [leg(WAY[number], legs[WAY[number]], view.leg === WAY[number])] : []),
        ]);
        const all = legs.in_all;
        const note = all.count
          ? `From a sensor into MongoDB: half within ${time(all.p50)}, 95 % within ${time(all.p95)}, 99 % within ${time(all.p99)}, of all ${tools.number(all.count)} readings that were stored in this time (each to within 19 %).`
          : "No reading was stored in this time.";
        const troubled = Object.values(parts).filter((one) => one.todo);
        const todo = troubled.length ? [part("H3", {}, "What to do"), part("Ul", {}, troubled.map(advice))] : [];
        const shown = JSON.stringify([items, note, todo]);
        if (shown === drawn) return [none(), none(), none()];
        drawn = shown;
        return [items, note, todo];
      },

      charts: (snapshot, view, templates) => {
        if (!snapshot || !view) return Array(13).fill(none());
        const found = Object.values(chartLines(snapshot, view)).flatMap(([lines, unit]) => [
          figure(lines, view, templates, snapshot, { unit }),
          lines.length ? legend(lines, view) : [part("Span", { className: "note", key: "none" }, "Nothing to show.")],
        ]);
        return [...found, keptNote(snapshot)];
      },

      queries: (snapshot, view) => {
        if (!snapshot || !view) return none();
        const parts = Object.fromEntries(snapshot.parts.map((one) => [one.name, one]));
        const names = ["Query", "State", "Lag", "Batch", "Longest", "In/s", "At work/s", "Watermark behind", "State rows", "Late", "Refused"];
        return [table(names, snapshot.queries.map((query) => queryRow(query, parts)), "The streaming queries by their last batches")];
      },

      letters: (snapshot, view, before) => {
        if (!snapshot || !view) return [none(), none(), none(), view ? tools.scheme(view) : none(), none(), none()];
        const { rows, codes, count_limit: limit, stored, commands, advice: said } = snapshot.letters;
        const count = (number) => (number > limit ? `${tools.number(limit)}+` : tools.number(number));
        const chosen = view.reason && !(view.reason in codes) ? { ...codes, [view.reason]: 0 } : codes;
        const options = Object.entries(chosen).map(([code, number]) => ({ value: code, label: `${code} (${count(number)})` }));
        const same = JSON.stringify(options) === JSON.stringify(before);
        const of = view.reason ? codes[view.reason] || 0 : stored;
        const note = of > rows.length ? `the newest ${rows.length} of ${count(of)}` : `${count(of)} stored`;
        const mend = [part("P", { className: "note", key: "advice" }, said || "Choose a message to see all of it; choose a reason to see what can be done.")];
        if (stored) for (const one of commands) mend.push(part("Div", { key: one.words, className: "mend" }, [part("Span", { className: "note" }, one.does), command(one.words)]));
        return [rows, note, same ? none() : options, tools.scheme(view), rows.length ? "grid-frame" : "grid-frame is-short", mend];
      },

      letter: (letter) => {
        if (!letter) return [];
        if (letter.error) return [part("P", { className: "note" }, letter.error)];
        const cut = letter.kept < letter.size ? `, the first ${tools.number(letter.kept)} of them are kept` : "";
        const where = `${letter.topic}, partition ${letter.partition}, offset ${letter.offset}; key ${letter.key === null ? "none" : letter.key}; ${tools.number(letter.size || 0)} bytes${cut}`;
        const text = letter.text === null ? [part("P", { className: "note" }, "No UTF-8 text.")] : [part("Pre", { tabIndex: 0, "aria-label": "The message as text" }, letter.text)];
        return [
          part("P", {}, [part("B", {}, letter.code), ` ${letter.reason}`]),
          part("P", { className: "note" }, where),
          part("Div", { className: "letter-parts" }, [part("Div", {}, text), part("Pre", { className: "hex", tabIndex: 0, "aria-label": "The message in hex" }, letter.hex)]),
        ];
      },

      series_csv: (clicks, snapshot) => {
        if (!clicks || !snapshot) return;
        const legs = ["in_all", "to_broker", "to_spark", "to_store"].flatMap((leg) => ["p50", "p95", "p99"].map((name) => [leg, name]));
        const figures = ["rate", "batch_seconds", "behind", "state_rows", "state_bytes"];
        const head = ["at", "query", ...figures, ...legs.map((one) => one.join("_")), "lag_by_partition"];
        const rows = Object.entries(snapshot.series).flatMap(([query, one]) =>
          one.at.map((at, place) => [
            tools.stamp(at),
            query,
            ...figures.map((name) => one[name][place]),
            ...legs.map(([leg, name]) => (one.legs[leg] ? one.legs[leg][name][place] : null)),
            Object.entries(one.lags).map(([number, values]) => `${number}:${values[place]}`).join(" "),
          ]),
        );
        tools.csv("pipeline", head, rows);
      },

      letters_csv: (clicks, snapshot) => {
        if (!clicks || !snapshot) return;
        const fields = ["topic", "partition", "offset", "code", "reason", "retries", "size", "shown"];
        const rows = snapshot.letters.rows.map((one) => [tools.stamp(one.stored), ...fields.map((name) => one[name])]);
        tools.csv("dead-letters", ["stored", ...fields.slice(0, -1), "message"], rows);
      },

      holdings: (snapshot) => {
        if (!snapshot) return none();
        const held = snapshot.holdings;
        if (held.error) return [part("P", { className: "note" }, `Sizes are not known: ${held.error}`)];
        const rows = held.collections.map((one) =>
          part("Tr", {}, [
            part("Th", { scope: "row" }, one.name),
            cell(tools.number(one.documents), "Documents"),
            cell(bytes(one.data_bytes), "Data"),
            cell(bytes(one.disk_bytes), "On disk"),
            cell(bytes(one.index_bytes), "Indexes"),
            cell(kept(one.expires_after), "Kept"),
          ]),
        );
        const whole = held.collections.reduce((sum, one) => sum + one.disk_bytes + one.index_bytes, 0);
        const disk = held.disk_size ? ` The disk has ${bytes(held.disk_size)}, ${tools.number((100 * held.disk_used) / held.disk_size)} % in use.` : "";
        const then = held.forecast ? ` At the present rate the readings will take about ${bytes(held.forecast)} when the oldest expire.` : "";
        return [
          part("P", { className: "note" }, `${bytes(whole)} on disk with all indexes.${disk}${then}`),
          table(["Collection", "Documents", "Data", "On disk", "Indexes", "Kept"], rows, "What MongoDB holds"),
        ];
      },
    },
  });

  /* Legs choose what the chart of latency shows, and commands can be copied. */
  document.addEventListener("click", (event) => {
    const leg = event.target.closest("[data-leg]");
    if (leg) tools.change({ leg: leg.getAttribute("aria-pressed") === "true" ? "in_all" : leg.dataset.leg });
    const copy = event.target.closest("[data-copy]");
    if (copy && navigator.clipboard) {
      navigator.clipboard.writeText(copy.dataset.copy).then(
        () => (copy.textContent = "Copied"),
        () => (copy.textContent = "Not allowed"),
      );
      setTimeout(() => (copy.textContent = "Copy"), 2000);
    }
  });
})();
