// The numbers: whoever chooses something in the filters sees it at once, and the address says what was chosen.
(() => {
  "use strict";

  const form = document.querySelector("[data-report-filters]");
  if (!form) return;

  // What was not chosen does not stand in the address.
  function trim() {
    [...form.elements].forEach((field) => { field.disabled = Boolean(field.name) && field.value === ""; });
  }

  form.addEventListener("submit", trim);
  form.addEventListener("change", (event) => {
    // Whoever types a date has not finished with its first digit.
    if (event.target.type === "date" && !event.target.value) return;
    form.requestSubmit();
  });
  // Coming back by the button "back" finds the fields as they were left.
  window.addEventListener("pageshow", () => [...form.elements].forEach((field) => { field.disabled = false; }));
})();
