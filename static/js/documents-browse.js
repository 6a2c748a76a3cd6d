// The page of a folder: rows are dragged onto folders, and what is selected is moved with "m".
const root = document.querySelector("[data-browse]");
const form = document.getElementById("browse-form");
const TYPING = "input:not([type='checkbox']), textarea, select, [contenteditable='true']";
let dragged = null;

function items(row) {
  // A row that is selected takes the others along.
  const chosen = [...form.querySelectorAll("input[name='item']:checked")];
  const own = row.querySelector("input[name='item']");
  return own && own.checked ? chosen : [own];
}

function targetOf(event) {
  const place = event.target instanceof Element ? event.target.closest("[data-drop]") : null;
  return dragged && place && place !== dragged ? place : null;
}

function mark(place) {
  root.querySelector(".doc-drop-here")?.classList.remove("doc-drop-here");
  place?.classList.add("doc-drop-here");
}

function move(row, target) {
  const moved = items(row);
  form.querySelectorAll("input[name='item']").forEach((box) => { box.checked = moved.includes(box); });
  const choice = form.elements.namedItem("target");
  choice.value = target;
  if (choice.value === target) form.requestSubmit();
}

function choose(event) {
  if (event.key !== "m" && event.code !== "KeyM") return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(TYPING) || document.querySelector("dialog[open]")) return;
  const current = root.querySelector(".art-row-current input[name='item']");
  if (current && !form.querySelector("input[name='item']:checked")) current.checked = true;
  const choice = form.elements.namedItem("target");
  if (!choice) return;
  event.preventDefault();
  choice.focus();
}

if (root && form && form.elements.namedItem("target")) {
  form.addEventListener("dragstart", (event) => {
    dragged = event.target instanceof Element ? event.target.closest("[data-item]") : null;
    if (!dragged) return;
    dragged.classList.add("doc-dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.item);
  });
  root.addEventListener("dragover", (event) => {
    const place = targetOf(event);
    mark(place);
    if (place) event.preventDefault();
  });
  root.addEventListener("drop", (event) => {
    const place = targetOf(event);
    if (!place) return;
    event.preventDefault();
    move(dragged, place.dataset.drop);
  });
  root.addEventListener("dragend", () => {
    dragged?.classList.remove("doc-dragged");
    dragged = null;
    mark(null);
  });
  document.addEventListener("keydown", choose);
}
