// Keyboard shortcuts of the admin. What they are is written once, in the dialog of templates/admin/keys.html.
(() => {
  "use strict";

  const TYPING = "input, textarea, select, [contenteditable=''], [contenteditable='true'], [role='textbox'], [role='combobox']";
  // How long the second key of "g d" may take.
  const PREFIX_MS = 1500;
  let prefixUntil = 0;

  const isTyping = (target) =>
    target instanceof Element && target.closest(TYPING) && !target.matches("input[type='checkbox'], input[type='radio']");

  // A dialog, the palette or an open menu has the keyboard to itself.
  const isCovered = () => {
    const palette = document.getElementById("search-input-command");
    return Boolean(document.querySelector("dialog[open]")) || Boolean(palette && palette.offsetParent !== null);
  };

  const rows = () => [...document.querySelectorAll("#result_list tbody tr, [data-rows] > [data-row]")].filter((row) => row.offsetParent !== null);

  const current = () => document.querySelector(".art-row-current");

  function mark(row) {
    current()?.classList.remove("art-row-current");
    row.classList.add("art-row-current");
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    const all = rows();
    if (!all.length) return false;
    const at = all.indexOf(current());
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1);
    mark(all[next]);
    return true;
  }

  function select() {
    const box = current()?.querySelector("input[type='checkbox']");
    box?.click();
    current()?.focus({ preventScroll: true });
    return Boolean(box);
  }

  function open() {
    const link = current()?.querySelector("th a[href], [data-open][href], td a[href], a[href]");
    link?.click();
    return Boolean(link);
  }

  function add() {
    // Where the page itself is about other rows than those of the sales side, its own link is meant.
    const isSales = /\/admin\/(crm\/(company|person|deal)\/|notifications\/task\/|$)/.test(window.location.pathname) || !document.querySelector("[data-new][href], a.addlink[href]");
    if (isSales && window.artel?.quick?.open()) return true;
    const link = document.querySelector("[data-new][href], a.addlink[href]");
    link?.click();
    return Boolean(link);
  }

  function search() {
    const own = document.getElementById("searchbar");
    if (own) {
      own.focus();
      own.select();
    } else {
      window.dispatchEvent(new CustomEvent("opencommand"));
    }
    return true;
  }

  function help() {
    const dialog = document.getElementById("keys");
    dialog?.showModal();
    return Boolean(dialog);
  }

  function go(key) {
    const place = document.querySelector(`#keys [data-go="g ${CSS.escape(key)}"]`);
    if (place) window.location.assign(place.dataset.url);
    return Boolean(place);
  }

  // A row names the keys of what one does with it there.
  function pressInRow(key) {
    const named = current()?.querySelector(`[data-row-press="${CSS.escape(key)}"]`);
    named?.click();
    return Boolean(named);
  }

  // A page names the key of what one does there most.
  function press(key) {
    const named = document.querySelector(`[data-press="${CSS.escape(key)}"]`);
    named?.click();
    return Boolean(named);
  }

  const actions = {
    "/": search,
    "?": help,
    n: add,
    j: () => step(1),
    k: () => step(-1),
    x: select,
    e: open,
  };

  function enter(event) {
    // Enter on a link or a button is theirs; on the row itself it opens the row.
    return event.target === current() && open();
  }

  // Letters are found by their place on the keyboard, so that they work with a Russian layout too.
  function keyOf(event) {
    const isLatin = /^[\x20-\x7e]$/.test(event.key);
    if (isLatin || event.key.length > 1) return event.key;
    if (event.code === "Slash") return event.shiftKey ? "?" : "/";
    return event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : event.key;
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.repeat && !"jk".includes(event.key)) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (isTyping(event.target) || isCovered()) return;
    const key = keyOf(event);
    const now = performance.now();
    let done = false;
    if (now < prefixUntil) {
      prefixUntil = 0;
      done = go(key);
    } else if (key === "g") {
      prefixUntil = now + PREFIX_MS;
    } else if (key === "Enter") {
      done = enter(event);
    } else if (key.length === 1 && pressInRow(key)) {
      done = true;
    } else if (Object.hasOwn(actions, key)) {
      done = actions[key]();
    } else if (key.length === 1) {
      done = press(key);
    }
    if (done) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("[data-keys-open]")) help();
    // A click beside a dialog closes it.
    if (event.target instanceof HTMLDialogElement && event.target.classList.contains("art-dialog")) event.target.close();
  });
})();
