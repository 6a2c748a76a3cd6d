// A page that came back because somebody was faster begins where the two versions stand.
document.addEventListener("DOMContentLoaded", () => {
  const panel = document.getElementById("stale");
  if (panel) {
    panel.focus({ preventScroll: true });
    panel.scrollIntoView({ block: "nearest" });
  }
});
