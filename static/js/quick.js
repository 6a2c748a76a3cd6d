// Making something from anywhere: `n` opens a small dialog, which knows what the page is about.
(() => {
  "use strict";

  const dialog = () => document.getElementById("quick");

  function about() {
    const place = document.querySelector("[data-about-kind]");
    return place ? place.dataset : {};
  }

  function shape(form) {
    const kind = form.elements.kind.value;
    for (const each of form.querySelectorAll("[data-for]")) {
      const isFor = each.dataset.for.split(" ").includes(kind);
      each.hidden = !isFor;
      for (const field of each.querySelectorAll("input, textarea")) field.disabled = !isFor;
    }
    const here = about();
    const name = kind === "note" || kind === "task" ? here.aboutName : kind === "company" ? "" : here.aboutCompanyName || here.aboutPersonName;
    const line = form.querySelector("[data-quick-about]");
    line.textContent = name || "";
    line.hidden = !name;
    refuse(form, "");
    form.querySelector("[data-for]:not([hidden]) :is(input, textarea)")?.focus();
  }

  function refuse(form, text) {
    const error = form.querySelector("[data-quick-error]");
    error.textContent = text;
    error.hidden = !text;
  }

  function open() {
    const box = dialog();
    if (!box) return false;
    const form = box.querySelector("[data-quick]");
    const note = form.querySelector("[data-quick-note]");
    note.hidden = !document.querySelector("[data-tl-composer]");
    form.reset();
    // On a list, what it lists.
    const listed = /\/admin\/(?:crm|notifications)\/(company|person|deal|task)\/(?:day\/|calendar\/)?$/.exec(window.location.pathname)?.[1];
    const wanted = note.hidden ? listed : "note";
    const choice = [...form.elements.kind].find((each) => each.value === wanted) || form.querySelector("[name=kind]");
    choice.checked = true;
    box.showModal();
    shape(form);
    return true;
  }

  async function send(form) {
    const box = dialog();
    const kind = form.elements.kind.value;
    const values = new FormData(form);
    const here = about();
    let url = box.dataset.url.replace(/kind\/$/, `${kind}/`);
    if (kind === "note") {
      url = document.querySelector("[data-timeline]").dataset.timeline;
      values.set("kind", "NOTE");
    } else if (kind === "task") {
      if (here.aboutRow) values.set("new-about", here.aboutRow);
    } else if (kind !== "company") {
      if (here.aboutCompany) values.set("new-company_id", here.aboutCompany);
      if (kind === "deal" && here.aboutPerson) values.set("new-person_id", here.aboutPerson);
    }
    const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value || /csrftoken=([^;]+)/.exec(document.cookie)?.[1] || "";
    try {
      const response = await fetch(url, { method: "POST", body: values, headers: { "X-CSRFToken": token, "X-Requested-With": "XMLHttpRequest" } });
      if (response.redirected) return void window.location.reload();
      const told = await response.json();
      if (!response.ok) return void refuse(form, told.message);
      // A task is made in passing: one stays where one is.
      if (kind === "task" && (here.aboutRow || document.querySelector(".task-page"))) window.location.reload();
      else if (told.url) window.location.assign(told.url);
      else box.close();
    } catch {
      refuse(form, box.dataset.failed);
    }
  }

  document.addEventListener("change", (event) => {
    const form = event.target.closest?.("[data-quick]");
    if (form && event.target.name === "kind") shape(form);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches?.("[data-quick]")) return;
    event.preventDefault();
    send(event.target);
  });
  window.artel = Object.assign(window.artel || {}, { quick: { open } });
})();
