// Counts down the time in which somebody acts as somebody else, and opens the page anew when it is over.
(() => {
  "use strict";

  const banner = document.querySelector(".acc-acting");
  const left = banner.querySelector("[data-left]");
  const until = Date.parse(banner.dataset.until);

  function tick() {
    const minutes = Math.ceil((until - Date.now()) / 60000);
    if (minutes <= 0) {
      // Only what was asked for by its address: a form is not sent again.
      window.location.assign(window.location.href);
      return;
    }
    left.textContent = left.dataset.words.replace("%s", String(minutes));
    window.setTimeout(tick, Math.min(20000, until - Date.now() + 500));
  }

  tick();
})();
