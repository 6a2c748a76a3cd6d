// The board: walking and moving cards, what others do arriving by itself, and refusals on the card they are about.
(() => {
  "use strict";

  const root = document.getElementById("board");
  if (!root) return;

  const TYPING = "input, textarea, select, [contenteditable='true']";
  const SOON_MS = 40;
  const AGAIN_MS = 2000;
  // Columns that many changes are under way in are read anew this often at most.
  const COLUMNS_MS = 1500;
  const ABOUT_MS = 5000;
  const TOAST_MS = 10000;
  const NAMED = 100;

  const words = JSON.parse(document.getElementById("board-words").textContent);
  const csrf = root.querySelector("[name=csrfmiddlewaretoken]").value;
  const may = { move: "mayMove" in root.dataset, win: "mayWin" in root.dataset, lose: "mayLose" in root.dataset };
  const scroller = root.querySelector("[data-columns]");
  const live = root.querySelector("[data-live]");
  const toast = root.querySelector("[data-toast]");
  const menu = root.querySelector("[data-menu]");
  const columns = new Map([...root.querySelectorAll("[data-stage]:not(li)")].map((element) => [element.dataset.stage, {
    element,
    name: element.dataset.name,
    key: element.dataset.key,
    list: element.querySelector("[data-list]"),
    further: element.querySelector("[data-further]"),
    scroll: element.querySelector("[data-scroll]"),
  }]));

  const fill = (text, values) => text.replace(/%\((\w+)\)s/g, (_all, name) => values[name] ?? "");
  const cardOf = (id) => root.querySelector(`li[data-deal="${CSS.escape(String(id))}"]`);
  const linkOf = (card) => card.querySelector(".board-link");
  const titleOf = (card) => linkOf(card).textContent;
  const cardsOf = (list) => [...list.querySelectorAll(":scope > .board-card")];
  const columnOf = (card) => columns.get(card.closest("[data-stage]:not(li)").dataset.stage);
  const focused = () => document.activeElement?.closest?.("#board .board-card") ?? null;
  const isCalm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const say = (text) => { live.textContent = ""; window.requestAnimationFrame(() => { live.textContent = text; }); };

  function parse(html) {
    const box = document.createElement("template");
    box.innerHTML = html;
    return [...box.content.children];
  }

  // One card of each column is reached with Tab; arrows do the rest.

  function tabs(list, chosen = null) {
    const cards = cardsOf(list);
    const one = chosen ?? cards.find((card) => linkOf(card).tabIndex === 0 && linkOf(card).hasAttribute("tabindex")) ?? cards[0];
    for (const card of cards) linkOf(card).tabIndex = card === one ? 0 : -1;
  }

  function focus(card, { isSaid = false } = {}) {
    if (!card) return;
    tabs(card.parentElement, card);
    linkOf(card).focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest", inline: "nearest", behavior: isCalm() ? "auto" : "smooth" });
    if (isSaid) {
      const cards = cardsOf(card.parentElement);
      say(fill(words.position, { stage: columnOf(card).name, place: cards.indexOf(card) + 1, count: cards.length }));
    }
  }

  function walk(across, down) {
    const card = focused();
    if (!card) {
      const list = [...columns.values()].map((column) => column.list).find((each) => cardsOf(each).length);
      if (list) focus(cardsOf(list)[0]);
      return Boolean(list);
    }
    const cards = cardsOf(card.parentElement);
    if (down) {
      focus(cards[cards.indexOf(card) + down]);
      return true;
    }
    const all = [...columns.values()];
    for (let at = all.indexOf(columnOf(card)) + across; all[at]; at += across) {
      const there = cardsOf(all[at].list);
      if (!there.length) continue;
      const top = card.getBoundingClientRect().top;
      const near = there.reduce((best, each) => Math.abs(each.getBoundingClientRect().top - top) < Math.abs(best.getBoundingClientRect().top - top) ? each : best);
      focus(near, { isSaid: true });
      break;
    }
    return true;
  }

  // What the server says

  async function ask(url, body) {
    const options = { credentials: "same-origin", headers: { Accept: "application/json" } };
    if (body) Object.assign(options, { method: "POST", body, headers: { ...options.headers, "X-CSRFToken": csrf } });
    const response = await fetch(url, options);
    if (response.redirected || !(response.headers.get("Content-Type") || "").includes("json")) throw new Error(String(response.status));
    return { isOk: response.ok, data: await response.json() };
  }

  const address = (path, params = {}) => {
    const query = new URLSearchParams(window.location.search);
    for (const [name, value] of Object.entries(params)) query.set(name, value);
    return `${path}?${query}`;
  };

  let aboutTimer = 0;

  function figures(all) {
    let isAbout = false;
    for (const [stage, { count, said, sums }] of Object.entries(all || {})) {
      const column = columns.get(stage);
      if (!column) continue;
      const head = column.element.querySelector("[data-count]");
      head.textContent = count;
      head.title = said;
      isAbout ||= count.startsWith("≈");
      column.element.querySelector("[data-sums]").replaceChildren(...sums.map((sum) => {
        const span = document.createElement("span");
        span.textContent = sum;
        return span;
      }));
    }
    window.clearTimeout(aboutTimer);
    if (isAbout) aboutTimer = window.setTimeout(() => { if (!document.hidden) want([], [], true); }, ABOUT_MS);
  }

  // Where a card stands: columns are ordered by place, the latest first, then by id.

  const isBefore = (one, other) => {
    if (one.dataset.place !== other.dataset.place) return one.dataset.place > other.dataset.place;
    return Number(one.dataset.deal) > Number(other.dataset.deal);
  };

  /** Put a fresh card where it belongs, with a short glide from where it was; tell whether it is to be seen. */
  function settle(fresh) {
    const old = cardOf(fresh.dataset.deal);
    const column = columns.get(fresh.dataset.stage);
    const from = old?.getBoundingClientRect();
    const hadFocus = old && old === focused();
    const oldList = old?.parentElement;
    if (!column) {
      old?.remove();
      return false;
    }
    const next = cardsOf(column.list).find((card) => card !== old && isBefore(fresh, card));
    if (!next && "hasMore" in column.list.dataset && cardsOf(column.list).length) {
      // It belongs among those that are not shown yet.
      old?.remove();
      if (oldList) tabs(oldList);
      return false;
    }
    old?.remove();
    column.list.insertBefore(fresh, next ?? null);
    if (oldList && oldList !== column.list) tabs(oldList);
    tabs(column.list);
    if (hadFocus) focus(fresh);
    glide(fresh, from);
    return true;
  }

  function glide(card, from) {
    if (isCalm() || document.hidden) return;
    if (!from) {
      card.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 160 });
      return;
    }
    const to = card.getBoundingClientRect();
    const [x, y] = [from.left - to.left, from.top - to.top];
    if (x || y) card.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], { duration: 180, easing: "ease-out" });
  }

  // Moving

  const busy = new Set();
  let lastMove = null;

  function lift(card) {
    return { list: card.parentElement, next: card.nextElementSibling, column: columnOf(card) };
  }

  function back(card, origin) {
    origin.list.insertBefore(card, origin.next?.parentElement === origin.list ? origin.next : null);
    tabs(origin.list);
  }

  async function send(command, card, fields, origin) {
    const id = card.dataset.deal;
    const hadFocus = card === focused();
    busy.add(id);
    card.classList.add("board-card-busy");
    clear(card);
    const body = new URLSearchParams({ deal: id, version: card.dataset.version, ...fields });
    let answer = null;
    try {
      answer = await ask(address(root.dataset.do.replace("/x/", `/${command}/`)), body);
    } catch {
      // Offline, or the session is over: the card says so.
    }
    busy.delete(id);
    card.classList.remove("board-card-busy");
    // Who has gone on to something else meanwhile stays there; a card that was moved has lost the focus to the page.
    const isFocused = hadFocus && (document.activeElement === document.body || card.contains(document.activeElement));
    if (answer?.isOk) done(card, answer.data, origin, isFocused);
    else refused(card, answer?.data, origin, isFocused);
    flush();
  }

  function done(card, data, origin, hadFocus) {
    figures(data.figures);
    const [fresh] = parse(data.card);
    const column = columnOf(card);
    const neighbour = card.nextElementSibling ?? card.previousElementSibling;
    if (fresh && !settle(fresh)) card.remove();
    if (!fresh) card.remove();
    tabs(column.list);
    if (hadFocus) focus(fresh?.isConnected ? fresh : neighbour?.matches(".board-card") ? neighbour : cardsOf(column.list)[0]);
    say(data.said);
    const isElsewhere = origin && (!fresh || fresh.dataset.stage !== origin.column.element.dataset.stage);
    show(data.said, isElsewhere ? { deal: card.dataset.deal, version: data.version, stage: origin.column.element.dataset.stage } : null);
  }

  function refused(card, data, origin, wasFocused) {
    const hadFocus = wasFocused || card === focused();
    if (origin && card.parentElement !== origin.list) back(card, origin);
    let shown = card;
    if (data?.card) {
      const [fresh] = parse(data.card);
      if (fresh.dataset.version !== card.dataset.version && settle(fresh)) shown = cardOf(fresh.dataset.deal) ?? card;
    }
    complain(shown, data?.text || words.offline, data?.missing);
    if (hadFocus) focus(shown);
  }

  function complain(card, text, missing = []) {
    clear(card);
    const note = document.createElement("div");
    note.className = "board-refusal";
    note.setAttribute("role", "alert");
    const said = document.createElement("p");
    said.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "art-button art-button-quiet art-button-small";
    close.textContent = words.close;
    close.addEventListener("click", () => { clear(card); focus(card); });
    const steps = document.createElement("ul");
    steps.className = "board-steps";
    for (const each of missing.filter((one) => one.url)) {
      const link = document.createElement("a");
      link.className = "art-link";
      link.href = each.url;
      link.textContent = `${each.label}: ${each.action}`;
      const item = document.createElement("li");
      item.append(link);
      steps.append(item);
    }
    note.append(said, steps, close);
    card.append(note);
    card.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  const clear = (card) => card.querySelector(".board-refusal")?.remove();

  /** Move a card at once, and let the server confirm it; `above` is null for the top. */
  function moveTo(card, stage, above, { isPlaced = true } = {}) {
    const column = columns.get(stage);
    const origin = lift(card);
    const isSame = origin.column === column;
    if (isSame && (!isPlaced || card.previousElementSibling === above)) return;
    const from = card.getBoundingClientRect();
    const hadFocus = card === focused();
    column.list.insertBefore(card, above ? above.nextElementSibling : column.list.firstElementChild);
    glide(card, from);
    tabs(column.list, card);
    tabs(origin.list);
    // What is moved in the document loses the focus.
    if (hadFocus) focus(card);
    // The top of another stage is where what enters it stands anyway.
    const fields = { stage, ...(isPlaced && (above || isSame) ? { above: above?.dataset.deal ?? "" } : {}) };
    send("move", card, fields, origin);
  }

  let toastTimer = 0;

  function show(text, undo) {
    lastMove = undo;
    toast.querySelector("[data-toast-text]").textContent = text;
    toast.querySelector("[data-undo]").hidden = !undo;
    toast.hidden = false;
    window.clearTimeout(toastTimer);
    toastTimer = window.setTimeout(() => { if (!toast.matches(":hover, :focus-within")) toast.hidden = true; }, TOAST_MS);
  }

  async function undo() {
    if (!lastMove) return false;
    const { deal, version, stage } = lastMove;
    lastMove = null;
    toast.hidden = true;
    try {
      const body = new URLSearchParams({ deal, version, stage });
      const { isOk, data } = await ask(address(root.dataset.do.replace("/x/", "/back/")), body);
      const [fresh] = parse(data.card || "");
      if (fresh) settle(fresh);
      const card = cardOf(deal);
      if (isOk) {
        figures(data.figures);
        say(data.said);
        show(data.said, null);
        if (card) focus(card);
      } else if (card) complain(card, data.text);
      else show(data.text, null);
    } catch {
      show(words.offline, null);
    }
    return true;
  }

  // Winning and losing ask first

  let choices = null;

  const load = () => (choices ??= ask(root.dataset.choices).then(({ data }) => data).catch((error) => { choices = null; throw error; }));

  function options(select, pairs, first) {
    const chosen = select.dataset.chosen || "";
    const made = [["", first], ...pairs].map(([value, text]) => new Option(text, value, false, String(value) === chosen));
    select.replaceChildren(...made);
  }

  async function close(card, kind) {
    const dialog = document.getElementById(`board-${kind}`);
    const link = linkOf(card);
    dialog.querySelector("[data-closing-what]").textContent = [titleOf(card), card.querySelector(".board-company").textContent, card.querySelector(".crm-amount").textContent].filter(Boolean).join(" · ");
    const release = hold();
    if (kind === "lost") {
      try {
        options(dialog.querySelector("select"), (await load()).reasons, words.choose);
      } catch {
        release();
        complain(card, words.offline);
        return;
      }
      dialog.querySelector("[name=note]").value = "";
    }
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      release();
      link.focus({ preventScroll: true });
      if (dialog.returnValue !== "yes" || !card.isConnected) return;
      const form = new FormData(dialog.querySelector("form"));
      send(kind === "won" ? "win" : "lose", card, Object.fromEntries(form), lift(card));
    }, { once: true });
    dialog.showModal();
  }

  // The menu: by m, or by a finger

  let menuCard = null;
  let releaseMenu = null;

  function openMenu(card) {
    closeMenu();
    menuCard = card;
    releaseMenu = hold();
    menu.querySelector("[data-menu-title]").textContent = may.move ? fill(words.menu, { title: titleOf(card) }) : titleOf(card);
    for (const item of menu.querySelectorAll("[data-to]")) item.disabled = item.dataset.to === columnOf(card).element.dataset.stage;
    menu.hidden = false;
    const box = card.getBoundingClientRect();
    const size = menu.getBoundingClientRect();
    menu.style.left = `${Math.max(8, Math.min(box.left + 12, window.innerWidth - size.width - 8))}px`;
    menu.style.top = `${Math.max(8, Math.min(box.top + 28, window.innerHeight - size.height - 8))}px`;
    menu.querySelector("[data-to]:not(:disabled)").focus();
  }

  function closeMenu({ isBack = false } = {}) {
    if (menu.hidden) return;
    menu.hidden = true;
    releaseMenu?.();
    if (isBack && menuCard?.isConnected) focus(menuCard);
  }

  function choose(to) {
    const card = menuCard;
    closeMenu({ isBack: true });
    if (!card?.isConnected) return;
    if (to === "open") linkOf(card).click();
    else if (to === "won" || to === "lost") close(card, to);
    else moveTo(card, to, null, { isPlaced: false });
  }

  function inMenu(event, key) {
    const items = [...menu.querySelectorAll("[data-to]:not(:disabled)")];
    const at = items.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[key];
    if (key === "Escape" || key === "Tab") closeMenu({ isBack: true });
    else if (step) items[(at + step + items.length) % items.length].focus();
    else if (key === "Home" || key === "End") items.at(key === "Home" ? 0 : -1).focus();
    else if (key === "Enter" || key === " ") return;
    else {
      const to = key === "w" ? "won" : key === "x" ? "lost" : [...columns].find(([, column]) => column.key === key)?.[0];
      const item = items.find((each) => each.dataset.to === to);
      if (item) choose(to);
    }
    event.preventDefault();
  }

  // Letters are found by their place on the keyboard, so that they work with a Russian layout too.
  function keyOf(event) {
    if (/^[\x20-\x7e]$/.test(event.key) || event.key.length > 1) return event.key;
    return event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : event.key;
  }

  function reorder(by) {
    const card = focused();
    const cards = cardsOf(card.parentElement);
    const at = cards.indexOf(card) + by;
    if (!may.move || at < 0 || at >= cards.length) return;
    moveTo(card, columnOf(card).element.dataset.stage, (by < 0 ? cards[at - 1] : cards[at]) ?? null);
  }

  const keys = {
    ArrowLeft: () => walk(-1, 0),
    ArrowRight: () => walk(1, 0),
    ArrowUp: () => walk(0, -1),
    ArrowDown: () => walk(0, 1),
    h: () => walk(-1, 0),
    l: () => walk(1, 0),
    k: () => walk(0, -1),
    j: () => walk(0, 1),
    m: () => { const card = focused(); if (card) openMenu(card); return card; },
    e: () => { const card = focused(); if (card) linkOf(card).click(); return card; },
    u: () => undo(),
    Escape: () => { const card = focused(); if (card) clear(card); toast.hidden = true; return card; },
  };

  // On the window, after the shortcuts that every page has.
  window.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const key = keyOf(event);
    if (!menu.hidden) {
      inMenu(event, key);
      return;
    }
    if (event.target.closest?.(TYPING) || document.querySelector("dialog[open]")) return;
    const isOnBoard = document.activeElement === document.body || root.contains(document.activeElement);
    if (!isOnBoard || root.classList.contains("board-dragging")) return;
    if (event.shiftKey && (key === "ArrowUp" || key === "ArrowDown")) {
      if (focused()) reorder(key === "ArrowUp" ? -1 : 1);
      event.preventDefault();
    } else if (Object.hasOwn(keys, key) && !event.shiftKey && keys[key]()) event.preventDefault();
  });

  root.addEventListener("click", (event) => {
    const more = event.target.closest(".board-more");
    const item = event.target.closest("[data-to]");
    if (more) openMenu(more.closest(".board-card"));
    else if (item) choose(item.dataset.to);
    else if (event.target.closest("[data-undo]")) undo();
    else if (event.target.closest("[data-toast-close]")) toast.hidden = true;
    else if (event.target.closest("[data-further]")) further(columns.get(event.target.closest("[data-stage]").dataset.stage));
  });
  document.addEventListener("pointerdown", (event) => {
    if (!menu.hidden && !menu.contains(event.target) && !event.target.closest(".board-more")) closeMenu();
  });
  root.addEventListener("focusin", (event) => {
    const card = event.target.closest(".board-card");
    if (card && event.target === linkOf(card)) tabs(card.parentElement, card);
  });

  if (may.move || may.win || may.lose) {
    let release = null;
    window.artel.drag(root, {
      card: ".board-card",
      column: ".board-column",
      list: "[data-list]",
      zone: "[data-zone]",
      scroller: "[data-columns]",
      scrolls: "[data-scroll]",
      allows: (card) => !busy.has(card.dataset.deal),
      start(card) {
        closeMenu();
        clear(card);
        release = hold();
        say(fill(words.picked, { title: titleOf(card) }));
      },
      drop(card, { zone, list, above }) {
        release();
        if (zone) close(card, zone.dataset.zone);
        else if (may.move) moveTo(card, list.closest("[data-stage]").dataset.stage, above);
      },
      cancel() {
        release();
      },
    });
  }

  // More of a column

  async function further(column) {
    if (column.further.disabled) return;
    column.further.disabled = true;
    const last = cardsOf(column.list).at(-1);
    const from = last ? { after: last.dataset.place, after_id: last.dataset.deal } : {};
    try {
      const { isOk, data } = await ask(address(root.dataset.cards, { stage: column.element.dataset.stage, ...from }));
      if (isOk) {
        const known = new Set(cardsOf(column.list).map((card) => card.dataset.deal));
        column.list.append(...parse(data.html).filter((card) => !known.has(card.dataset.deal)));
        mark(column, data.has_more);
        tabs(column.list);
      }
    } catch {
      // The button stays for another try.
    }
    column.further.disabled = false;
  }

  function mark(column, hasMore) {
    column.further.hidden = !hasMore;
    column.list.toggleAttribute("data-has-more", hasMore);
  }

  for (const column of columns.values()) {
    tabs(column.list);
    const near = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting) && column.scroll.scrollTop > 0) further(column);
    }, { root: column.scroll, rootMargin: "400px 0px" });
    near.observe(column.further);
  }

  // What others do. While I drag, choose or type it waits; many changes become one question.

  const wanted = { ids: new Set(), columns: new Set(), isFigures: false };
  let holds = 0;
  let isAsking = false;
  let timer = 0;
  let columnsAt = 0;

  function hold() {
    let isHeld = true;
    holds += 1;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      holds -= 1;
      flush();
    };
  }

  function want(ids, stages, isFigures = false) {
    for (const id of ids) wanted.ids.add(String(id));
    for (const stage of stages) if (columns.has(String(stage))) wanted.columns.add(String(stage));
    wanted.isFigures ||= isFigures;
    flush();
  }

  function flush(delay = SOON_MS) {
    window.clearTimeout(timer);
    const isNothing = !wanted.ids.size && !wanted.columns.size && !wanted.isFigures;
    if (holds || isAsking || isNothing) return;
    const wait = wanted.columns.size ? Math.max(delay, columnsAt + COLUMNS_MS - performance.now()) : delay;
    timer = window.setTimeout(fetchWanted, wait);
  }

  async function fetchWanted() {
    if (wanted.ids.size > NAMED) {
      for (const stage of columns.keys()) wanted.columns.add(stage);
      wanted.ids.clear();
    }
    const ids = [...wanted.ids].filter((id) => !busy.has(id));
    const stages = [...wanted.columns];
    if (!ids.length && !stages.length && !wanted.isFigures) return;
    for (const id of ids) wanted.ids.delete(id);
    wanted.columns.clear();
    wanted.isFigures = false;
    isAsking = true;
    let isFailed = false;
    try {
      const size = Math.max(0, ...stages.map((stage) => cardsOf(columns.get(stage).list).length));
      const { isOk, data } = await ask(address(root.dataset.cards, { ids: ids.join(), columns: stages.join(), size }));
      if (!isOk) throw new Error("refused");
      if (stages.length) columnsAt = performance.now();
      await unheld();
      apply(ids, data);
    } catch {
      isFailed = true;
      want(ids, stages);
    }
    isAsking = false;
    flush(isFailed ? AGAIN_MS : SOON_MS);
  }

  const unheld = () => new Promise((resolve) => {
    const look = () => (holds ? window.setTimeout(look, SOON_MS) : resolve());
    look();
  });

  function apply(ids, data) {
    const fresh = new Map(data.cards.flatMap(parse).map((card) => [card.dataset.deal, card]));
    const said = [];
    for (const id of ids) {
      if (busy.has(id)) {
        wanted.ids.add(id);
        continue;
      }
      const old = cardOf(id);
      const card = fresh.get(id);
      const isSame = old && card && old.dataset.version === card.dataset.version && old.dataset.place === card.dataset.place && old.dataset.stage === card.dataset.stage;
      if (isSame) continue;
      const stage = old?.dataset.stage;
      if (card) {
        if (settle(card) && stage !== card.dataset.stage) said.push(fill(words.arrived, { title: titleOf(card), stage: columnOf(card).name }));
      } else if (old) {
        said.push(fill(words.left, { title: titleOf(old) }));
        leave(old);
      }
    }
    for (const [stage, { html, has_more: hasMore }] of Object.entries(data.columns)) replace(columns.get(stage), html, hasMore);
    figures(data.figures);
    if (said.length) say(said.length > 3 ? words.changes : said.join(" "));
  }

  function leave(card) {
    const list = card.parentElement;
    const hadFocus = card === focused();
    const next = card.nextElementSibling ?? card.previousElementSibling;
    card.remove();
    tabs(list);
    if (hadFocus && next) focus(next);
  }

  function replace(column, html, hasMore) {
    const here = focused();
    const id = here && columnOf(here) === column ? here.dataset.deal : null;
    const fresh = parse(html);
    for (const card of fresh) if (!busy.has(card.dataset.deal)) cardOf(card.dataset.deal)?.remove();
    column.list.replaceChildren(...fresh.filter((card) => !busy.has(card.dataset.deal)));
    mark(column, hasMore);
    tabs(column.list);
    if (id) focus(cardOf(id) ?? cardsOf(column.list)[0]);
  }

  window.artel.live.speak(words);
  window.artel.live.watch(`board:${root.dataset.board}`, {
    event: ({ deals, stages }) => want(deals ?? [], deals ? [] : stages),
    state: () => want([], columns.keys()),
    denied: () => {
      for (const column of columns.values()) column.list.replaceChildren();
      show(words.gone, null);
      window.clearTimeout(toastTimer);
    },
  }, { epoch: root.dataset.epoch, seq: Number(root.dataset.seq) });

  // While somebody types, what others do waits.
  let releaseTyping = null;
  root.addEventListener("focusin", (event) => { if (event.target.matches(TYPING)) releaseTyping ??= hold(); });
  root.addEventListener("focusout", () => { releaseTyping?.(); releaseTyping = null; });

  // Filters and views

  async function filters() {
    const dialog = document.getElementById("board-filters");
    dialog.showModal();
    try {
      const found = await load();
      for (const select of dialog.querySelectorAll("[data-choice]")) {
        options(select, found[select.dataset.choice], select.options[0].text);
        select.closest(".art-field").hidden = !found[select.dataset.choice].length;
      }
    } catch {
      show(words.offline, null);
    }
  }

  function companies(input) {
    const id = input.closest("form").querySelector("[data-company-id]");
    const list = document.getElementById(input.getAttribute("list"));
    const known = new Map();
    const chip = root.querySelector(".board-chip[data-filter='company__id__exact']");
    if (id.value && chip) {
      input.value = chip.dataset.said;
      known.set(input.value, id.value);
    }
    let wait = 0;
    input.addEventListener("input", () => {
      id.value = known.get(input.value) ?? "";
      window.clearTimeout(wait);
      if (id.value || input.value.length < 2) return;
      wait = window.setTimeout(async () => {
        const query = new URLSearchParams({ app_label: "crm", model_name: "deal", field_name: "company", term: input.value });
        const { data } = await ask(`${root.dataset.autocomplete}?${query}`);
        for (const each of data.results) known.set(each.text, each.id);
        list.replaceChildren(...data.results.map((each) => new Option(each.text, each.text)));
        id.value = known.get(input.value) ?? "";
      }, 200);
    });
  }

  function viewDialog(button) {
    const dialog = document.getElementById("board-view");
    const form = dialog.querySelector("form");
    const { editView: view = "", viewName = "" } = button.dataset;
    form.elements.name.value = viewName;
    form.elements.shared.checked = "viewShared" in button.dataset;
    form.elements.default.checked = "viewDefault" in button.dataset;
    dialog.querySelector("[data-view-only-own]").hidden = !view;
    dialog.querySelector("[data-view-delete]").hidden = !view;
    form.dataset.view = view;
    dialog.querySelector("[data-view-refusal]").hidden = true;
    dialog.showModal();
  }

  async function saveView(form, what) {
    const body = new URLSearchParams(new FormData(form));
    for (const [name, value] of new URLSearchParams(window.location.search)) body.set(name, value);
    body.set("what", what);
    body.set("view", form.dataset.view || "");
    const note = form.querySelector("[data-view-refusal]");
    try {
      const { isOk, data } = await ask(root.dataset.views, body);
      if (isOk) window.location.assign(data.url);
      note.textContent = data.text || "";
    } catch {
      note.textContent = words.offline;
    }
    note.hidden = !note.textContent;
  }

  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.open === "board-filters") filters();
    else if ("close" in button.dataset) button.closest("dialog").close();
    else if ("saveView" in button.dataset || "editView" in button.dataset) viewDialog(button);
    else if ("viewDelete" in button.dataset) saveView(button.form ?? button.closest("form"), "delete");
  });
  root.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-view-form]") && event.submitter?.value === "yes") {
      event.preventDefault();
      saveView(form, form.dataset.view ? "change" : "save");
    } else if (form.method === "get") {
      // Addresses say what is filtered and nothing else.
      for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
    }
  });
  root.querySelector("[data-submits]")?.addEventListener("change", (event) => event.target.form.requestSubmit());
  const company = root.querySelector("[data-company]");
  if (company) companies(company);
})();
