// What may be there already is shown while somebody writes a new row, and the fields of a merge are chosen by keyboard.
(() => {
  "use strict";

  const QUIET_MS = 400;
  const FIELDS = ["name", "given_name", "family_name", "tax_id", "country", "domain"];

  function hint(place) {
    const form = document.querySelector("#content-main form");
    if (!form) return;
    let timer = 0;
    let asked = "";

    const written = () => {
      const params = new URLSearchParams();
      FIELDS.forEach((name) => {
        const value = form.elements.namedItem(name)?.value?.trim();
        if (value) params.append(name, value);
      });
      form.querySelectorAll("[name^='contact_points-'][name$='-raw']").forEach((raw) => {
        const kind = form.elements.namedItem(raw.name.replace(/raw$/, "kind"));
        if (!raw.value.trim() || !kind?.value) return;
        params.append("kind", kind.value);
        params.append("raw", raw.value.trim());
      });
      return params.toString();
    };

    const look = async () => {
      const query = written();
      if (query === asked) return;
      asked = query;
      try {
        const response = await fetch(`${place.dataset.duplicatesHint}?${query}`);
        // A slow answer to what was typed before says nothing any more.
        if (response.ok && query === asked) place.innerHTML = await response.text();
      } catch {
        // Away for a moment: the next key asks again.
        asked = "";
      }
    };

    form.addEventListener("input", () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(look, QUIET_MS);
    });
    look();
  }

  function merging(form) {
    const choose = (value) => {
      const field = document.querySelector(".art-row-current[data-row]") ?? form.querySelector("[data-row]");
      const radio = field?.querySelector(`input[value='${value}']`);
      radio?.click();
      return Boolean(radio);
    };
    const actions = {
      h: () => choose("winner"),
      l: () => choose("loser"),
      s: () => form.querySelector("[data-merge-swap]").click() ?? true,
    };
    const keyOf = (event) => (/^[\x20-\x7e]$/.test(event.key) ? event.key : event.code.replace(/^Key/, "").toLowerCase());
    document.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (event.target.closest?.("textarea, select, input:not([type='radio'])") || document.querySelector("dialog[open]")) return;
      const key = keyOf(event);
      if (Object.hasOwn(actions, key) && actions[key]()) event.preventDefault();
    });
    // A double click is one wish.
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "1";
    });
    window.addEventListener("pageshow", () => delete form.dataset.sent);
  }

  document.querySelectorAll("[data-duplicates-hint]").forEach(hint);
  document.querySelectorAll("[data-merge]").forEach(merging);
})();
