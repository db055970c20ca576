/* The page of alarms: its counts, filters, order, export and sound. */
(function () {
  "use strict";

  const tools = window.dashboardTools;
  const alarms = () => window.dashboardAlarms;
  const none = () => window.dash_clientside.no_update;
  const KINDS = [["active", 0], ["active", 1], ["cleared", 0], ["cleared", 1]];
  const PRIORITY_FIRST = "-level";
  let order = PRIORITY_FIRST;

  /* "-level" as AG Grid says it, and back. */
  const asState = (sort) => [{ colId: sort.replace("-", ""), sort: sort.startsWith("-") ? "desc" : "asc" }];
  const fromState = (state) => {
    const sorted = state.find((one) => one.sort);
    return sorted ? `${sorted.sort === "desc" ? "-" : ""}${sorted.colId}` : PRIORITY_FIRST;
  };

  function count(snapshot, [state, noted]) {
    const number = snapshot.alarms.counts[state][noted];
    return tools.number(number) + (number && state === "active" && snapshot.alarms.at_limit ? "+" : "");
  }

  function note(snapshot, sort) {
    const { rows, matching, at_limit: atLimit, since } = snapshot.alarms;
    const parts = [];
    if (rows.length < matching) {
      parts.push(`${tools.number(rows.length)} of ${tools.number(matching)} are listed, ${sort.endsWith("count") ? "the most urgent" : "the first in this order"}: narrow the filters to see others`);
    } else if (rows.length) parts.push(`${tools.number(rows.length)} listed`);
    if (atLimit) parts.push("there are more active ones than are looked at");
    if (since) parts.push(`of those that are over, the newest, back to ${tools.moment(since)}`);
    return parts.join(" · ");
  }

  /* Two quiet notes, the second higher: made here, and only after somebody has switched them on. */
  const sound = { context: null, on: false, last: null };
  function tone() {
    const { context } = sound;
    if (!context || context.state !== "running") return;
    [660, 880].forEach((frequency, index) => {
      const start = context.currentTime + 0.18 * index;
      const oscillator = context.createOscillator();
      const gain = context.createGain();
      oscillator.frequency.value = frequency;
      gain.gain.setValueAtTime(0, start);
      gain.gain.linearRampToValueAtTime(0.06, start + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.0001, start + 0.16);
      oscillator.connect(gain).connect(context.destination);
      oscillator.start(start);
      oscillator.stop(start + 0.17);
    });
    window.dashboardTones = (window.dashboardTones || 0) + 1;
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    alarmPage: {
      counts: (snapshot, view) => {
        if (!snapshot || !view) return Array(3 * KINDS.length + 1).fill(none());
        const chosen = (state, noted) =>
          view.state === state && view.acknowledged === (noted ? "yes" : "no") ? "true" : "false";
        const critical = snapshot.alarms.critical;
        /* How long an alarm lasts changes although nothing of it does. */
        window.dash_ag_grid.getApiAsync("alarms").then((api) => api.refreshCells({ columns: ["lasting"] }));
        return [
          ...KINDS.map((kind) => count(snapshot, kind)),
          critical ? `${tools.number(critical)} critical` : "none critical",
          "now",
          `last seen in ${snapshot.alarms.span}`,
          `last seen in ${snapshot.alarms.span}`,
          ...KINDS.map((kind) => chosen(...kind)),
          note(snapshot, view.sort),
        ];
      },

      /* A click on a count shows those; one on what is shown already shows all. */
      choose: (...given) => {
        const view = given[KINDS.length];
        const id = window.dash_clientside.callback_context.triggered_id;
        const kind = KINDS.find(([name, noted]) => id === `kind-${name}-${noted}`);
        if (!kind || !view) return none();
        const [state, acknowledged] = [kind[0], kind[1] ? "yes" : "no"];
        const isShown = view.state === state && view.acknowledged === acknowledged;
        tools.change(isShown ? { state: "any", acknowledged: "any" } : { state, acknowledged });
        return none();
      },

      rules: (snapshot, view) => {
        if (!snapshot || !view) return none();
        return [...new Set([...snapshot.rules, ...view.rules])].sort();
      },

      sort: (view) => {
        if (!view || view.sort === order) return none();
        order = view.sort;
        const state = { state: asState(order), defaultState: { sort: null } };
        window.dash_ag_grid.getApiAsync("alarms").then((api) => api.applyColumnState(state));
        return none();
      },

      sounds: (on) => {
        sound.on = on;
        if (!on) return "";
        sound.context = sound.context || new window.AudioContext();
        /* A browser lets a page sound only after somebody has touched it. */
        if (sound.context.state === "running") return "";
        const wake = () => sound.context.resume().then(() => window.dash_clientside.set_props("sound-hint", { children: "" }));
        ["pointerdown", "keydown"].forEach((name) => document.addEventListener(name, wake, { once: true }));
        wake();
        return "Click anywhere on the page once, so that the browser lets it sound.";
      },

      announce: (snapshot) => {
        if (!snapshot || !snapshot.critical) return none();
        const { count: number, newest } = snapshot.critical;
        const last = sound.last;
        sound.last = { number, newest };
        if (sound.on && last && (number > last.number || (newest || 0) > (last.newest || 0))) tone();
        return none();
      },

      export: (clicks, snapshot) => {
        if (!clicks || !snapshot) return none();
        const api = window.dash_ag_grid.getApi("alarms");
        const rows = [];
        api.forEachNodeAfterFilterAndSort((node) => rows.push(node.data));
        const columns = [
          ["priority", (one) => alarms().WORDS[one.level]],
          ["sensor", (one) => one.sensor],
          ["rule", (one) => one.rule],
          ["type", (one) => one.type],
          ["location", (one) => one.location],
          ["value", (one) => one.value],
          ["limit", (one) => one.threshold],
          ["unit", (one) => one.unit],
          ["first_seen", (one) => tools.stamp(one.first)],
          ["last_seen", (one) => tools.stamp(one.last)],
          ["alerts", (one) => one.count],
          ["state", (one) => alarms().state(one)],
          ["acknowledged_at", (one) => tools.stamp(one.acknowledged)],
          ["acknowledged_by", (one) => one.by],
          ["note", (one) => one.note],
        ];
        tools.csv("alarms", columns.map(([name]) => name), rows.map((one) => columns.map(([, get]) => get(one))));
        return none();
      },
    },
  });

  window.dashAgGridFunctions = Object.assign(window.dashAgGridFunctions || {}, {
    alarmSorted: (params) => {
      /* What the address says is applied as well, and the grid begins with an order of its own. */
      if (params.source !== "uiColumnSorted") return;
      const chosen = fromState(params.api.getColumnState());
      if (chosen === order) return;
      order = chosen;
      tools.change({ sort: chosen });
    },
    alarmOpened: (params) => {
      const key = params.event && params.event.key;
      if ((key && key !== "Enter") || !params.data || params.column.getColId() === "ag-Grid-SelectionColumn") return;
      tools.change({ alarm: params.data.id });
    },
  });
})();
