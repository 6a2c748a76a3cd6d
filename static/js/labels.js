// Names the fields that select2 draws by their labels: by itself it names them by what is chosen, which may be nothing.
(() => {
  "use strict";

  function name(drawn) {
    const field = drawn.previousElementSibling;
    const label = field?.id && document.querySelector(`label[for="${CSS.escape(field.id)}"]`);
    if (!label) return;
    label.id ||= `${field.id}-label`;
    for (const part of drawn.querySelectorAll("[role='combobox'], [role='textbox'], input[type='search']")) {
      part.setAttribute("aria-labelledby", `${label.id} ${part.getAttribute("aria-labelledby") ?? ""}`.trim());
    }
  }

  // Whenever one is drawn: with the page, or with a row that is added to it.
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) {
        if (node instanceof Element && node.classList.contains("select2-container")) name(node);
      }
    }
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
