// The pages of papers: a preview that follows what is typed, and the paper once its job has ended. Everything but the
// preview works without it.

const DEBOUNCE_MS = 600;

function previewing(form, place) {
  const said = place.querySelector("[data-paper-said]");
  const refused = place.querySelector("[data-paper-refused]");
  const sheets = place.querySelector("[data-paper-sheets]");
  let timer = 0;
  let asked = null;

  function refuse(message, fields = {}) {
    refused.textContent = message;
    refused.hidden = !message;
    for (const field of form.querySelectorAll("[data-field]")) {
      const line = field.querySelector("[data-refused]");
      const found = fields[field.dataset.field] ?? [];
      line.textContent = found.join(" ");
      line.hidden = !found.length;
    }
  }

  function show(answer) {
    refuse(answer.refused ?? "", answer.fields);
    if (!answer.pages.length) return;
    const at = sheets.scrollTop;
    sheets.replaceChildren(
      ...answer.pages.map((source, place_) => {
        const page = new Image();
        page.src = source;
        page.alt = place.dataset.textPage.replace("{n}", place_ + 1);
        return page;
      }),
    );
    sheets.scrollTop = at;
    const more = answer.count - answer.pages.length;
    said.textContent = more > 0 ? place.dataset.textMore.replace("{n}", more) : place.dataset.textShown;
  }

  async function ask() {
    // Only the latest question counts.
    asked?.abort();
    const mine = new AbortController();
    asked = mine;
    place.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(form.dataset.preview, {
        method: "POST",
        body: new FormData(form),
        headers: { Accept: "application/json" },
        signal: mine.signal,
      });
      show(await response.json());
    } catch (error) {
      if (error.name !== "AbortError") refuse(place.dataset.textFailed);
    } finally {
      if (asked === mine) place.removeAttribute("aria-busy");
    }
  }

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, DEBOUNCE_MS);
  });
  if (!form.querySelector("[data-paper-make]")) form.addEventListener("submit", (event) => event.preventDefault());
  ask();
}

const form = document.querySelector("[data-paper-form]");
const place = document.querySelector("[data-paper-preview]");
if (form && place) previewing(form, place);

const choice = document.querySelector("[data-paper-choice]");
choice?.addEventListener("change", () => choice.requestSubmit());

form?.addEventListener("submit", () => {
  const button = form.querySelector("[data-paper-make]");
  if (!button) return;
  // After the form has been read: a button that is turned off is not sent.
  setTimeout(() => {
    button.disabled = true;
    button.textContent = form.dataset.textBusy;
  });
});
// Coming back by the browser's button finds a new key, so that the next paper is another one.
addEventListener("pageshow", (event) => event.persisted && location.reload());

// Only once: a page that shows a job which has ended would be loaded for ever.
const moving = document.querySelector("[data-paper-job]:has([data-job-state='QUEUED'], [data-job-state='RUNNING'])");
moving?.addEventListener("artel:job", (event) => {
  if (event.detail.state === "SUCCEEDED") location.reload();
});
