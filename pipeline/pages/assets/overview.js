/* The panels of the first page, drawn from the snapshot. */
(function () {
  "use strict";

  const tools = window.dashboardTools;
  const none = () => window.dash_clientside.no_update;
  const { local, title } = tools;

  function chartCard(name) {
    const id = { type: "chart", of: name };
    return tools.part(
      "Div",
      { className: "card", key: name, role: "group", "aria-label": title(name) },
      [
        tools.part(
          "Div",
          { className: "card-head" },
          [tools.part("H3", {}, title(name)), tools.part("P", { id: { type: "chart-now", of: name }, className: "now" }, "")],
        ),
        {
          namespace: "dash_core_components",
          type: "Graph",
          props: {
            id,
            style: { height: "190px" },
            responsive: true,
            config: { displaylogo: false, modeBarButtons: [["autoScale2d"]], doubleClick: "autosize", scrollZoom: false },
          },
        },
      ],
    );
  }

  /* The axis as somebody zoomed it, kept while the data moves as long as the same is looked at. Dash writes a zoom into
     the figure that it was made in, which Plotly's own uirevision then takes for the page's wish. */
  function zoomed(before, uirevision) {
    const shown = before && before.layout && before.layout.uirevision === uirevision && before.layout.xaxis;
    return shown && shown.autorange === false ? { autorange: false, range: shown.range } : {};
  }

  const STATES = { running: "running", waiting: "waiting for a server", unknown: "not seen yet" };

  function queryRow(query, now) {
    const cell = (text, label) => tools.part("Td", { "data-label": label }, text);
    const age = query.at ? (now - query.at) / 1000 : null;
    const silent = age !== null && age > 60;
    const state = silent ? `silent for ${tools.span(age)}` : STATES[query.state] || query.state;
    const mark = silent || query.state === "waiting" ? "bad" : query.state === "unknown" ? "unknown" : "good";
    return tools.part("Tr", {}, [
      tools.part("Th", { scope: "row" }, query.query),
      tools.part("Td", { "data-label": "State" }, [tools.part("Span", { className: `dot ${mark}` }, ""), state]),
      cell(tools.number(query.lag), "Lag (messages)"),
      cell(query.is_real_time ? "real time" : query.batch_seconds == null ? "–" : `${tools.number(query.batch_seconds, 2)} s`, "Batch time"),
      cell(tools.number(query.rows_per_second), "Rows/s while at work"),
      cell(tools.number(query.late), "Late"),
      cell(tools.number(query.refused), "Refused"),
    ]);
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    overview: {
      figures: (snapshot, _count, view) => {
        if (!snapshot) return Array(8).fill(none());
        const found = snapshot.figures;
        const now = view && view.paused ? snapshot.at : tools.serverNow(snapshot);
        const all = found.filtered ? "whole pipeline" : "stored, over the last 10 s";
        const rate = found.rate === null ? "no batch of the Spark job yet" : all;
        const fresh = found.newest === null ? "–" : tools.span((now - found.newest) / 1000);
        const stale = found.newest !== null && tools.isStale(found.newest, now);
        let open = found.known ? "all quiet" : "no sensors";
        if (found.open) open = found.critical ? `${tools.number(found.critical)} critical` : "none critical";
        return [
          tools.number(found.rate),
          rate,
          tools.number(found.alive),
          `of ${tools.number(found.known)}, in the last ${tools.span(found.alive_within)}`,
          tools.number(found.open) + (found.open_at_limit ? "+" : ""),
          open,
          fresh,
          found.newest === null ? "no readings" : stale ? "stale: since the newest reading" : "since the newest reading",
        ];
      },

      cards: (snapshot, before) => {
        if (!snapshot) return [none(), none()];
        const names = Object.keys(snapshot.charts);
        const reading = snapshot.complete ? "" : " Older readings are still being read.";
        const note = `Mean and band from minimum to maximum; the tinted part is the normal range. Drag to zoom, double-click to go back.${reading}`;
        if (!names.length) {
          const found = snapshot.figures;
          const nothing = found.filtered ? "Nothing matches the filters." : "No readings yet.";
          return [[tools.empty(found.newest === null ? nothing : "No readings in this time.")], ""];
        }
        const there = (Array.isArray(before) ? before : [before]).map((one) => one && one.props && one.props.key);
        return [JSON.stringify(there) === JSON.stringify(names) ? none() : names.map(chartCard), note];
      },

      chart: (snapshot, view, templates, id, before) => {
        const one = snapshot && snapshot.charts[id.of];
        if (!one) return [none(), none()];
        const { data, layout } = one.figure;
        const uirevision = JSON.stringify([view.types, view.locations, view.range, view.since, view.zone]);
        const include = layout.xaxis.autorangeoptions.include.map(local);
        const figure = {
          data: data.map((trace) => ({ ...trace, x: trace.x.map(local) })),
          layout: {
            ...layout,
            /* A finger on a chart scrolls the page. */
            dragmode: window.matchMedia("(pointer: coarse)").matches ? false : layout.dragmode,
            template: templates[tools.scheme(view)],
            uirevision,
            xaxis: { ...layout.xaxis, autorangeoptions: { include }, ...zoomed(before, uirevision) },
          },
        };
        const now = `${tools.measured(one.avg)} ${one.unit}`;
        const band = `${tools.measured(one.min)} … ${tools.measured(one.max)}`;
        return [figure, [tools.part("B", {}, now), tools.part("Span", {}, band)]];
      },

      health: (snapshot) => {
        if (!snapshot) return none();
        const names = ["Query", "State", "Lag (messages)", "Batch time", "Rows/s while at work", "Late", "Refused"];
        const head = tools.part("Tr", {}, names.map((name) => tools.part("Th", { scope: "col" }, name)));
        const rows = snapshot.health.queries.map((query) => queryRow(query, snapshot.at));
        return [
          tools.part("Table", {}, [tools.part("Thead", {}, [head]), tools.part("Tbody", {}, rows)]),
          tools.part("P", { className: "note" }, `Dead letters stored: ${tools.number(snapshot.health.dead_letters)}`),
        ];
      },
    },
  });
})();
