// Counts down the time in which somebody acts as somebody else, opens the page anew when it is over, and says how high the
// banner is, so that the sidebar begins below it.
(() => {
  "use strict";

  const banner = document.querySelector(".acc-acting");
  const left = banner.querySelector("[data-left]");
  const until = Date.parse(banner.dataset.until);

  const measure = () => document.documentElement.style.setProperty("--acc-height", `${banner.offsetHeight}px`);
  new ResizeObserver(measure).observe(banner);

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
