/* Filters and time: what the controls of every page do in the browser. */
(function () {
  "use strict";

  const tools = window.dashboardTools;
  const none = () => window.dash_clientside.no_update;
  const whole = (at) => 1000 * Math.round(at / 1000);

  /* A time that can be asked for, about the one that is wanted. */
  function fitting(since, until) {
    const middle = (since + until) / 2;
    const { shortest, longest } = tools.served();
    const half = Math.min(Math.max(until - since, 1000 * shortest), 1000 * longest) / 2;
    const first = whole(middle - half);
    return { since: first, until: first + whole(2 * half) };
  }

  /* Every chart with a time axis changes the page's time, by dragging, and back by a double-click; but for one in
     something with data-own-time. */
  function watchCharts() {
    document.querySelectorAll(".js-plotly-plot").forEach((plot) => {
      if (plot.dataset.watched || typeof plot.on !== "function" || plot.closest("[data-own-time]")) return;
      plot.dataset.watched = "yes";
      const isTime = () => plot._fullLayout && plot._fullLayout.xaxis && plot._fullLayout.xaxis.type === "date";
      plot.on("plotly_relayout", (event) => {
        const range = [event["xaxis.range[0]"], event["xaxis.range[1]"]];
        if (!isTime() || range.some((one) => typeof one !== "string")) return;
        tools.change(fitting(...range.map(tools.instant)));
      });
      plot.on("plotly_doubleclick", () => {
        if (isTime() && tools.view().since !== null) tools.change({ since: null, until: null });
      });
    });
  }
  tools.watchCharts = watchCharts;

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    toolbar: {
      show: (view) => {
        if (!view) return Array(5).fill(none());
        const chosen = view.since !== null;
        return [
          chosen ? tools.between(view.since, view.until) : "From … to …",
          chosen ? "quiet chosen" : "quiet",
          !chosen,
          !chosen,
          !view.types.length && !view.locations.length,
        ];
      },

      /* By half of what is shown, so that the other half stays in sight; what would end beyond now is live again. */
      step: (earlier, later, now, clear, view, snapshot) => {
        const cause = window.dash_clientside.callback_context.triggered_id;
        if (!view || !snapshot || !(earlier || later || now || clear)) return none();
        if (cause === "clear") return { types: [], locations: [] };
        if (cause === "now") return { since: null, until: null };
        const { since, until } = snapshot;
        const step = (cause === "earlier" ? -0.5 : 0.5) * (until - since);
        if (until + step > snapshot.at) return { since: null, until: null };
        return fitting(since + step, until + step);
      },

      open: (clicks, snapshot) => {
        if (!clicks || !snapshot) return Array(3).fill(none());
        const shown = (at) => tools.local(at).slice(0, 19);
        return [...[snapshot.since, snapshot.until].map(shown), `Times are ${tools.zone()}.`];
      },

      between: (clicks, since, until) => {
        if (!clicks) return [none(), none(), none()];
        const [first, last] = [since, until].map((one) => (one ? tools.instant(one) : NaN));
        const { shortest, longest } = tools.served();
        let problem = "";
        if (Number.isNaN(first) || Number.isNaN(last)) problem = "Give both.";
        else if (last - first < 1000 * shortest) problem = "The end has to be a minute or more behind the beginning.";
        else if (last - first > 1000 * longest) problem = "At most 31 days can be shown.";
        return problem ? [none(), none(), problem] : [{ since: first, until: last }, false, ""];
      },

      choices: (snapshot, view, types, locations) => {
        if (!snapshot || !view) return [none(), none()];
        /* What the address names stays choosable, even where nothing of that name is stored. */
        const merged = (stored, chosen, before) => {
          const all = [...new Set([...stored, ...chosen])].sort();
          return JSON.stringify(all) === JSON.stringify(before) ? none() : all;
        };
        return [
          merged(snapshot.choices.types, view.types, types),
          merged(snapshot.choices.locations, view.locations, locations),
        ];
      },
    },
  });
})();
