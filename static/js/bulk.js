// The page of a bulk change: only the value that the chosen way needs is shown, and when a job has ended the page goes
// on. Everything works without it, by plain forms and reloading.
(() => {
  "use strict";

  document.documentElement.classList.add("art-js");

  const POLL_MS = 1500;

  function choosing(row) {
    const how = row.querySelector("select");
    const values = row.querySelectorAll("[data-bulk-way]");
    const show = () => {
      row.toggleAttribute("data-bulk-chosen", Boolean(how.value));
      values.forEach((value) => {
        value.hidden = value.dataset.bulkWay !== how.value;
      });
    };
    how.addEventListener("change", show);
    show();
  }

  // A double click is one wish; the server takes it for one as well.
  function once(form) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "1";
    });
    window.addEventListener("pageshow", () => delete form.dataset.sent);
  }

  function waiting(page) {
    const { bulk: url, state } = page.dataset;
    if (state !== "REHEARSING" && state !== "APPLYING") return;
    const look = async () => {
      try {
        const response = await fetch(url, { headers: { Accept: "application/json" } });
        if (response.ok && (await response.json()).state !== state) {
          window.location.replace(window.location.pathname);
          return;
        }
      } catch {
        // Away for a moment; the next look finds it again.
      }
      window.setTimeout(look, POLL_MS);
    };
    window.setTimeout(look, POLL_MS);
  }

  document.querySelectorAll("[data-bulk-row]").forEach(choosing);
  document.querySelectorAll("[data-bulk] form[method='post']").forEach(once);
  document.querySelectorAll("[data-bulk]").forEach(waiting);

  // Where something was refused, the person goes on from there.
  [...document.querySelectorAll(".bulk-wrong :is(input, select)")].find((field) => field.ariaInvalid && !field.closest("[hidden]"))?.focus();
})();
