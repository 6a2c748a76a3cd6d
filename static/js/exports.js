// The pages of exports: ordering columns, and showing the file once its job has ended. Everything works without it.
(() => {
  "use strict";

  const form = document.querySelector("[data-export]");
  if (form?.querySelector("[data-start]")) choosing(form);
  // Only once: a page that shows a job which has ended would be loaded for ever.
  const moving = document.querySelector("[data-export-job]:has([data-job-state='QUEUED'], [data-job-state='RUNNING'])");
  moving?.addEventListener("artel:job", (event) => {
    if (event.detail.state === "SUCCEEDED") location.reload();
  });

  function choosing(form) {
    const list = form.querySelector(".exp-columns");
    const said = form.querySelector("[data-said]");
    const button = form.querySelector("[data-start]");
    const rows = () => [...list.children];
    const box = (row) => row.querySelector("input");

    for (const part of form.querySelectorAll(".exp-move, [data-tools]")) part.hidden = false;

    function gather() {
      // Chosen columns stand first, so that their order is the order of the file.
      const all = rows();
      list.append(...all.filter((row) => box(row).checked), ...all.filter((row) => !box(row).checked));
      button.disabled = !all.some((row) => box(row).checked);
    }

    function say(row) {
      said.textContent = said.dataset.textMoved
        .replace("{name}", row.querySelector("label").innerText.trim())
        .replace("{n}", rows().indexOf(row) + 1);
    }

    list.addEventListener("change", (event) => {
      gather();
      event.target.focus();
    });

    list.addEventListener("click", (event) => {
      const mover = event.target.closest("[data-move]");
      if (!mover) return;
      const row = mover.closest("li");
      const other = mover.dataset.move === "up" ? row.previousElementSibling : row.nextElementSibling;
      if (!other || !box(other).checked) return;
      if (mover.dataset.move === "up") other.before(row);
      else other.after(row);
      mover.focus();
      say(row);
    });

    for (const tool of form.querySelectorAll("[data-columns]")) {
      tool.addEventListener("click", () => {
        const wanted = tool.dataset.columns.split(",");
        for (const row of rows()) box(row).checked = tool.dataset.columns === "*" || wanted.includes(row.dataset.key);
        if (tool.dataset.columns !== "*") {
          const place = (row) => wanted.indexOf(row.dataset.key);
          list.append(...rows().sort((a, b) => (place(a) + 1 || 999) - (place(b) + 1 || 999)));
        }
        gather();
      });
    }

    form.addEventListener("submit", () => {
      // After the form has been read: a button that is turned off is not sent.
      setTimeout(() => {
        button.disabled = true;
        button.textContent = form.dataset.textUnderWay;
      });
    });
    // Coming back by the browser's button finds the page as it was left.
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    gather();
  }
})();
