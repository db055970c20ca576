/* The grid of alarms and their acknowledgement, for every page that lists alarms. */
(function () {
  "use strict";

  const tools = window.dashboardTools;
  const none = () => window.dash_clientside.no_update;
  const WORDS = ["", "low", "normal", "high", "critical"];

  /* An alarm's id is sensor|rule|instant; what would part it is written as %25 and %7C. */
  function row(columns, values) {
    const alarm = Object.fromEntries(columns.map((name, index) => [name, values[index]]));
    const [sensor, rule, first] = alarm.id.split("|").map(decodeURIComponent);
    return { ...alarm, sensor, rule, first: Date.parse(first) };
  }

  /* What an acknowledgement is of: the rows that are selected, else the alarm that is open. */
  function meant(selected, snapshot, view) {
    if (selected && selected.length) return selected.map((one) => one.id);
    const open = view && view.alarm && snapshot && snapshot.detail;
    return open && open.alarm && !open.alarm.by ? [open.alarm.id] : [];
  }

  /* How long an alarm lasts, in seconds: to its end, or until now by the server's clock. */
  let at = null;
  const lasting = (alarm) => ((alarm.active && at ? Math.max(at, alarm.last) : alarm.last) - alarm.first) / 1000;

  window.dashboardAlarms = {
    WORDS,
    row,
    lasting,
    /* The rows of a list; one that says the same as before is the same object, so that the grid leaves it alone. */
    rows: (() => {
      let before = new Map();
      return (list) => {
        const known = before;
        before = new Map(
          list.rows.map((values) => {
            const old = known.get(values[0]);
            const same = old && values.every((value, index) => value === old.values[index]);
            return [values[0], same ? old : { values, row: row(list.columns, values) }];
          }),
        );
        return [...before.values()].map((one) => one.row);
      };
    })(),
    measured: (value, unit) => (value === null || value === undefined ? "" : `${tools.measured(value)} ${unit || ""}`.trim()),
    state: (alarm) => (alarm.active ? "active" : "cleared"),
    noted: (alarm) => (alarm.by ? `${alarm.by}, ${tools.moment(alarm.acknowledged)}` : ""),
  };
  const alarms = window.dashboardAlarms;

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    alarms: {
      rows: (snapshot, view) => {
        const mode = view ? tools.scheme(view) : none();
        if (!snapshot) return [none(), mode];
        at = snapshot.at;
        return [alarms.rows(snapshot.alarms), mode];
      },

      note: (snapshot, view) => {
        if (!snapshot || !view) return none();
        const shown = snapshot.alarms.rows.length;
        const all = snapshot.alarms.matching;
        if (all > shown) return `the newest ${tools.number(shown)} of ${tools.number(all)}`;
        return view.alarms === "open" ? "" : `${tools.number(shown)} listed`;
      },

      /* The page of alarms, with the same ones in its list. */
      more: (common, view) =>
        tools.link("/alarms/", common, view && view.alarms === "all" ? { state: "any", acknowledged: "any" } : {}),

      acknowledge: (selected, name, snapshot, view) => {
        const count = meant(selected, snapshot, view).length;
        const named = Boolean((name || "").trim());
        const chosen = selected && selected.length;
        const text = !count ? "Acknowledge" : chosen ? `Acknowledge ${tools.number(count)}` : "Acknowledge this alarm";
        const hint = !count ? "Select alarms in the table to acknowledge them." : named ? "" : "Give your name to acknowledge.";
        return [!count || !named, text, hint];
      },

      acknowledging: (clicks, selected, by, note, snapshot, view) => {
        const ids = meant(selected, snapshot, view);
        return clicks && ids.length ? { ids, by: by || "", note: note || "", number: clicks } : none();
      },
    },
  });

  window.dashAgGridFunctions = Object.assign(window.dashAgGridFunctions || {}, {
    gridTheme: (theme) =>
      theme.withParams(
        { accentColor: "#1f63d0", fontFamily: "inherit", fontSize: 13, spacing: 6, wrapperBorderRadius: 8 },
        "light",
      ).withParams(
        { accentColor: "#6ea8fe", backgroundColor: "#1a2027", foregroundColor: "#e6eaee", chromeBackgroundColor: "#222a33", browserColorScheme: "dark", fontFamily: "inherit", fontSize: 13, spacing: 6, wrapperBorderRadius: 8 },
        "dark",
      ),
    priority: (params) => WORDS[params.value] || "",
    priorityClass: (params) => `priority ${WORDS[params.value] || ""}`,
    measured: (params) => alarms.measured(params.value, params.data.unit),
    moment: (params) => tools.moment(params.value),
    lasting: (params) => lasting(params.data),
    span: (params) => tools.span(params.value),
    alerts: (params) => (params.value > LIMIT ? `${tools.number(LIMIT)}+` : tools.number(params.value)),
    activity: (params) => (params.value ? "active" : "cleared"),
    activityClass: (params) => (params.value ? "is-active" : "is-cleared"),
    acknowledged: (params) => alarms.noted(params.data),
    missingLast: (one, other, _row, _other, falling) => {
      const missing = (value) => value === null || value === undefined;
      if (missing(one) || missing(other)) return (missing(one) - missing(other)) * (falling ? -1 : 1);
      return one < other ? -1 : one > other ? 1 : 0;
    },
  });
  /* As many of an alarm's alerts are counted. */
  const LIMIT = 1000;
})();
