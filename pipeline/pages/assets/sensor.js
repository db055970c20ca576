/* The list of sensors, the search in it, and what is told of one sensor; its chart is in sensor_chart.js. */
(function () {
  "use strict";

  const tools = window.dashboardTools;
  const none = () => window.dash_clientside.no_update;
  const PATH = "/sensor/";
  const part = tools.part;
  const triggered = () => window.dash_clientside.callback_context.triggered_id;

  /* A link to a sensor that changes this page instead of loading another one. */
  const toSensor = (sensor, common, more = {}) => ({
    namespace: "dash_core_components",
    type: "Link",
    props: { href: tools.link(PATH, common, { sensor }), children: sensor, ...more },
  });
  const withUnit = (value, unit) => (value === null ? "–" : `${tools.measured(value)} ${unit}`.trim());
  const isSilent = (one, within, now) => now - one.last > 1000 * within;
  const place = (one) => one.location || "no location";
  const charge = (battery) => (typeof battery === "number" ? `${tools.number(battery)} %` : battery === null ? "–" : String(battery));
  const priority = (name, text) => part("Span", { className: `priority-word ${name}` }, text);

  function heard(one, within, now) {
    const age = tools.span((now - one.last) / 1000);
    return isSilent(one, within, now)
      ? part("Span", { className: "is-silent", title: tools.whole(one.last) }, `silent for ${age}`)
      : part("Span", { title: tools.whole(one.last) }, `${age} ago`);
  }

  function table(heads, rows) {
    const cells = (row) =>
      row.map((cell, n) => part(n ? "Td" : "Th", { ...(n ? {} : { scope: "row" }), className: heads[n][1] || "", "data-label": heads[n][0] }, cell));
    return part("Table", {}, [
      part("Thead", {}, [part("Tr", {}, heads.map(([name, kind]) => part("Th", { scope: "col", className: kind || "" }, name)))]),
      part("Tbody", {}, rows.map((row) => part("Tr", {}, cells(row)))),
    ]);
  }

  const LIST = [["Sensor"], ["Type"], ["Location"], ["Last value", "number"], ["Last heard"], ["Battery", "number"], ["Model"], ["Open alarms"]];

  function listRow(one, list, now, common) {
    return [
      toSensor(one.sensor, common),
      one.type,
      place(one),
      withUnit(one.value, one.unit),
      heard(one, list.alive_within, now),
      charge(one.battery),
      one.model === null ? "–" : String(one.model),
      one.open ? priority(one.worst, `${tools.number(one.open)} ${one.worst}`) : "–",
    ];
  }

  const FIGURES = [
    ["count", "Readings", (value) => tools.number(value)],
    ["mean", "Mean"],
    ["std", "Standard deviation"],
    ["min", "Minimum"],
    ["p5", "5th percentile"],
    ["p50", "Median"],
    ["p95", "95th percentile"],
    ["max", "Maximum"],
    ["rate", "Readings a second", (value) => tools.measured(value)],
    ["interval", "Usual interval", (value) => seconds(value)],
    ["gaps", "Gaps", (value) => tools.number(value)],
    ["longest_gap", "Longest gap", (value) => seconds(value)],
  ];
  const seconds = (value) => (value === null ? "–" : value < 100 ? `${tools.measured(value)} s` : tools.span(value));

  function peerRow(row, scale, one, common) {
    const mine = row.sensor === one.id;
    const at = (value) => `${(100 * (value - scale.low)) / (scale.high - scale.low)}%`;
    const wide = (low, high) => ({ left: at(low), width: `${(100 * (high - low)) / (scale.high - scale.low)}%` });
    const told = row.mean === null ? "no readings" : `${withUnit(row.mean, one.unit)} on average, from ${tools.measured(row.low)} to ${tools.measured(row.high)}`;
    const bar = [
      ...(one.normal ? [part("Span", { className: "peer-normal", style: wide(...scale.normal) }, "")] : []),
      ...(row.mean === null ? [] : [
        part("Span", { className: "peer-span", style: wide(row.low, row.high) }, ""),
        part("Span", { className: "peer-mean", style: { left: at(row.mean) } }, ""),
      ]),
    ];
    return part("Li", { key: row.sensor, className: mine ? "peer is-mine" : "peer" }, [
      mine ? part("B", { className: "peer-name", title: row.sensor }, row.sensor) : toSensor(row.sensor, common, { className: "peer-name", title: row.sensor }),
      part("Span", { className: "peer-bar", role: "img", "aria-label": told, title: told }, bar),
      part("Span", { className: "peer-value" }, row.mean === null ? "no readings" : tools.measured(row.mean)),
    ]);
  }

  function scaleOf(peers, one) {
    const known = peers.rows.filter((row) => row.mean !== null);
    let low = Math.min(...known.map((row) => row.low), ...(one.normal ? [one.normal[0]] : []));
    let high = Math.max(...known.map((row) => row.high), ...(one.normal ? [one.normal[1]] : []));
    if (!(high > low)) [low, high] = [low - 1, low + 1];
    return { low, high, normal: one.normal };
  }

  /* What the search is for by Enter before it was answered, and the last answer. */
  let sought = null;
  let found = null;

  const shown = (snapshot) => snapshot && snapshot.sensor && snapshot.sensor.known && snapshot.sensor;

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    sensor: {
      chosen: (value) => {
        if (!value) return [none(), none()];
        tools.change({ sensor: value, page: 1 });
        document.activeElement.blur();
        return [null, ""];
      },

      found: (answer) => {
        found = answer;
        if (sought === null || !answer || answer.text !== sought || !answer.best) return none();
        sought = null;
        return answer.best;
      },

      places: (view, common) => {
        if (!view) return [none(), none(), none()];
        const one = view.sensor !== null;
        const back = { namespace: "dash_core_components", type: "Link", props: { href: tools.link(PATH, common), children: "‹ All sensors" } };
        return [one, !one, one ? [back] : []];
      },

      list: (snapshot, view, common) => {
        if (!snapshot || !snapshot.list) return [none(), none()];
        const { rows, silent, total, first } = snapshot.list;
        const also = silent ? `${tools.number(silent)} silent` : "none silent";
        const which = rows.length ? `${tools.number(first)}–${tools.number(first + rows.length - 1)} of ${tools.number(total)}` : "none";
        if (!rows.length) {
          const why = { silent: "No sensor is silent.", alarms: "No sensor has open alarms." }[view.listed];
          return [tools.empty(why || (snapshot.matching === 0 ? "Nothing matches the filters." : "No sensor has sent anything yet.")), also];
        }
        return [table(LIST, rows.map((one) => listRow(one, snapshot.list, snapshot.at, common))), `${which}; ${also}`];
      },

      listed: (value, view) => {
        if (!view) return none();
        if (triggered() === "listed" && value !== view.listed) {
          tools.change({ listed: value, page: 1 });
          return none();
        }
        return value === view.listed ? none() : view.listed;
      },

      turns: (snapshot) => {
        const list = snapshot && snapshot.list;
        if (!list) return Array(4).fill(true);
        const { page, pages } = list;
        return [page <= 1, page <= 1, page >= pages, page >= pages];
      },

      turn: (...given) => {
        const [snapshot, view] = given.slice(-2);
        if (!snapshot || !snapshot.list || !view) return none();
        const { pages } = snapshot.list;
        const to = { "turn-first": 1, "turn-back": view.page - 1, "turn-next": view.page + 1, "turn-last": pages }[triggered()];
        return to === undefined ? none() : { page: Math.min(pages, Math.max(1, to)) };
      },

      head: (snapshot, _count, view, common) => {
        if (!snapshot || !snapshot.sensor) return Array(13).fill(none());
        const one = snapshot.sensor;
        const title = one.id;
        if (!one.known) {
          const why = "No sensor of this name has sent anything that is kept. Look for it by how its name begins, or in the list of all.";
          return [title, why, "sensor-place is-unknown", ...Array(10).fill(none())];
        }
        const now = view && view.paused ? snapshot.at : tools.serverNow(snapshot);
        const silent = isSilent(one, one.alive_within, now);
        const open = one.alarms.filter((alarm) => alarm.active && !alarm.by);
        const worst = ["critical", "high", "normal", "low"].find((name) => open.some((alarm) => alarm.priority === name));
        let where = one.types.length > 1 ? `of several types: ${one.types.join(", ")}` : one.type;
        const state = silent
          ? [part("Span", { className: "is-silent" }, [part("Span", { className: "dot bad" }, ""), `Silent since ${tools.moment(one.last)}`])]
          : [part("Span", {}, [part("Span", { className: "dot good" }, ""), "Sending"])];
        let judged = "no normal range is known";
        if (one.normal && one.value !== null) {
          const [low, high] = one.normal;
          judged = one.value > high ? `above normal (${low}–${high})` : one.value < low ? `below normal (${low}–${high})` : `normal (${low}–${high})`;
        }
        return [
          title,
          state,
          "sensor-place",
          withUnit(one.value, one.unit),
          judged,
          tools.span((now - one.last) / 1000),
          silent ? "ago: silent" : `ago, at ${tools.time(one.last)}`,
          open.length ? priority(worst, `${open.length}${one.alarms_at_limit ? "+" : ""}`) : "0",
          open.length
            ? part("A", { href: tools.link("/alarms/", common, { sensor: one.id }) }, `worst: ${worst}`)
            : "all quiet",
          charge(one.battery),
          typeof one.battery === "number" ? [part("Span", { className: `battery${one.battery <= 20 ? " is-low" : ""}`, "aria-hidden": "true" }, [part("Span", { style: { width: `${Math.max(0, Math.min(100, one.battery))}%` } }, "")])] : "not told",
          place(one),
          `${where}${one.model === null ? "" : ` · ${one.model}`}`,
        ];
      },

      figures: (snapshot) => {
        const one = shown(snapshot);
        if (!one) return none();
        if (!one.figures) return tools.empty("No readings in this time.");
        const usual = (value) => withUnit(value, one.types.length > 1 ? "" : one.unit);
        const found = FIGURES.map(([name, label, told]) =>
          part("Div", { key: name }, [part("Dt", {}, label), part("Dd", {}, (told || usual)(one.figures[name]))]),
        );
        return part("Dl", { className: "sensor-figures" }, found);
      },

      alarms: (snapshot, common) => {
        const one = shown(snapshot);
        if (!one) return none();
        if (!one.alarms.length) return tools.empty("This sensor has raised no alarm.");
        const heads = [["Priority"], ["Rule"], ["Value", "number"], ["First seen"], ["Last seen"], ["Alerts", "number"], ["State"]];
        const rows = one.alarms.slice(0, 8).map((alarm) => [
          priority(alarm.priority, alarm.priority),
          alarm.rule,
          withUnit(alarm.value, alarm.unit),
          tools.moment(alarm.first),
          tools.moment(alarm.last),
          tools.number(alarm.count),
          `${alarm.active ? "active" : "cleared"}${alarm.by ? `, seen by ${alarm.by}` : ""}`,
        ]);
        const href = tools.link("/alarms/", common, { sensor: one.id, state: "any", acknowledged: "any" });
        const count = `${one.alarms.length}${one.alarms_at_limit ? " or more" : ""}`;
        const link = part("A", { href }, one.alarms.length === 1 ? "Its alarm on the page of alarms" : `All ${count} on the page of alarms`);
        return [table(heads, rows), part("P", { className: "note more" }, [link])];
      },

      peers: (snapshot, view, common) => {
        const one = shown(snapshot);
        if (!one) return [none(), none()];
        if (!one.peers) return [[], "It sends readings of several types, so there is nothing that it could be compared with."];
        const { rows, total, rank, at_limit: more } = one.peers;
        if (total <= 1) return [[], `It is the only sensor of ${one.type} at ${place(one)}.`];
        const count = `${tools.number(total)}${more ? " or more" : ""}`;
        const known = rows.filter((row) => row.mean !== null).length;
        const ranked = rank === null ? "It sent nothing in this time" : `It is number ${rank} of ${known} by its mean`;
        const chosen = total > rows.length ? ` Shown are the ${rows.length} with the highest, the lowest and the nearest last values of ${count}.` : "";
        const note = `${one.type} at ${place(one)}, the last ${tools.span(one.peers.seconds)} of the time. ${ranked}.${chosen}`;
        const scale = scaleOf(one.peers, one);
        return [rows.map((row) => peerRow(row, scale, one, common)), note];
      },

      list_csv: (_clicks, snapshot) => {
        if (snapshot && snapshot.list) {
          const names = ["sensor", "type", "location", "value", "unit", "last", "battery", "model", "open", "worst"];
          tools.csv("sensors", names, snapshot.list.rows.map((row) => names.map((name) => (name === "last" ? tools.stamp(row.last) : row[name]))));
        }
        return none();
      },

      readings_csv: (_clicks, snapshot) => {
        const one = shown(snapshot);
        if (one) {
          const { at, mean, low, high, count } = one.readings;
          const single = one.bin_seconds === null;
          const rows = at.map((moment, n) => [tools.stamp(moment), mean[n], ...(single ? [] : [low[n], high[n], count[n]]), one.unit]);
          const head = single ? ["timestamp", "value", "unit"] : ["from", "mean", "minimum", "maximum", "readings", "unit"];
          tools.csv(one.id, head, rows.filter((row) => row[0] !== null));
        }
        return none();
      },

      peers_csv: (_clicks, snapshot) => {
        const one = shown(snapshot);
        if (one && one.peers) {
          const names = ["sensor", "mean", "low", "high", "count"];
          tools.csv(`${one.type}-peers`, names, one.peers.rows.map((row) => names.map((name) => row[name])));
        }
        return none();
      },
    },
  });

  /* What the search shows: all that the server found, for it knows how names are meant. */
  const element = (...parts) => window.React.createElement(...parts);
  window.dashMantineFunctions = Object.assign(window.dashMantineFunctions || {}, {
    allFound: ({ options }) => options,
    sensorFound: ({ option }) =>
      element("div", { className: "found" }, [
        element("span", { key: "name", className: "found-name" }, option.label),
        element("span", { key: "about", className: "found-about" }, `${option.last.type} · ${place(option.last)}`),
        element("span", { key: "value", className: "found-value" }, withUnit(option.last.value, option.last.unit)),
      ]),
  });

  /* Enter in the search takes what is marked in the list, else the best; where the answer is still under way, that of
     the answer. */
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.target.id !== "sensor-search") return;
      sought = null;
      if (event.key !== "Enter" || !event.target.value) return;
      const isAnswered = found && found.text === event.target.value;
      if (isAnswered && document.querySelector("[data-combobox-selected] .found")) return;
      event.preventDefault();
      event.stopPropagation();
      if (!isAnswered) sought = event.target.value;
      else if (found.best) window.dash_clientside.set_props("sensor-search", { value: found.best });
    },
    true,
  );

  /* "/" begins to search, as long as nobody is writing. */
  document.addEventListener("keydown", (event) => {
    const field = document.getElementById("sensor-search");
    const writing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable;
    if (!field || event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || (writing && event.target.type !== "radio")) return;
    event.preventDefault();
    field.focus();
    field.click();
  });
})();
