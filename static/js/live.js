// What moves on a page: one socket to /ws/, opened when something is watched, and the cards of jobs.
//
//   const stop = artel.live.watch("job:42", { event(data, seq) {…}, state(state, seq) {…}, denied() {…} }, { epoch, seq });
//
// `event` tells one thing that happened, `state` the whole when too much was missed, `denied` that the right is gone. Without the third argument the
// state comes first. After a break the socket goes on from the last number seen, so nothing is lost or told twice.
(() => {
  "use strict";

  const FIRST_DELAY_MS = 500;
  const LAST_DELAY_MS = 30000;
  // A page that nobody looks at keeps its socket this long.
  const HIDDEN_MS = 60000;
  // A break shorter than this is nobody's business.
  const QUIET_MS = 3000;
  // Until the welcome says how often heartbeats come; three that are missing make a break.
  const SILENCE_MS = 45000;
  const LOGGED_OUT = 4401;
  const REFUSED = [LOGGED_OUT, 4403];
  const UNREAD = 4408;

  const watched = new Map();
  let socket = null;
  let attempts = 0;
  let silenceMs = SILENCE_MS;
  let silence = 0;
  let reconnect = 0;
  let hide = 0;
  let quiet = 0;
  let isRefused = false;
  let isWelcome = false;
  let words = { away: "", out: "" };
  let sign = null;
  // A page that has this dialog keeps its socket though it watches nothing: it wants to know when its session ends.
  let loggedOut = null;

  // The sign. Whoever watches says in which words; without them it keeps silent.

  const speak = (said) => { words = said; };

  function say(text) {
    if (!sign) {
      if (!text) return;
      sign = document.createElement("div");
      sign.className = "live-away";
      sign.setAttribute("role", "status");
      document.body.append(sign);
    }
    sign.textContent = text;
    sign.hidden = !text;
  }

  function away() {
    window.clearTimeout(quiet);
    quiet = window.setTimeout(() => say(words.away), QUIET_MS);
  }

  function back() {
    window.clearTimeout(quiet);
    say("");
  }

  // Over the page, so that what was typed there is not lost; the way back leads here.
  function sayLoggedOut() {
    if (!loggedOut) {
      say(words.out);
      return;
    }
    const here = `${window.location.pathname}${window.location.search}`;
    loggedOut.querySelector("a").href = `${loggedOut.dataset.login}?next=${encodeURIComponent(here)}`;
    say("");
    if (!loggedOut.open) loggedOut.showModal();
  }

  // The socket

  const isNeeded = () => watched.size > 0 || loggedOut !== null;

  const since = (watch) => (watch.epoch ? { epoch: watch.epoch, seq: watch.seq } : {});

  function send(message) {
    if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  }

  function open() {
    window.clearTimeout(reconnect);
    if (socket || isRefused || !isNeeded() || document.hidden) return;
    const here = new WebSocket(`${window.location.protocol === "https:" ? "wss" : "ws"}://${window.location.host}/ws/`);
    socket = here;
    listen();
    here.addEventListener("open", () => {
      send({ op: "hello", streams: Object.fromEntries([...watched].map(([name, watch]) => [name, since(watch)])) });
    });
    here.addEventListener("message", (event) => {
      if (here !== socket) return;
      listen();
      take(JSON.parse(event.data));
    });
    here.addEventListener("close", (event) => {
      if (here === socket) closed(event.code);
    });
  }

  // A connection can die without a word; heartbeats tell.
  function listen() {
    window.clearTimeout(silence);
    silence = window.setTimeout(() => drop(), silenceMs);
  }

  function drop() {
    const here = socket;
    closed(UNREAD);
    here?.close();
  }

  function closed(code) {
    socket = null;
    isWelcome = false;
    window.clearTimeout(silence);
    if (REFUSED.includes(code)) {
      isRefused = true;
      window.clearTimeout(quiet);
      if (code === LOGGED_OUT) sayLoggedOut();
      else say("");
      return;
    }
    if (!isNeeded() || document.hidden) return;
    away();
    const delay = Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempts);
    attempts += 1;
    // Spread out, so that a server that comes back is not overrun by everybody at once.
    reconnect = window.setTimeout(open, delay * (0.5 + Math.random()));
  }

  // What the server says

  function take(message) {
    const watch = watched.get(message.stream);
    switch (message.op) {
      case "welcome":
        isWelcome = true;
        attempts = 0;
        silenceMs = message.heartbeat ? message.heartbeat * 3000 : SILENCE_MS;
        back();
        for (const name of message.denied) denied(name);
        break;
      case "event":
        if (watch) event(watch, message);
        break;
      case "reset":
        if (watch) reset(watch, message);
        break;
      case "heartbeat":
        for (const [name, head] of Object.entries(message.heads)) if (head > (watched.get(name)?.seq ?? head)) again(name);
        break;
      case "denied":
        for (const name of message.streams) denied(name);
        break;
    }
  }

  function event(watch, { stream, seq, data }) {
    if (seq <= watch.seq) return;
    if (seq !== watch.seq + 1) {
      again(stream);
      return;
    }
    watch.seq = seq;
    for (const handler of watch.handlers) handler.event?.(data, seq);
  }

  function reset(watch, { epoch, seq, state }) {
    Object.assign(watch, { epoch, seq });
    for (const handler of watch.handlers) handler.state?.(state, seq);
  }

  function denied(stream) {
    const handlers = watched.get(stream)?.handlers ?? [];
    watched.delete(stream);
    for (const handler of handlers) handler.denied?.();
  }

  function again(stream) {
    send({ op: "subscribe", stream, ...since(watched.get(stream)) });
  }

  function watch(stream, handler, from = {}) {
    let entry = watched.get(stream);
    if (!entry) {
      entry = { epoch: from.epoch || "", seq: from.seq || 0, handlers: new Set() };
      watched.set(stream, entry);
      if (socket && socket.readyState === WebSocket.OPEN) again(stream);
      else window.queueMicrotask(open);
    }
    entry.handlers.add(handler);
    return () => {
      entry.handlers.delete(handler);
      if (entry.handlers.size || watched.get(stream) !== entry) return;
      watched.delete(stream);
      send({ op: "unsubscribe", stream });
    };
  }

  document.addEventListener("visibilitychange", () => {
    window.clearTimeout(hide);
    if (!document.hidden) {
      attempts = 0;
      open();
      return;
    }
    hide = window.setTimeout(() => {
      const here = socket;
      socket = null;
      window.clearTimeout(silence);
      here?.close();
    }, HIDDEN_MS);
  });
  window.addEventListener("online", () => {
    attempts = 0;
    open();
  });

  // Jobs

  const language = document.documentElement.lang || "en";
  const format = (number) => new Intl.NumberFormat(language, { maximumFractionDigits: 0, useGrouping: "always" }).format(number).replaceAll("\u00a0", "\u202f");
  const FINAL = ["SUCCEEDED", "FAILED", "CANCELLED"];
  const TONES = { RUNNING: "live", SUCCEEDED: "good", FAILED: "bad", CANCELLED: "warn" };

  // No more exact than anybody can know; the same in apps/jobs/templatetags/jobs.py.
  function remaining(left, said) {
    if (left === null || left < 0) return "";
    if (left < 10) return said.moments;
    if (left < 60) return said.seconds.replace("{n}", Math.max(Math.round(left / 10), 1) * 10);
    if (left < 5400) return said.minutes.replace("{n}", Math.max(Math.round(left / 60), 1));
    return said.hours.replace("{n}", Math.round(left / 3600));
  }

  class JobCard {
    constructor(element) {
      const { job, jobWords, jobEpoch, jobSeq, jobState, jobLeft, jobDone, jobTotal } = element.dataset;
      this.element = element;
      this.id = job;
      this.words = JSON.parse(jobWords);
      words = this.words;
      this.job = { state: jobState, done: Number(jobDone), total: jobTotal ? Number(jobTotal) : null, is_cancelling: false };
      this.endsAt = jobLeft ? Date.now() + Number(jobLeft) * 1000 : null;
      if (!FINAL.includes(jobState)) window.setInterval(() => this.tick(), 1000);
      for (const list of this.logs()) list.scrollTop = list.scrollHeight;
      const handler = { event: (data) => this.event(data), state: (state) => this.state(state) };
      watch(`job:${job}`, handler, { epoch: jobEpoch, seq: Number(jobSeq) });
    }

    part(name) {
      return this.element.querySelector(`[data-job-part="${name}"]`);
    }

    event(data) {
      if (data.kind === "LOG") this.line(data);
      else this.show(data, data.at);
    }

    state(state) {
      for (const list of this.logs()) list.replaceChildren();
      (state.log || []).forEach((line) => this.line(line));
      this.show(state, new Date().toISOString());
    }

    show(data, at) {
      const before = this.job.state;
      Object.assign(this.job, data);
      if (data.state && data.state !== "RUNNING") this.job.is_cancelling = false;
      // Both times are the server's: the clock of this machine may be wrong.
      if ("eta_at" in data) this.endsAt = data.eta_at ? Date.now() + Date.parse(data.eta_at) - Date.parse(at) : null;
      this.figures();
      this.wording();
      this.actions();
      this.tick();
      if (before !== this.job.state) {
        this.element.dispatchEvent(new CustomEvent("artel:job", { bubbles: true, detail: { id: this.id, state: this.job.state } }));
      }
    }

    figures() {
      const { done, total, state } = this.job;
      const bar = this.part("bar");
      const percent = state === "SUCCEEDED" ? 100 : total ? Math.min(100, Math.floor((done * 100) / total)) : null;
      if (bar) {
        bar.className = `job-bar job-bar-${state.toLowerCase()}${percent === null ? " job-bar-unknown" : ""}`;
        if (percent === null) bar.removeAttribute("aria-valuenow");
        else bar.setAttribute("aria-valuenow", percent);
        this.part("fill").setAttribute("width", `${percent ?? 0}%`);
      }
      const count = this.part("count");
      if (!count) return;
      if (total) count.textContent = this.words.of.replace("{done}", format(done)).replace("{total}", format(total));
      else count.textContent = done ? format(done) : "";
    }

    wording() {
      const { state, message, error, is_cancelling: isCancelling } = this.job;
      const outside = document.querySelectorAll(`[data-job-of="${this.id}"]`);
      for (const badge of [this.part("state"), ...outside]) {
        if (!badge) continue;
        badge.textContent = this.words[isCancelling ? "CANCELLING" : state];
        badge.className = `art-badge${TONES[state] ? ` art-badge-${TONES[state]}` : ""}`;
      }
      this.fill("message", message);
      this.fill("error", error === undefined ? undefined : error?.message || "");
    }

    fill(name, text) {
      const element = this.part(name);
      if (!element || text === undefined) return;
      element.textContent = text;
      element.hidden = !text;
    }

    actions() {
      const { state, is_cancelling: isCancelling } = this.job;
      const shown = {
        page: state === "SUCCEEDED",
        cancel: !FINAL.includes(state) && !isCancelling,
        retry: state === "FAILED" || state === "CANCELLED",
      };
      for (const [name, isShown] of Object.entries(shown)) {
        const element = this.part(name);
        if (element) element.hidden = !isShown;
      }
    }

    tick() {
      const eta = this.part("eta");
      const left = this.endsAt === null || this.job.state !== "RUNNING" ? null : (this.endsAt - Date.now()) / 1000;
      if (eta) eta.textContent = remaining(left, this.words);
    }

    logs() {
      return document.querySelectorAll(`[data-job-log="${this.id}"]`);
    }

    line({ at, text }) {
      for (const list of this.logs()) {
        const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
        const item = document.createElement("li");
        const time = document.createElement("time");
        time.dateTime = at;
        time.textContent = new Date(at).toLocaleTimeString(language, { hour12: false });
        const said = document.createElement("span");
        said.textContent = text;
        item.append(time, " ", said);
        list.append(item);
        // Who scrolled back to read is left alone.
        if (isAtEnd) list.scrollTop = list.scrollHeight;
      }
      const empty = document.querySelector(`[data-job-empty="${this.id}"]`);
      if (empty) empty.hidden = true;
    }
  }

  function bind(root) {
    for (const element of root.querySelectorAll("[data-job]:not([data-job-bound])")) {
      element.dataset.jobBound = "";
      new JobCard(element);
    }
  }

  window.artel = Object.assign(window.artel || {}, { live: { watch, bind, speak, isOpen: () => isWelcome, seqOf: (stream) => watched.get(stream)?.seq } });
  function start() {
    loggedOut = document.getElementById("logged-out");
    bind(document);
    open();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
