/* One alarm in detail: what it is, its values over time against the limit, and earlier ones of the same kind. */
(function () {
  "use strict";

  const tools = window.dashboardTools;
  const alarms = () => window.dashboardAlarms;
  const none = () => window.dash_clientside.no_update;
  const part = (...given) => tools.part(...given);

  function fact(name, ...value) {
    return part("Div", {}, [part("Dt", {}, name), part("Dd", {}, ...value)]);
  }

  function state(alarm) {
    const lasted = tools.span(alarms().lasting(alarm));
    return alarm.active
      ? `active for ${lasted}, since ${tools.moment(alarm.first)}`
      : `cleared; it lasted ${lasted}, from ${tools.moment(alarm.first)} to ${tools.moment(alarm.last)}`;
  }

  function acknowledged(alarm) {
    if (!alarm.by) return "not yet";
    return `by ${alarm.by}, ${tools.moment(alarm.acknowledged)}${alarm.note ? `: ${alarm.note}` : ""}`;
  }

  function facts(detail) {
    const { alarm } = detail;
    const value = alarms().measured(alarm.value, alarm.unit);
    const limit = alarms().measured(alarm.threshold, alarm.unit);
    return part("Dl", { className: "facts" }, [
      fact("Priority", part("Span", { className: `priority ${alarms().WORDS[alarm.level]}` }, alarms().WORDS[alarm.level])),
      fact("State", state(alarm)),
      fact("Acknowledged", acknowledged(alarm)),
      fact("Last value", limit ? `${value}, the limit is ${limit}` : value),
      fact("Alerts", window.dashAgGridFunctions.alerts({ value: alarm.count })),
      fact("Location", alarm.location || "unknown"),
    ]);
  }

  function earlier(detail) {
    if (!detail.earlier.length) return part("P", { className: "note" }, "None that is kept.");
    const head = ["First seen", "Lasted", "Acknowledged"].map((name) => part("Th", { scope: "col" }, name));
    const rows = detail.earlier.map((one) =>
      part("Tr", {}, [
        part("Td", {}, tools.moment(one.first)),
        part("Td", {}, tools.span((one.last - one.first) / 1000)),
        part("Td", { title: one.note || "" }, one.by ? `${one.by}${one.note ? `: ${one.note}` : ""}` : "no"),
      ]),
    );
    return part("Table", {}, [part("Thead", {}, [part("Tr", {}, head)]), part("Tbody", {}, rows)]);
  }

  function chart(detail, view, templates) {
    const { alarm, alerts, readings, limits } = detail;
    const when = (list) => list.map((one) => tools.local(one));
    const line = (value) => ({
      type: "line", xref: "paper", x0: 0, x1: 1, y0: value, y1: value, layer: "above", opacity: 0.9, line: { color: "#d1462f", width: 1.5, dash: "dash" },
    });
    const label = (value) => ({
      xref: "paper", x: 0, y: value, xanchor: "left", yanchor: "bottom", showarrow: false,
      text: `limit ${alarms().measured(value, alarm.unit)}`, font: { size: 11 },
    });
    return {
      data: [
        { type: "scatter", mode: "lines", name: "readings", x: when(readings.at), y: readings.value, line: { width: 1.2, color: "#7a8794" }, hovertemplate: "%{y} %{x|%H:%M:%S}<extra></extra>" },
        { type: "scatter", mode: "markers", name: "alerts", x: when(alerts.at), y: alerts.value, marker: { size: 7, color: "#d1462f" }, hovertemplate: "alert: %{y} %{x|%H:%M:%S}<extra></extra>" },
      ],
      layout: {
        template: templates[tools.scheme(view)],
        height: 210,
        margin: { l: 48, r: 8, t: 8, b: 28 },
        showlegend: false,
        hovermode: "closest",
        xaxis: { type: "date" },
        yaxis: { title: { text: alarm.unit || "" } },
        shapes: limits.map(line),
        annotations: limits.map(label),
        uirevision: alarm.id,
      },
    };
  }

  /* Beside an alarm in detail there is no place for what it says as well. */
  const ALSO_SAID = ["location", "threshold", "first", "lasting", "count"];
  let beside = false;
  function makePlace(open) {
    if (open === beside) return;
    beside = open;
    window.dash_ag_grid.getApiAsync("alarms").then((api) => api.setColumnsVisible(ALSO_SAID, !open));
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    alarmDetail: {
      draw: (snapshot, view, templates, common) => {
        const nothing = Array(8).fill(none());
        if (!view || !snapshot) return nothing;
        makePlace(Boolean(view.alarm));
        if (!view.alarm) return ["detail", true, ...nothing.slice(2)];
        const detail = snapshot.detail;
        /* The answer to the click is on its way. */
        if (!detail || detail.asked !== view.alarm) return ["detail is-waiting", false, "", "", none(), "", "", ""];
        if (!detail.alarm) {
          const text = "There is no such alarm. It may be older than what is kept.";
          return ["detail is-gone", false, "No such alarm", part("P", { className: "note" }, text), none(), "", "", ""];
        }
        const { alarm } = detail;
        const links = [
          part("A", { href: tools.link("/sensor/", common, { sensor: alarm.sensor }) }, "Its readings"),
          part("A", { href: tools.link("/alarms/", common, { sensor: alarm.sensor, state: "any", acknowledged: "any" }) }, "All its alarms"),
        ];
        const more = detail.more ? "The newest part of a long alarm." : "";
        return [
          "detail",
          false,
          `${alarm.sensor}: ${alarm.rule}`,
          [part("P", { className: "note" }, detail.message || ""), part("P", { className: "links" }, links)],
          chart(detail, view, templates),
          more,
          facts(detail),
          earlier(detail),
        ];
      },

      close: (clicks) => {
        if (clicks) tools.change({ alarm: null });
        return none();
      },
    },
  });

  document.addEventListener("keydown", (event) => {
    const open = document.querySelector("#detail:not([hidden])");
    /* In a list of choices it closes that list. */
    const isChoosing = document.activeElement && document.activeElement.getAttribute("aria-expanded") === "true";
    if (event.key !== "Escape" || !open || isChoosing) return;
    tools.change({ alarm: null });
  });
})();
