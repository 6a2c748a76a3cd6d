// The timeline: writing something down without leaving the page, narrowing, reading on, pinning, correcting; and what
// colleagues write appears by itself. What somebody is editing is never replaced under their hands.
(() => {
  "use strict";

  const WAIT_MS = 200;
  const NAME = /(^|[^\w@.])@([\p{L}\p{N}_-]{1,40}(?: [\p{L}\p{N}_-]{0,40})?)$/u;

  function start(root) {
    const url = root.dataset.timeline;
    const parts = root.querySelector("[data-tl-parts]");
    const bar = root.querySelector("[data-tl-bar]");
    const composer = root.querySelector("[data-tl-composer]");
    const said = root.querySelector("[data-tl-said]");
    const words = root.querySelector("[data-tl-words]").dataset;
    const csrf = () => (composer || document).querySelector("[name=csrfmiddlewaretoken]").value;
    let asked = 0;
    let isStale = false;
    // Whose former words are shown: by their place, with the version that they were asked for.
    const opened = new Map();

    const say = (text) => { said.textContent = ""; window.requestAnimationFrame(() => { said.textContent = text; }); };

    function narrowed() {
      const query = new URLSearchParams(new FormData(bar));
      if (!query.get("q")?.trim()) query.delete("q");
      return query;
    }

    async function get(address) {
      const response = await fetch(address, { headers: { "X-Requested-With": "XMLHttpRequest" } });
      // Whoever is logged out is led to the login page, and so is the page itself.
      if (response.redirected) {
        window.location.reload();
        return null;
      }
      if (!response.ok) throw new Error(String(response.status));
      return response.text();
    }

    async function post(address, values) {
      const response = await fetch(address, {
        method: "POST",
        body: values,
        headers: { "X-CSRFToken": csrf(), "X-Requested-With": "XMLHttpRequest" },
      });
      if (response.redirected) {
        window.location.reload();
        return { isDone: false, message: "" };
      }
      const told = await response.json().catch(() => ({}));
      return { isDone: response.ok, message: told.message || words.failed, fields: told.fields || {}, ...(response.ok ? told : {}) };
    }

    const isInHand = () => parts.querySelector("[data-tl-editing]") !== null;

    // The first page anew, with as much of the rest as stands there already left alone only where nothing is narrowed.
    async function refresh({ isTold = false } = {}) {
      if (isInHand()) {
        isStale = true;
        return;
      }
      isStale = false;
      asked += 1;
      const mine = asked;
      try {
        const html = await get(`${url}?${narrowed()}`);
        if (html === null || mine !== asked) return;
        const before = new Set([...parts.querySelectorAll("[data-activity]")].map((each) => each.dataset.activity));
        const focus = remembered();
        parts.innerHTML = html;
        reopen();
        restore(focus);
        const isNew = [...parts.querySelectorAll("[data-tl-list] > [data-activity]")].some((each) => !before.has(each.dataset.activity));
        if (isTold && isNew) say(words.new);
      } catch {
        say(words.failed);
      }
    }

    // Which button of which activity has the focus: the page is put together anew around it.
    function remembered() {
      const at = document.activeElement;
      const entry = at?.closest?.("[data-activity]");
      if (!entry || !parts.contains(at)) return null;
      const name = at.dataset.tlDeed ? "[data-tl-deed]" : "tlEdit" in at.dataset ? "[data-tl-edit]" : "a, button";
      return `[data-activity="${CSS.escape(entry.dataset.activity)}"] ${name}`;
    }

    const restore = (selector) => { if (selector) parts.querySelector(selector)?.focus({ preventScroll: true }); };

    async function further(button) {
      button.disabled = true;
      const query = narrowed();
      query.set("after", button.dataset.tlAfter);
      try {
        const html = await get(`${url}?${query}`);
        if (html === null) return;
        const box = document.createElement("template");
        box.innerHTML = html;
        const entries = [...box.content.querySelectorAll("[data-tl-list] > li")];
        const next = box.content.querySelector("[data-tl-after]");
        parts.querySelector("[data-tl-list]").append(...entries);
        if (next) button.replaceWith(next);
        else button.remove();
        const first = entries[0]?.querySelector("a, button");
        (first || next)?.focus({ preventScroll: true });
      } catch {
        button.disabled = false;
        say(words.failed);
      }
    }

    // Writing

    if (composer) {
      const error = composer.querySelector("[data-tl-error]");
      const body = composer.querySelector("[name=body]");
      const names = composer.querySelector("[data-tl-names]");
      const kind = () => composer.querySelector("[name=kind]:checked").value;
      let isSending = false;

      const shape = () => {
        for (const each of composer.querySelectorAll("[data-tl-for]")) {
          const isFor = each.dataset.tlFor.split(" ").includes(kind());
          each.hidden = !isFor;
          // What is not seen is not sent.
          if (each.classList.contains("art-field") || each.tagName === "INPUT") {
            for (const field of each.querySelectorAll("input, select, textarea")) field.disabled = !isFor;
          }
        }
      };

      const refuse = (text) => {
        error.textContent = text;
        error.hidden = !text;
        body.toggleAttribute("aria-invalid", Boolean(text));
      };

      const send = async () => {
        if (isSending) return;
        isSending = true;
        refuse("");
        const values = new FormData(composer);
        const when = values.get("occurred_at");
        if (when) values.set("occurred_at", when);
        else values.delete("occurred_at");
        try {
          const done = await post(url, values);
          if (done.isDone) {
            const chosen = kind();
            composer.reset();
            composer.querySelector(`[name=kind][value="${chosen}"]`).checked = true;
            shape();
            say(words.saved);
            await refresh();
            body.focus();
          } else {
            refuse(done.message);
            body.focus();
          }
        } catch {
          refuse(words.failed);
        } finally {
          isSending = false;
        }
      };

      // Names after an "@"

      let offered = [];
      let chosen = 0;
      let typed = 0;

      const close = () => {
        offered = [];
        names.hidden = true;
        body.removeAttribute("aria-activedescendant");
      };

      const mark = () => {
        [...names.children].forEach((each, at) => each.setAttribute("aria-selected", String(at === chosen)));
        body.setAttribute("aria-activedescendant", `tl-name-${chosen}`);
      };

      const offer = async () => {
        const found = NAME.exec(body.value.slice(0, body.selectionStart));
        if (!found) return close();
        typed += 1;
        const mine = typed;
        try {
          const told = JSON.parse(await get(`${root.dataset.names}?q=${encodeURIComponent(found[2])}`));
          if (mine !== typed) return;
          offered = told.names;
          // A whole name needs no help.
          if (!offered.length || offered.includes(found[2])) return close();
          chosen = 0;
          names.replaceChildren(...offered.map((name, at) => Object.assign(document.createElement("li"), { textContent: name, role: "option", id: `tl-name-${at}` })));
          names.hidden = false;
          mark();
        } catch {
          close();
        }
      };

      const take = (at) => {
        const end = body.selectionStart;
        const found = NAME.exec(body.value.slice(0, end));
        if (!found) return close();
        body.setRangeText(`${offered[at]} `, end - found[2].length, end, "end");
        close();
        body.focus();
      };

      body.addEventListener("input", offer);
      body.addEventListener("blur", () => window.setTimeout(close, WAIT_MS));
      names.addEventListener("mousedown", (event) => {
        event.preventDefault();
        const at = [...names.children].indexOf(event.target.closest("li"));
        if (at >= 0) take(at);
      });
      body.addEventListener("keydown", (event) => {
        if (names.hidden) return;
        if (event.key === "ArrowDown" || event.key === "ArrowUp") {
          chosen = (chosen + (event.key === "ArrowDown" ? 1 : -1) + offered.length) % offered.length;
          mark();
        } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey || event.key === "Tab") {
          take(chosen);
        } else if (event.key === "Escape") {
          close();
        } else {
          return;
        }
        event.preventDefault();
        event.stopPropagation();
      });
      composer.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          send();
        }
      });
      composer.addEventListener("change", (event) => { if (event.target.name === "kind") shape(); });
      composer.addEventListener("submit", (event) => {
        event.preventDefault();
        send();
      });
      // A page that comes back from the history may have another kind chosen.
      shape();
    }

    // One activity

    async function deed(button) {
      const entry = button.closest("[data-activity]");
      const values = new FormData();
      values.set("version", entry.dataset.version);
      const name = button.dataset.tlDeed;
      const done = await post(`${url}${entry.dataset.activity}/${name}/`, values).catch(() => ({ isDone: false, message: words.failed }));
      if (!done.isDone) {
        say(done.message);
        tell(entry, done.message);
        return;
      }
      if (name === "remove") removed(entry);
      else await refresh();
    }

    function tell(entry, text) {
      entry.querySelector(".art-error")?.remove();
      entry.querySelector(".tl-what").append(Object.assign(document.createElement("p"), { className: "art-error", textContent: text }));
    }

    // It can be brought back for as long as the page is left open: above the list, which is put together anew.
    function removed(entry) {
      const pk = entry.dataset.activity;
      const line = document.createElement("p");
      const back = Object.assign(document.createElement("button"), { type: "button", className: "art-link", textContent: words.undo });
      back.addEventListener("click", async () => {
        const done = await post(`${url}${pk}/restore/`, new FormData()).catch(() => ({ isDone: false, message: words.failed }));
        if (!done.isDone) {
          say(done.message);
          return;
        }
        line.remove();
        await refresh();
      });
      line.className = "art-quiet";
      line.append(`${words.removed} `, back);
      parts.before(line);
      for (const each of parts.querySelectorAll(`[data-activity="${CSS.escape(pk)}"]`)) each.remove();
      say(words.removed);
      back.focus();
    }

    function edit(button) {
      const entry = button.closest("[data-activity]");
      if (entry.querySelector("[data-tl-editing]")) return;
      const raw = entry.querySelector("[data-tl-raw]").content.textContent;
      const what = entry.querySelector(".tl-what");
      const shown = entry.querySelector("[data-tl-body]");
      const form = document.createElement("form");
      form.dataset.tlEditing = "";
      form.className = "tl-editing";
      const area = Object.assign(document.createElement("textarea"), { className: "art-input", value: raw, rows: Math.min(12, raw.split("\n").length + 1) });
      area.setAttribute("aria-label", words.text);
      const save = Object.assign(document.createElement("button"), { className: "art-button art-button-primary art-button-small", textContent: words.save });
      const cancel = Object.assign(document.createElement("button"), { type: "button", className: "art-button art-button-quiet art-button-small", textContent: words.cancel });
      const line = document.createElement("div");
      line.className = "art-actions";
      line.append(save, cancel);
      form.append(area, line);
      if (shown) shown.hidden = true;
      what.append(form);
      area.focus();
      const end = () => {
        form.remove();
        if (shown) shown.hidden = false;
        button.focus();
        if (isStale) refresh();
      };
      cancel.addEventListener("click", end);
      area.addEventListener("keydown", (event) => {
        if (event.key === "Escape") end();
        else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
        else return;
        event.preventDefault();
      });
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        const values = new FormData();
        values.set("version", entry.dataset.version);
        values.set("body", area.value);
        const done = await post(`${url}${entry.dataset.activity}/edit/`, values).catch(() => ({ isDone: false, message: words.failed }));
        if (!done.isDone) {
          tell(entry, done.message);
          area.focus();
          return;
        }
        delete form.dataset.tlEditing;
        say(words.saved);
        await refresh();
        parts.querySelector(`[data-activity="${CSS.escape(entry.dataset.activity)}"] [data-tl-edit]`)?.focus();
      });
    }

    // What is pinned stands in two lists; each is opened for itself.
    const placeOf = (entry) => `${entry.closest(".tl-pinned") ? ".tl-pinned" : "[data-tl-list]"} > [data-activity="${CSS.escape(entry.dataset.activity)}"]`;

    // Former words stay open when the page is put together anew around them, and come anew where there are more of them.
    async function former(button) {
      const entry = button.closest("[data-activity]");
      const place = placeOf(entry);
      if (opened.delete(place)) showFormer(place, "");
      else await openFormer(place, entry);
    }

    async function openFormer(place, { dataset: { activity, version } }) {
      opened.set(place, { version, html: "" });
      try {
        const html = await get(`${url}${activity}/former/`);
        // Closed again meanwhile, or asked for once more.
        if (html === null || opened.get(place)?.version !== version) return;
        opened.set(place, { version, html });
        showFormer(place, html);
      } catch {
        opened.delete(place);
        say(words.failed);
      }
    }

    function showFormer(place, html) {
      const entry = parts.querySelector(place);
      entry?.querySelector(".tl-former")?.remove();
      entry?.querySelector("[data-tl-former]")?.setAttribute("aria-expanded", String(Boolean(html)));
      if (html) entry?.querySelector(".tl-what")?.insertAdjacentHTML("beforeend", html);
    }

    function reopen() {
      for (const [place, { version, html }] of [...opened]) {
        const entry = parts.querySelector(place);
        if (!entry) opened.delete(place);
        else if (entry.dataset.version === version) showFormer(place, html);
        else openFormer(place, entry);
      }
    }

    parts.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.tlAfter) further(button);
      else if (button.dataset.tlDeed) deed(button);
      else if ("tlEdit" in button.dataset) edit(button);
      else if ("tlFormer" in button.dataset) former(button);
    });

    // Narrowing

    let waiting = 0;
    bar.addEventListener("submit", (event) => {
      event.preventDefault();
      refresh();
    });
    bar.addEventListener("input", () => {
      window.clearTimeout(waiting);
      waiting = window.setTimeout(refresh, WAIT_MS);
    });

    // What others do

    let soon = 0;
    const moved = () => {
      window.clearTimeout(soon);
      soon = window.setTimeout(() => refresh({ isTold: true }), WAIT_MS);
    };
    window.artel?.live?.watch(root.dataset.stream, { event: moved, state: moved });
  }

  const begin = () => document.querySelectorAll("[data-timeline]").forEach(start);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
