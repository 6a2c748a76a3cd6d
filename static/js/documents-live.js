// The page of a document follows it: when the stream says that something moved, the page is read again behind the person's
// back, and those parts that differ take the place of the old ones. A part in which somebody types waits until they are done.
(() => {
  "use strict";

  const root = document.querySelector("[data-live-document]");
  if (!root || !window.artel?.live) return;
  const { stream, epoch, seq, words } = JSON.parse(root.querySelector("script").textContent);

  const TYPED = "input:not([type='hidden'], [type='submit'], [type='button']), select, textarea";
  // Several facts come with one change.
  const GATHER_MS = 120;
  const AGAIN_MS = 3000;

  const form = document.getElementById("document_form");
  // What was sent and came back with a refusal is somebody's, though it looks as the server wrote it.
  const isKept = root.hasAttribute("data-live-kept");
  const known = new Map();
  const waiting = new Set();
  let timer = 0;
  let asked = null;
  let isLeaving = false;
  let isGone = false;

  // What a part said when it came: tokens are others each time, and scripts change it afterwards.
  const said = (part) => part.outerHTML.replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");

  const isChanged = (field) => {
    if (field instanceof HTMLSelectElement) {
      const options = [...field.options];
      // Where the server chose nothing, the browser has chosen the first.
      if (!field.multiple && !options.some((option) => option.defaultSelected)) return field.selectedIndex > 0;
      return options.some((option) => option.selected !== option.defaultSelected);
    }
    return field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
  };

  function isBusy(part) {
    const here = document.activeElement;
    if (part.contains(here) && here.matches(`${TYPED}, .select2-selection`)) return true;
    if (part.querySelector("details[open] form, .select2-container--open")) return true;
    return [...part.querySelectorAll(TYPED)].some(isChanged);
  }

  function note(part, text) {
    if (part.querySelector(":scope > .doc-live-note")) return;
    const line = document.createElement("p");
    line.className = "art-note doc-live-note";
    line.setAttribute("role", "status");
    line.textContent = text;
    part.prepend(line);
  }

  // Which link or button of a part has the keyboard, and which parts of it are unfolded: the new one is to be the same.
  function remembered(part) {
    const here = part.contains(document.activeElement) ? document.activeElement : null;
    const open = [...part.querySelectorAll("details[open] > summary")].map((each) => each.textContent);
    return (fresh) => {
      for (const each of fresh.querySelectorAll("summary")) if (open.includes(each.textContent)) each.parentElement.open = true;
      if (!here) return;
      const heir = [...fresh.querySelectorAll(here.localName)].find((each) => each.textContent === here.textContent);
      heir?.focus({ preventScroll: true });
    };
  }

  function put(part, fresh, name, text) {
    if (known.get(name) === said(fresh)) {
      waiting.delete(name);
      return part;
    }
    if (isBusy(part)) {
      waiting.add(name);
      note(part, text);
      return part;
    }
    waiting.delete(name);
    known.set(name, said(fresh));
    const restore = remembered(part);
    part.replaceWith(fresh);
    restore(fresh);
    return fresh;
  }

  // A list of parts may have got some, and lost others.
  function putAll(list, fresh) {
    const there = new Map([...list.children].map((part) => [part.dataset.live, part]));
    let last = null;
    for (const part of [...fresh.children]) {
      const name = part.dataset.live;
      const old = there.get(name);
      if (!old) known.set(name, said(part));
      const now = old ? put(old, part, name, words.waits) : part;
      there.delete(name);
      if (now.parentElement !== list || now.previousElementSibling !== last) {
        if (last) last.after(now);
        else list.prepend(now);
      }
      last = now;
    }
    for (const [name, part] of there) {
      if (isBusy(part)) continue;
      known.delete(name);
      part.remove();
    }
  }

  function show(fresh) {
    for (const list of document.querySelectorAll("[data-live-list]")) {
      const other = fresh.querySelector(`[data-live-list="${list.dataset.liveList}"]`);
      if (other) putAll(list, other);
    }
    const fields = form?.querySelector(":scope > div");
    const others = fresh.querySelector("#document_form > div");
    if (fields && others && !isKept) {
      const now = put(fields, others, "form", words.form);
      // Fields that find their choices on the server wait for this to be made what they are.
      if (now !== fields) now.dispatchEvent(new CustomEvent("formset:added", { bubbles: true }));
      const buttons = [document.getElementById("submit-row"), fresh.getElementById("submit-row")];
      if (now !== fields && buttons[0] && buttons[1]) buttons[0].replaceWith(buttons[1]);
    }
    document.title = fresh.title;
  }

  // The page as it is now; nothing where that could not be had.
  async function read(signal) {
    try {
      const response = await fetch(window.location.href, { headers: { "X-Artel-Live": "1" }, signal, cache: "no-store" });
      if (response.status === 404 || response.status === 403) gone();
      else if (!response.ok) soon(AGAIN_MS);
      // Elsewhere is the page to log in; whoever watches is told of that.
      else if (!response.redirected) return await response.text();
    } catch (error) {
      if (error.name !== "AbortError") soon(AGAIN_MS);
    }
    return null;
  }

  async function look() {
    if (isLeaving || isGone) return;
    // Only the latest answer counts.
    asked?.abort();
    const mine = new AbortController();
    asked = mine;
    const text = await read(mine.signal);
    if (text !== null && !isLeaving) show(new DOMParser().parseFromString(text, "text/html"));
  }

  function soon(after = GATHER_MS) {
    window.clearTimeout(timer);
    timer = window.setTimeout(look, after);
  }

  function gone() {
    isGone = true;
    note(root, words.gone);
  }

  for (const part of document.querySelectorAll("[data-live]")) known.set(part.dataset.live, said(part));
  const fields = form?.querySelector(":scope > div");
  if (fields) known.set("form", said(fields));

  // Whoever is done lets what waits appear.
  for (const name of ["focusout", "toggle", "change", "reset"]) {
    document.addEventListener(name, () => { if (waiting.size) soon(); }, true);
  }
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    isLeaving = true;
    asked?.abort();
  });
  window.addEventListener("pageshow", () => { isLeaving = false; });

  window.artel.live.speak(words);
  window.artel.live.watch(stream, { event: () => soon(), state: () => soon(), denied: gone }, { epoch, seq });
})();
