// Cards that come after their page: each is asked for at its own address and takes the place of its announcement.
(() => {
  "use strict";

  async function load(card) {
    const waits = card.querySelector("[data-card-state]");
    const failed = card.querySelector("[data-card-failed]");
    waits.hidden = false;
    failed.hidden = true;
    try {
      const response = await fetch(card.dataset.card, { headers: { "X-Requested-With": "XMLHttpRequest" } });
      // Whoever is logged out is led to the login page, and so is the page itself.
      if (response.redirected) return void window.location.reload();
      if (!response.ok) throw new Error(String(response.status));
      const holder = document.createElement("template");
      holder.innerHTML = await response.text();
      const scripts = [...holder.content.querySelectorAll("script[src]")].filter((each) => !document.querySelector(`script[src="${CSS.escape(each.getAttribute("src"))}"]`));
      card.replaceWith(holder.content);
      // What arrives in this way does not run by itself.
      for (const each of scripts) document.head.append(Object.assign(document.createElement("script"), { src: each.src }));
    } catch {
      waits.hidden = true;
      failed.hidden = false;
      card.removeAttribute("aria-busy");
    }
  }

  document.addEventListener("click", (event) => {
    const again = event.target instanceof Element && event.target.closest("[data-card-again]");
    if (again) load(again.closest("[data-card]"));
  });
  const start = () => document.querySelectorAll("[data-card]").forEach((card) => load(card));
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
