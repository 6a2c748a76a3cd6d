// The screen of reconciliation by keyboard. Everything works without it: choices are radio buttons, whose arrows and Enter
// are the browser's own.
(() => {
  "use strict";

  const page = document.querySelector("[data-reconcile]");
  if (!page) return;
  const options = page.querySelector("[data-options]");
  const split = page.querySelector("[data-split]");
  const aside = page.querySelector("[data-aside]");
  const choices = () => [...(options?.querySelectorAll("input[name='choice']") ?? [])];

  function number(text) {
    const value = Number(text.replace(/[\s\u00a0\u202f]/g, "").replace(",", "."));
    return Number.isFinite(value) ? value : 0;
  }

  function choose(step) {
    const all = choices();
    if (!all.length) return;
    const at = all.findIndex((each) => each.checked);
    const next = all[(at + step + all.length) % all.length];
    next.checked = true;
    next.focus();
  }

  function fold(details, field) {
    if (!details) return;
    details.open = !details.open;
    if (details.open) details.querySelector(field)?.focus();
    else choices().find((each) => each.checked)?.focus();
  }

  // Letters that are typed into a field are the field's.
  const isTyping = (target) => target.matches("textarea, select, [contenteditable], input:not([type='radio']):not([type='checkbox'])");

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) {
      if (event.key === "Escape" && event.target.closest?.("details[open]")) event.target.closest("details").open = false;
      return;
    }
    const link = page.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") choose(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "s" && split) fold(split, "input[name^='part-']");
    else if (event.key === "x" && aside) fold(aside, "input[name='reason']");
    else if (event.key === "Enter" && options && event.target === document.body && choices().some((each) => each.checked)) options.requestSubmit();
    else if (link) link.click();
    else return;
    event.preventDefault();
    // The site's own keys (j, k, n for new) do not also act.
    event.stopImmediatePropagation();
  }, true);

  const form = split?.querySelector("form");
  if (form) {
    const rest = form.querySelector("[data-rest]");
    const left = number(form.dataset.left);
    const fields = [...form.querySelectorAll("input[data-due]")];
    const taken = (but) => fields.reduce((sum, each) => sum + (each === but ? 0 : number(each.value)), 0);
    const show = () => { rest.textContent = (left - taken(null)).toLocaleString(document.documentElement.lang, { minimumFractionDigits: 2 }); };
    for (const field of fields) {
      field.addEventListener("input", show);
      // An empty field that is entered offers as much as is due and left.
      field.addEventListener("focus", () => {
        if (field.value) return;
        const most = Math.min(number(field.dataset.due), left - taken(field));
        if (most > 0) { field.value = most.toFixed(2); field.select(); show(); }
      });
    }
  }
  choices().find((each) => each.checked)?.focus({ preventScroll: true });
})();
