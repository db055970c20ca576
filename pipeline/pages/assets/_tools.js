/* What the pages' functions in the browser share: words for numbers and times, links, changes of the view, export.
   Files are loaded in the order of their names: this one is the first. */
(function () {
  "use strict";

  const STALE_SECONDS = 15;
  const place = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";
  const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const DAY = { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const WHOLE = { ...DAY, year: "numeric", second: "2-digit" };
  const formats = new Map();
  let received = { at: null, when: 0 };
  /* The view that was followed last, and what the server told once. */
  let view = null;
  let served = null;

  const isUtc = () => (view ? view.zone : new URLSearchParams(window.location.search).get("zone")) === "utc";
  function format(options, at) {
    const key = `${isUtc()}${JSON.stringify(options)}`;
    if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat([], { ...options, ...(isUtc() ? { timeZone: "UTC" } : {}) }));
    return formats.get(key).format(new Date(at));
  }

  const offset = (at) => (isUtc() ? 0 : 60000 * new Date(at).getTimezoneOffset());

  const tools = {
    /* Called by the frame alone. */
    follow: (now, told) => {
      view = now;
      served = told;
    },

    view: () => view,
    /* `refresh`, and the `shortest` and the `longest` time that can be shown, seconds. */
    served: () => served,

    /* The name of the zone that times are shown in. */
    zone: () => (isUtc() ? "UTC" : place),
    time: (at) => format(TIME, at),
    /* Short: without the day where it is clear. */
    moment: (at) => format(Math.abs(Date.now() - at) < 43200000 ? TIME : DAY, at),
    day: (at) => format(DAY, at),
    /* With all that there is, as in a tooltip. */
    whole: (at) => format(WHOLE, at),
    /* "26 Nov 10:00 – 11:30", with the days where they differ. */
    between: (since, until) => {
      const sameDay = tools.local(since).slice(0, 10) === tools.local(until).slice(0, 10);
      const exact = since % 60000 || until % 60000;
      const year = new Date().getFullYear() === new Date(since).getFullYear() ? {} : { year: "numeric" };
      const end = sameDay ? (exact ? TIME : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }) : exact ? { ...DAY, second: "2-digit" } : DAY;
      return `${format({ ...DAY, ...year, ...(exact ? { second: "2-digit" } : {}) }, since)} – ${format(end, until)}`;
    },
    span: (seconds) => {
      if (seconds < 100) return `${Math.max(0, Math.round(seconds))} s`;
      if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
      if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
      return `${Math.floor(seconds / 86400)} days`;
    },
    /* plotly.js shows a number in the browser's zone, whatever the page's is, and a text as it is: so charts and date
       pickers get texts ("2026-03-01 12:00:00.500"); and back, from what they say. */
    local: (at) => (at === null || at === undefined ? null : new Date(at - offset(at)).toISOString().slice(0, -1).replace("T", " ")),
    instant: (shown) => {
      const moved = Date.parse(`${shown.replace(" ", "T")}${shown.length > 10 ? "" : "T00:00"}Z`);
      return Math.round(moved + offset(moved + offset(moved)));
    },

    scheme: (of) => {
      const chosen = (of && of.theme) || "auto";
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

    /* The server's clock now: that of the snapshot and the time since it came. */
    serverNow: (snapshot) => {
      if (received.at !== snapshot.at) received = { at: snapshot.at, when: performance.now() };
      return snapshot.at + performance.now() - received.when;
    },
    isStale: (newest, now) => newest !== null && now - newest > 1000 * STALE_SECONDS,

    /* A component as Dash's server would send it. */
    part: (type, props, ...children) => ({
      namespace: "dash_html_components",
      type,
      props: { ...props, children: children.length === 1 ? children[0] : children },
    }),
    /* What a panel says that has nothing to show. */
    empty: (text) => tools.part("P", { className: "empty", key: "empty" }, text),
    title: (name) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " "),

    /* Show something else on this page: fields of the view with their new values, such as {types: ["humidity"]}. */
    change: (changes) => window.dash_clientside.set_props("change", { data: changes }),
    /* The address of another page with what all pages share (the store "common"), and with parameters of its own. */
    link: (path, common, more = {}) => {
      const query = new URLSearchParams(common || "");
      Object.entries(more).forEach(([name, value]) => query.set(name, value));
      const text = query.toString().replaceAll("%3A", ":");
      return text ? `${path}?${text}` : path;
    },

    /* Save rows as a CSV file that no spreadsheet takes a formula from; `name` is the file's, without its time. */
    csv: (name, head, rows) => {
      const cell = (value) => {
        if (value === null || value === undefined) return "";
        /* A number cannot be a formula, although it may begin with "-". */
        const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
        return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
      };
      const text = [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
      /* The mark tells spreadsheets that it is UTF-8. */
      tools.save(new Blob(["\ufeff", text, "\r\n"], { type: "text/csv" }), tools.fileName(name, "csv"));
    },
    save: (blob, name) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    },
    fileName: (name, ending) => `${name}-${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z.${ending}`,
    /* An instant in a file: unmistakable, and a time to spreadsheets. */
    stamp: (at) => (at === null || at === undefined ? null : new Date(at).toISOString()),
  };

  window.dashboardTools = tools;
})();
