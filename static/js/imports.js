// The import page: choosing and sending a file, and going on when a job has ended. Everything works without it, by
// plain forms and reloading.
(() => {
  "use strict";

  document.documentElement.classList.add("art-js");

  const POLL_MS = 1500;

  function uploading(form) {
    const input = form.querySelector("input[type='file']");
    const drop = form.querySelector("[data-drop]");
    const title = form.querySelector("[data-drop-title]");
    const text = form.querySelector("[data-drop-text]");
    const refused = form.querySelector("#upload-refused");
    const sending = form.querySelector("[data-sending]");
    const bar = form.querySelector("progress");
    const button = form.querySelector("button");
    const max = Number(form.dataset.maxBytes);
    const asked = title.textContent;
    // unfold's script would look for a text field of its own beside the file.
    input.hasChangeListener = true;

    function refuse(message) {
      refused.textContent = message;
      refused.hidden = !message;
      if (message) refused.scrollIntoView({ block: "nearest" });
    }

    function chosen() {
      const file = input.files[0];
      title.textContent = file ? file.name : asked;
      title.classList.toggle("art-drop-name", Boolean(file));
      if (file) text.textContent = new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit: "kilobyte", maximumFractionDigits: 0 }).format(Math.max(1, file.size / 1024));
      refuse(file && file.size > max ? form.dataset.textTooLarge : "");
    }

    function problem() {
      if (!form.querySelector("[name='kind']:checked")) return form.dataset.textNoKind;
      const file = input.files[0];
      if (!file) return form.dataset.textNoFile;
      return file.size > max ? form.dataset.textTooLarge : "";
    }

    function busy(isBusy) {
      button.disabled = isBusy;
      sending.hidden = !isBusy;
    }

    function answered(request) {
      const answer = request.response ?? {};
      if (request.status === 200 && answer.url) {
        window.location.assign(answer.url);
        return;
      }
      busy(false);
      if (request.status === 413) refuse(form.dataset.textTooLarge);
      else refuse(answer.detail || form.dataset.textLost);
    }

    // Sent by script, so that a refusal leaves the chosen file where it is.
    function send() {
      const request = new XMLHttpRequest();
      request.open("POST", form.action);
      request.responseType = "json";
      request.setRequestHeader("Accept", "application/json");
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) bar.value = (100 * event.loaded) / event.total;
      });
      request.addEventListener("load", () => answered(request));
      request.addEventListener("error", () => {
        busy(false);
        refuse(form.dataset.textLost);
      });
      request.send(new FormData(form));
    }

    for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, () => drop.classList.add("art-is-over"));
    for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("art-is-over"));
    input.addEventListener("change", chosen);
    form.noValidate = true;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const message = problem();
      refuse(message);
      if (message) return;
      busy(true);
      send();
    });
    if (input.files.length) chosen();
  }

  // The job's card moves by itself; what its end means is for the page to show.
  function waiting(page) {
    const { import: url, state } = page.dataset;
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

  function columns(form) {
    form.addEventListener("change", (event) => {
      const row = event.target.closest?.(".art-column");
      row?.classList.toggle("art-column-skipped", !event.target.value);
    });
  }

  const start = (selector, make) => document.querySelectorAll(selector).forEach(make);
  start("form[data-upload]", uploading);
  start("[data-import]", waiting);
  start("form[data-columns]", columns);
})();
