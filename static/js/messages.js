// The page of words of messages: a preview that follows what is typed. Everything but the preview works without it.

const DEBOUNCE_MS = 400;
const NAMES = ["kind", "channel", "locale", "subject", "body"];

function previewing(place) {
  const form = document.querySelector("#messagetemplate_form");
  if (!form) return;
  const part = (name) => place.querySelector(`[data-preview-${name}]`);
  let timer = 0;
  let asked = null;

  function show({ refused = "", subject = "", text = "", note = "" }) {
    part("refused").textContent = refused;
    part("refused").hidden = !refused;
    if (refused) return;
    part("subject").textContent = subject;
    part("text").textContent = text;
    part("note").textContent = note;
  }

  async function ask() {
    // Only the latest question counts.
    asked?.abort();
    const mine = new AbortController();
    asked = mine;
    const body = new FormData();
    for (const name of NAMES) body.append(name, form.elements[name]?.value ?? "");
    body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    try {
      const response = await fetch(place.dataset.messagePreview, {
        method: "POST",
        body,
        headers: { Accept: "application/json" },
        signal: mine.signal,
      });
      show(await response.json());
    } catch (error) {
      if (error.name !== "AbortError") show({ refused: place.dataset.textFailed });
    }
  }

  for (const event of ["input", "change"])
    form.addEventListener(event, () => {
      clearTimeout(timer);
      timer = setTimeout(ask, DEBOUNCE_MS);
    });
  ask();
}

addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll("[data-message-preview]")) previewing(place);
});
