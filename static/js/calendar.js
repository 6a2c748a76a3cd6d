// Walking through a calendar, or through months, with the keyboard.
(() => {
  "use strict";

  const root = document.querySelector("[data-cal]");
  if (!root) return;
  const days = [...root.querySelectorAll("[data-day]")];
  const isGrid = root.getAttribute("role") === "grid";
  // On a phone the days stand one under the other, and those with nothing on them are not there.
  const isAgenda = () => isGrid && getComputedStyle(root.querySelector(".cal-week")).display === "block";
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };

  const first = days.find((day) => day.hasAttribute("aria-current")) ?? days[0];
  if (first) first.tabIndex = 0;
  // What is past stands above; who wants it scrolls up.
  if (isGrid && isAgenda() && first?.hasAttribute("aria-current")) first.scrollIntoView();

  function go(day) {
    for (const each of days) each.tabIndex = each === day ? 0 : -1;
    day.focus();
    day.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  const turn = (way) => document.querySelector(`[data-cal-step="${way}"]`)?.click();

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const day = event.target.closest("[data-day]");
    if (!day) return;
    if (event.key === "PageUp" || event.key === "PageDown") {
      event.preventDefault();
      turn(event.key === "PageUp" ? "before" : "after");
      return;
    }
    if (event.key === "Enter" && event.target === day) {
      day.querySelector(".cal-deal, .cal-more")?.click();
      return;
    }
    let by = steps[event.key];
    if (by === undefined) return;
    if (!isGrid && Math.abs(by) === 7) return;
    const shown = days.filter((each) => each.offsetParent !== null);
    if (isAgenda()) by = Math.sign(by);
    event.preventDefault();
    const next = shown[shown.indexOf(day) + by];
    if (next) go(next);
    else turn(by < 0 ? "before" : "after");
  });
})();
