/* The grid of alarms and their acknowledgement. */
(function () {
  "use strict";

  /* Files come in the order of their names: this one before what gives the tools. */
  const tools = () => window.dashboardTools;
  const none = () => window.dash_clientside.no_update;

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    alarms: {
      rows: (snapshot, view) => {
        if (!snapshot) return [none(), none(), view ? tools().scheme(view) : none()];
        const shown = snapshot.alarms.length;
        const all = snapshot.figures.open;
        const open = view.alarms === "open";
        const note = open && all > shown ? `the newest ${shown} of ${tools().number(all)}` : open ? "" : `the newest ${shown}`;
        return [snapshot.alarms, note, tools().scheme(view)];
      },

      acknowledge: (rows, name) => {
        const count = (rows || []).length;
        const named = Boolean((name || "").trim());
        const hint = count ? (named ? "" : "Give your name to acknowledge.") : "Select alarms in the table to acknowledge them.";
        return [!count || !named, count ? `Acknowledge ${count}` : "Acknowledge", hint];
      },
    },
  });

  const WORDS = ["", "low", "normal", "high", "critical"];
  const withUnit = (value, unit) => (value === null || value === undefined ? "" : `${tools().measured(value)} ${unit || ""}`);
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
    measured: (params) => withUnit(params.value, params.data.unit),
    moment: (params) => tools().moment(params.value),
    activity: (params) => (params.value ? "active" : "cleared"),
    acknowledged: (params) => (params.value ? `${params.value}, ${tools().moment(params.data.acknowledged)}` : ""),
  });
})();
