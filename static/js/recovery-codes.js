// Recovery codes are printed, or copied to where passwords are kept.
(() => {
  "use strict";

  document.querySelector("[data-print]")?.addEventListener("click", () => window.print());

  const copy = document.querySelector("[data-copy]");
  if (copy && !navigator.clipboard) copy.hidden = true;
  copy?.addEventListener("click", async () => {
    const codes = [...document.querySelectorAll(".codes code")].map((code) => code.textContent);
    await navigator.clipboard.writeText(codes.join("\n"));
    copy.textContent = copy.dataset.done;
  });
})();
