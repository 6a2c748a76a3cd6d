// Copies the piece of HTML for a site; without a clipboard it is selected, to be copied by hand.
(() => {
  "use strict";

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("[data-copy-snippet]");
    const field = document.querySelector("[data-snippet]");
    if (!button || !field) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(field.value);
        button.textContent = button.dataset.done;
      } catch {
        field.select();
      }
    });
  });
})();
