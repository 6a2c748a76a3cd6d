// Tasks: ticking the box beside one says that it is done; `x` on a row ticks it too.
(() => {
  "use strict";

  document.addEventListener("change", (event) => {
    if (!event.target.matches?.("[data-task-done]")) return;
    event.target.form.requestSubmit();
  });
})();
