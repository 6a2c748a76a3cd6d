// The lines of a deal: typed like a table, reckoned by the server. Nothing here adds, multiplies or rounds an amount.
(() => {
  const holder = document.querySelector("[data-lines]");
  if (!holder) return;
  const data = JSON.parse(document.getElementById("lines-data").textContent);
  const card = holder.closest("section");
  const find = (name) => card.querySelector(`[data-lines-${name}]`);
  const [save, state, error, totals, mode, add] = ["save", "state", "error", "totals", "mode", "add"].map(find);
  const offered = document.getElementById("lines-products");
  const words = data.words;
  const token = document.querySelector("input[name=csrfmiddlewaretoken]").value;
  const known = new Map();
  let version = data.version;
  let asked = 0;
  let waiting = null;
  let dragged = null;

  const el = (tag, attributes = {}, ...inside) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== false) made.setAttribute(name, value);
    made.append(...inside);
    return made;
  };
  const field = (name, label, value, more = {}) => el("label", { class: `crm-line-${name}` }, el("span", {}, label), el("input", { class: "art-input", name, value: value ?? "", autocomplete: "off", ...more }));
  const amountField = { inputmode: "decimal" };

  function rowOf(line) {
    const row = el("div", { class: "crm-line", role: "group" });
    row.dataset.id = line.id ?? "";
    row.dataset.product = line.product ?? "";
    row.dataset.productName = line.product_name ?? "";
    row.append(
      el("button", { type: "button", class: "crm-line-grip", draggable: "true", title: words.move, "aria-label": words.move }, el("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, "drag_indicator")),
      field("what", words.product, line.description || line.product_name, { list: "lines-products", maxlength: 300 }),
      field("quantity", words.quantity, line.quantity ?? "1", amountField),
      field("unit", words.unit, line.unit, { maxlength: 16 }),
      field("unit_price", words.price, line.unit_price, amountField),
      field("discount_percent", words.discount, line.discount_percent ?? "0", amountField),
      field("tax_rate", words.tax, line.tax_rate, amountField),
      el("label", { class: "crm-line-included", title: words.included }, el("span", {}, words.included), el("input", { type: "checkbox", name: "is_tax_included", checked: line.is_tax_included === false ? null : "" })),
      el("output", { class: "crm-line-amount" }, line.said ?? ""),
      el("button", { type: "button", class: "crm-line-remove", title: words.remove, "aria-label": words.remove }, el("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, "close")),
    );
    return row;
  }

  const rows = () => [...holder.querySelectorAll(".crm-line")];
  const input = (row, name) => row.querySelector(`[name=${name}]`);
  const figure = (text) => text.replace(/[\s\u202f\u00a0]/g, "").replace(",", ".");

  function lineOf(row) {
    const value = (name) => input(row, name).value.trim();
    const what = value("what");
    const line = { quantity: figure(value("quantity")) || "1", unit: value("unit"), discount_percent: figure(value("discount_percent")) || "0", is_tax_included: input(row, "is_tax_included").checked };
    if (row.dataset.id) line.id = Number(row.dataset.id);
    line.product = row.dataset.product ? Number(row.dataset.product) : null;
    line.description = what === row.dataset.productName ? "" : what;
    line.unit_price = figure(value("unit_price")) || null;
    line.tax_rate = figure(value("tax_rate")) || null;
    return line;
  }
  const isEmpty = (row) => !input(row, "what").value.trim() && !row.dataset.product;
  const written = () => ({ version, amount_mode: mode.checked ? "LINES" : "MANUAL", lines: rows().filter((row) => !isEmpty(row)).map(lineOf) });

  async function send(url, body) {
    try {
      const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json", "X-CSRFToken": token }, body: JSON.stringify(body) });
      return { ok: answer.ok, data: await answer.json() };
    } catch {
      return { ok: false, data: { title: words.offline } };
    }
  }

  function complain(problem) {
    const said = (problem.errors ?? []).map((each) => each.message);
    error.textContent = said.length ? [...new Set(said)].join(" ") : problem.title;
    error.hidden = false;
  }

  function show(found, shownRows) {
    error.hidden = true;
    found.lines.forEach((line, at) => { if (shownRows[at]) shownRows[at].querySelector("output").textContent = line.said; });
    const pairs = [...(found.taxes.length ? [[words.net, found.net]] : []), ...found.taxes.map((tax) => [tax.label, tax.said]), [words.total, found.total]];
    totals.replaceChildren(...pairs.map(([name, said], at) => el("div", { class: at === pairs.length - 1 ? "crm-lines-total" : null }, el("dt", {}, name), el("dd", {}, said))));
  }

  async function preview() {
    const mine = ++asked;
    const shownRows = rows().filter((row) => !isEmpty(row));
    const answer = await send(data.urls.preview, written());
    // A later question is on its way.
    if (mine !== asked) return;
    if (answer.ok) show(answer.data, shownRows);
    else complain(answer.data);
  }

  function changed() {
    save.disabled = false;
    state.textContent = words.unsaved;
    window.clearTimeout(waiting);
    waiting = window.setTimeout(preview, 150);
  }

  async function offer(term) {
    try {
      const answer = await fetch(`${data.urls.products}?q=${encodeURIComponent(term)}`);
      const found = (await answer.json()).results;
      for (const each of found) known.set(each.name, each);
      offered.replaceChildren(...found.map((each) => el("option", { value: each.name, label: each.said ? `${each.name} · ${each.said}` : null })));
    } catch {
      offered.replaceChildren();
    }
  }

  function choose(row) {
    const product = known.get(input(row, "what").value.trim());
    if (!product || String(product.id) === row.dataset.product) return;
    row.dataset.product = product.id;
    row.dataset.productName = product.name;
    input(row, "unit").value = product.unit;
    input(row, "unit_price").value = product.price ?? "";
    input(row, "tax_rate").value = product.tax_rate ?? "";
    input(row, "is_tax_included").checked = product.is_tax_included;
  }

  function addRow() {
    const row = rowOf({});
    holder.append(row);
    input(row, "what").focus();
    offer("");
  }

  function move(row, step) {
    const all = rows();
    const other = all[all.indexOf(row) + step];
    if (!other) return;
    if (step < 0) other.before(row);
    else other.after(row);
    changed();
  }

  async function store() {
    save.disabled = true;
    window.clearTimeout(waiting);
    const answer = await send(data.urls.save, written());
    if (!answer.ok) {
      save.disabled = false;
      complain(answer.data);
      return;
    }
    // The form above knows the version of the deal by which it was opened, which has counted on.
    window.removeEventListener("beforeunload", warn);
    window.location.hash = "lines";
    window.location.reload();
  }

  function warn(event) {
    if (!save.disabled) event.preventDefault();
  }

  holder.addEventListener("input", (event) => {
    const row = event.target.closest(".crm-line");
    if (event.target.name === "what") {
      choose(row);
      offer(event.target.value);
    }
    changed();
  });
  holder.addEventListener("click", (event) => {
    const row = event.target.closest(".crm-line");
    if (!event.target.closest(".crm-line-remove")) return;
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    (next ? input(next, "what") : add).focus();
    changed();
  });
  holder.addEventListener("keydown", (event) => {
    const row = event.target.closest(".crm-line");
    if (!row) return;
    if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      const focused = document.activeElement;
      move(row, event.key === "ArrowUp" ? -1 : 1);
      focused.focus();
    } else if (event.key === "Enter" && event.target.tagName === "INPUT") {
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) store();
      else if (row.nextElementSibling) input(row.nextElementSibling, event.target.name).focus();
      else addRow();
    }
  });
  holder.addEventListener("dragstart", (event) => { dragged = event.target.closest(".crm-line"); event.dataTransfer.effectAllowed = "move"; });
  holder.addEventListener("dragover", (event) => {
    const over = event.target.closest(".crm-line");
    if (!dragged || !over || over === dragged) return;
    event.preventDefault();
    const box = over.getBoundingClientRect();
    if (event.clientY < box.top + box.height / 2) over.before(dragged);
    else over.after(dragged);
  });
  holder.addEventListener("dragend", () => { if (dragged) changed(); dragged = null; });
  add.addEventListener("click", addRow);
  save.addEventListener("click", store);
  mode.addEventListener("change", changed);
  window.addEventListener("beforeunload", warn);

  mode.checked = data.amount_mode === "LINES" || !data.lines.length;
  holder.append(...data.lines.map((line, at) => rowOf({ ...line, said: data.totals.lines[at].said })));
  show(data.totals, rows());
})();
