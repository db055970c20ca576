/* What the frame of every page does in the browser. Nothing here fetches anything: Dash's one tick does. */
(function () {
  "use strict";

  /* plotly.js fails at the end of a drawing whose chart was removed meanwhile: nothing is left to be told of it. */
  window.addEventListener("unhandledrejection", (event) => {
    if (String(event.reason && event.reason.message).includes("_redrawFromAutoMarginCount")) event.preventDefault();
  });

  /* To run plotly.js takes a browser longer than all the rest of a page: the figures come first. A chart of Dash waits
     for a promise that stands in its place; else it would have it run at once, and give up after 30 seconds. */
  let runPlotly = () => {};
  window.Plotly = new Promise((resolve) => {
    runPlotly = () => {
      runPlotly = () => {};
      const load = () => {
        const script = document.createElement("script");
        script.src = document.getElementById("plotly").href;
        script.onload = resolve;
        script.onerror = () => setTimeout(load, 5000);
        document.head.appendChild(script);
      };
      /* After what has come is painted. */
      requestAnimationFrame(() => setTimeout(load, 0));
      /* A page in the background is not painted. */
      if (document.hidden) load();
    };
  });

  const tools = window.dashboardTools;
  const none = () => window.dash_clientside.no_update;

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
    const stands = view.paused || view.refresh === 0;
    if (link && !link.ok) {
      const kept = snapshot ? ` What is shown is from ${tools.time(snapshot.at)}.` : "";
      const since = link.since ? ` since ${tools.time(link.since)}` : "";
      return ["is-away", "error", `MongoDB does not answer${since}.${kept} The page goes on by itself when it is back.`, link.why];
    }
    if (snapshot && !stands && waited > Math.max(15, 4 * interval)) {
      const why = document.querySelector(".user")
        ? "Your session may have ended: load the page anew. Or the server was stopped: see that dashboard.py runs."
        : "It may have been stopped: see that dashboard.py runs.";
      return ["is-away", "error", `The page’s server has not answered for ${tools.span(waited)}. ${why}`, ""];
    }
    if (!snapshot) return ["is-loading", null];
    const { newest, supply } = snapshot;
    if (newest === null) return ["is-empty", "info", ...NOTHING[supply]];
    if (snapshot.matching === 0) {
      return ["is-empty", "info", "No sensor is of this type and at this location. Choose others, or clear the filters.", ""];
    }
    if (!stands && tools.isStale(newest, now)) {
      const age = tools.span((now - newest) / 1000);
      return ["is-stale", "warning", `The newest reading is ${age} old: ${OLD[supply]}`, ""];
    }
    return ["is-live", null];
  }

  /* The tab's title counts the critical alarms, for those who look elsewhere. */
  function entitle(snapshot) {
    window.dashboardTitle = window.dashboardTitle || document.title;
    const count = snapshot ? snapshot.critical.count : 0;
    const title = count ? `(${tools.number(count)}) ${window.dashboardTitle}` : window.dashboardTitle;
    if (document.title !== title) document.title = title;
  }

  /* What has data-narrow narrows the page when it is clicked, or chosen by key: {"types": ["humidity"]}; on what is
     chosen already it shows everything again. Judged by the view of now: what was drawn may be a moment older. */
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-narrow]");
    if (!chosen) return;
    const wanted = JSON.parse(chosen.dataset.narrow);
    const isShown = Object.entries(wanted).every(([name, value]) => JSON.stringify(tools.view()[name]) === JSON.stringify(value));
    tools.change({ types: [], locations: [], ...(isShown ? {} : wanted) });
  });

  /* Dash makes all within a panel anew whenever one thing in it changes. What has the focus would lose it: what takes
     its place in the panel, by data-name, address or text, gets it back; and the click, if it was being pressed. */
  const named = (one) => one.dataset.name || one.getAttribute("href") || one.textContent;
  let focused = null;
  document.addEventListener("focusin", ({ target }) => {
    const around = target.parentElement && target.parentElement.closest("#panels [id]");
    focused = around && { target, around: around.id, kind: target.tagName, name: named(target) };
  });
  new MutationObserver(() => {
    if (!focused || focused.target.isConnected || document.activeElement !== document.body) return;
    const panel = document.getElementById(focused.around);
    const heir = panel && [...panel.querySelectorAll(focused.kind)].find((one) => named(one) === focused.name);
    if (heir) heir.focus({ preventScroll: true });
  }).observe(document.documentElement, { childList: true, subtree: true });
  let pressed = null;
  document.addEventListener("pointerdown", ({ button, target }) => {
    pressed = button === 0 ? target.closest("#panels button, #panels a[href]") : null;
  });
  document.addEventListener("pointerup", ({ target }) => {
    const heir = pressed && !pressed.isConnected && target.closest(pressed.tagName);
    if (heir && named(heir) === named(pressed)) heir.click();
    pressed = null;
  });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    frame: {
      /* The theme, and how often the page asks. */
      follow: (view, served) => {
        if (!view) return [none(), none(), none()];
        tools.follow(view, served);
        return [
          view.theme === "auto" ? undefined : view.theme,
          1000 * (view.refresh > 0 ? view.refresh : served.refresh),
          view.paused || view.refresh === 0 ? 0 : -1,
        ];
      },

      places: (common, ids) => ids.map((id) => tools.link(id.of, common)),

      /* What is read piece by piece is asked for again at once; but for a page that stands still while time goes on. */
      hurry: (snapshot, view) => {
        if (!snapshot || !view || snapshot.complete !== false || (view.paused && view.since === null)) return none();
        return `more ${snapshot.at}`;
      },

      refresh: (clicks) => (clicks ? `asked ${clicks}` : none()),

      state: (_count, snapshot, link, view, interval) => {
        if (!view) return [none(), none(), none()];
        if (snapshot || link) runPlotly();
        const now = snapshot ? tools.serverNow(snapshot) : Date.now();
        const waited = snapshot ? (now - snapshot.at) / 1000 : 0;
        const [state, kind, text, code] = banner(snapshot, link, view, now, waited, interval / 1000);
        const message = kind ? [tools.part("Div", { className: `banner ${kind}` }, text, code ? tools.part("Code", {}, code) : "")] : [];
        const place = `Times in ${tools.zone()}`;
        let status = "";
        if (snapshot) {
          const at = tools.time(snapshot.at);
          status = view.paused ? `Paused at ${at} · ${place}` : view.refresh === 0 ? `As of ${at} · ${place}` : place;
        }
        const shown = JSON.stringify(message);
        const same = shown === window.dashboardBanner;
        window.dashboardBanner = shown;
        entitle(snapshot);
        tools.watchCharts();
        return [`panels ${state}${view.paused ? " is-paused" : ""}`, same ? none() : message, status];
      },
    },
  });
})();
