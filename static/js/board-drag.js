// Dragging cards with mouse, pen and finger. A finger has to rest on a card first, so that it can still scroll.
//
//   artel.drag(root, { card, list, zone, scroller, start(card), drop(card, target), cancel(card) });
//
// `card`, `list` and `zone` are selectors; a target is { list, above } (the card right above, or null) or { zone }.
(() => {
  "use strict";

  const FAR_PX = 6;
  const REST_MS = 260;
  const EDGE_PX = 56;
  const SPEED_PX = 14;

  function drag(root, options) {
    let held = null;
    let active = null;

    const far = (event) => Math.hypot(event.clientX - held.x, event.clientY - held.y) > FAR_PX;

    function press(event) {
      const card = event.target.closest(options.card);
      if (!card || event.button !== 0 || !event.isPrimary || active || event.target.closest("button, input")) return;
      if (!options.allows(card)) return;
      held = { card, id: event.pointerId, x: event.clientX, y: event.clientY, rest: 0 };
      if (event.pointerType !== "mouse") held.rest = window.setTimeout(() => begin(), REST_MS);
    }

    function release() {
      window.clearTimeout(held?.rest);
      held = null;
    }

    function begin() {
      const { card, id, x, y } = held;
      const box = card.getBoundingClientRect();
      const ghost = card.cloneNode(true);
      ghost.classList.add("board-ghost");
      ghost.setAttribute("aria-hidden", "true");
      ghost.style.width = `${box.width}px`;
      ghost.style.left = `${box.left}px`;
      ghost.style.top = `${box.top}px`;
      const gap = document.createElement("li");
      gap.className = "board-gap";
      gap.setAttribute("aria-hidden", "true");
      gap.style.height = `${box.height}px`;
      document.body.append(ghost);
      card.classList.add("board-card-lifted");
      active = { card, id, ghost, gap, startX: x, startY: y, x, y, target: null, frame: 0 };
      root.setPointerCapture?.(id);
      root.classList.add("board-dragging");
      navigator.vibrate?.(15);
      release();
      options.start(card);
      active.frame = window.requestAnimationFrame(turn);
    }

    function move(event) {
      if (active) {
        if (event.pointerId !== active.id) return;
        active.x = event.clientX;
        active.y = event.clientY;
        event.preventDefault();
      } else if (held && event.pointerId === held.id && far(event)) {
        // A finger that moves at once scrolls.
        if (held.rest) release();
        else begin();
      }
    }

    // Once a frame: the ghost follows, what is under it opens, and what is near an edge scrolls.
    function turn() {
      if (!active) return;
      active.ghost.style.transform = `translate(${active.x - active.startX}px, ${active.y - active.startY}px)`;
      aim();
      scroll();
      active.frame = window.requestAnimationFrame(turn);
    }

    function aim() {
      const under = document.elementFromPoint(active.x, active.y);
      const zone = under?.closest(options.zone);
      const column = under?.closest(options.column);
      for (const each of root.querySelectorAll(".board-over")) if (each !== zone && each !== column) each.classList.remove("board-over");
      if (zone) {
        active.gap.remove();
        zone.classList.add("board-over");
        active.target = { zone };
      } else if (column) {
        column.classList.add("board-over");
        const list = column.querySelector(options.list);
        const cards = [...list.querySelectorAll(`:scope > ${options.card}`)].filter((card) => card !== active.card);
        const next = cards.find((card) => {
          const box = card.getBoundingClientRect();
          return active.y < box.top + box.height / 2;
        });
        if (active.gap.parentNode !== list || active.gap.nextElementSibling !== (next ?? null)) list.insertBefore(active.gap, next ?? null);
        active.target = { list, above: (next ? cards[cards.indexOf(next) - 1] : cards.at(-1)) ?? null };
      } else {
        active.gap.remove();
        active.target = null;
      }
    }

    function scroll() {
      const around = root.querySelector(options.scroller);
      const box = around.getBoundingClientRect();
      if (active.x < box.left + EDGE_PX) around.scrollLeft -= SPEED_PX;
      else if (active.x > box.right - EDGE_PX) around.scrollLeft += SPEED_PX;
      const list = active.target?.list?.closest(options.scrolls);
      if (!list) return;
      const edge = list.getBoundingClientRect();
      if (active.y < edge.top + EDGE_PX) list.scrollTop -= SPEED_PX;
      else if (active.y > edge.bottom - EDGE_PX) list.scrollTop += SPEED_PX;
    }

    function end(isDropped) {
      const { card, target, ghost, gap, frame } = active;
      window.cancelAnimationFrame(frame);
      ghost.remove();
      gap.remove();
      card.classList.remove("board-card-lifted");
      root.classList.remove("board-dragging");
      for (const each of root.querySelectorAll(".board-over")) each.classList.remove("board-over");
      active = null;
      // What a mouse does next is a click on the link that was dragged.
      const swallow = (event) => {
        event.preventDefault();
        event.stopPropagation();
      };
      window.addEventListener("click", swallow, { capture: true, once: true });
      window.setTimeout(() => window.removeEventListener("click", swallow, { capture: true }), 0);
      if (isDropped && target) options.drop(card, target);
      else options.cancel(card);
    }

    root.addEventListener("pointerdown", press);
    window.addEventListener("pointermove", move, { passive: false });
    window.addEventListener("pointerup", (event) => {
      if (active && event.pointerId === active.id) {
        active.x = event.clientX;
        active.y = event.clientY;
        aim();
        end(true);
      } else release();
    });
    window.addEventListener("pointercancel", (event) => {
      if (active && event.pointerId === active.id) end(false);
      release();
    });
    window.addEventListener("keydown", (event) => {
      if (!active || event.key !== "Escape") return;
      event.preventDefault();
      end(false);
    });
    // Else the browser takes the finger for scrolling, or opens the link's menu.
    document.addEventListener("touchmove", (event) => { if (active) event.preventDefault(); }, { passive: false });
    root.addEventListener("contextmenu", (event) => { if (active || held?.rest) event.preventDefault(); });
    root.addEventListener("dragstart", (event) => event.preventDefault());
  }

  window.artel = Object.assign(window.artel || {}, { drag });
})();
