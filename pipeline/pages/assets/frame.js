/* What the frame of every page does in the browser. Nothing here fetches anything: Dash's one tick does. */
(function () {
  "use strict";

  const STALE_SECONDS = 15;
  const none = () => window.dash_clientside.no_update;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";
  const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat([], { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  let received = { at: null, when: 0 };

  const tools = {
    zone,
    scheme: (view) => {
      const chosen = (view && view.theme) || "auto";
      if (chosen !== "auto") return chosen;
      return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    },
    number: (value, digits = 0) =>
      value === null || value === undefined
        ? "–"
        : value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits }),
    /* As many digits as tell something: 21.43, 1013, 0.52. */
    measured: (value) =>
      value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumSignificantDigits: Math.abs(value) >= 1000 ? 5 : 4 }),
    time: (at) => clock.format(new Date(at)),
    moment: (at) => (Date.now() - at < 43200000 ? clock.format(new Date(at)) : day.format(new Date(at))),
    span: (seconds) => {
      if (seconds < 100) return `${Math.max(0, Math.round(seconds))} s`;
      if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
      if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
      return `${Math.floor(seconds / 86400)} days`;
    },
    /* The address of another page with what all pages share (the store "common"), and with fields of its own. */
    link: (path, common, more = {}) => {
      const query = new URLSearchParams(common || "");
      Object.entries(more).forEach(([name, value]) => query.set(name, value));
      const text = query.toString();
      return text ? `${path}?${text}` : path;
    },
    /* The server's clock now: that of the snapshot and the time since it came. */
    serverNow: (snapshot) => {
      if (received.at !== snapshot.at) received = { at: snapshot.at, when: performance.now() };
      return snapshot.at + performance.now() - received.when;
    },
    isStale: (snapshot, now) => snapshot.figures.newest !== null && now - snapshot.figures.newest > 1000 * STALE_SECONDS,
    /* A component as Dash's server would send it. */
    part: (type, props, ...children) => ({
      namespace: "dash_html_components",
      type,
      props: { ...props, children: children.length === 1 ? children[0] : children },
    }),
  };
  window.dashboardTools = tools;

  /* Why there is no reading yet, and why there is no new one, by what the query that stores them does. */
  const PRODUCER = "python producer.py --sensors 1000 --rate 1000";
  const NOTHING = {
    idle: ["No readings yet: start a producer with", PRODUCER],
    working: ["The first readings are on their way.", ""],
    waiting: ["No readings yet: the Spark job waits for a server; its log says for which.", ""],
    silent: ["No readings yet, and no Spark job has reported. If it is just starting, wait a moment; else start it, and a producer, with", `python spark_job.py\n${PRODUCER}`],
  };
  const OLD = {
    idle: "no others have come in since. See that a producer runs.",
    working: "the Spark job is behind, and at work on what is left.",
    waiting: "the Spark job waits for a server; its log says for which.",
    silent: "the Spark job is not heard of. See that spark_job.py runs; what is sent meanwhile is stored when it does.",
  };

  function banner(snapshot, link, view, now, waited, interval) {
    if (link && !link.ok) {
      const kept = snapshot ? ` What is shown is from ${tools.time(snapshot.at)}.` : "";
      const since = link.since ? ` since ${tools.time(link.since)}` : "";
      return ["is-away", "error", `MongoDB does not answer${since}.${kept} The page goes on by itself when it is back.`, link.why];
    }
    if (snapshot && !view.paused && waited > Math.max(15, 4 * interval)) {
      const why = document.querySelector(".user")
        ? "Your session may have ended: load the page anew. Or the server was stopped: see that dashboard.py runs."
        : "It may have been stopped: see that dashboard.py runs.";
      return ["is-away", "error", `The page’s server has not answered for ${tools.span(waited)}. ${why}`, ""];
    }
    if (!snapshot) return ["is-loading", null];
    const { newest, filtered, supply } = snapshot.figures;
    if (newest === null) {
      if (filtered && snapshot.choices.types.length) {
        return ["is-empty", "info", "No sensor is of this type and at this location. Choose others, or clear the filters.", ""];
      }
      return ["is-empty", "info", ...NOTHING[supply]];
    }
    if (!view.paused && tools.isStale(snapshot, now)) {
      const age = tools.span((now - newest) / 1000);
      return ["is-stale", "warning", `The newest reading is ${age} old: ${OLD[supply]}`, ""];
    }
    return ["is-live", null];
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    frame: {
      theme: (view) => (view && view.theme !== "auto" ? view.theme : undefined),
      places: (common, ids) => ids.map((id) => tools.link(id.of, common)),
      pause: (view) => (view && view.paused ? 0 : -1),

      state: (_count, snapshot, link, view, interval) => {
        if (!view) return [none(), none(), none()];
        const now = snapshot ? tools.serverNow(snapshot) : Date.now();
        const waited = snapshot ? (now - snapshot.at) / 1000 : 0;
        const [state, kind, text, code] = banner(snapshot, link, view, now, waited, interval / 1000);
        const message = kind ? [tools.part("Div", { className: `banner ${kind}` }, text, code ? tools.part("Code", {}, code) : "")] : [];
        const place = `Times in ${zone}`;
        let status = "";
        if (snapshot) status = view.paused ? `Paused at ${tools.time(snapshot.at)} · ${place}` : place;
        const shown = JSON.stringify(message);
        const same = shown === window.dashboardBanner;
        window.dashboardBanner = shown;
        return [`panels ${state}${view.paused ? " is-paused" : ""}`, same ? none() : message, status];
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
