// The bell: how much is unread, and a toast for what has just come. Everything comes by the stream "inbox:<one's own>".
(() => {
  "use strict";

  const TOAST_MS = 8000;
  const MOST = 3;
  const bell = document.querySelector("[data-inbox-stream]");
  if (!bell || !window.artel?.live) return;
  const badge = bell.querySelector("[data-inbox-count]");
  const said = bell.querySelector("[data-inbox-said]");

  function count(unread) {
    badge.textContent = unread > 99 ? "99+" : String(unread);
    badge.hidden = !unread;
    bell.dataset.count = unread;
  }

  function shelf() {
    let found = document.querySelector(".inbox-toasts");
    if (!found) {
      found = document.createElement("div");
      found.className = "inbox-toasts";
      document.body.append(found);
    }
    return found;
  }

  function toast({ title, url, id }) {
    const box = document.createElement("div");
    box.className = "inbox-toast";
    const text = document.createElement(url ? "a" : "span");
    text.textContent = title;
    if (url) text.href = `${bell.querySelector("a").getAttribute("href")}${id}/`;
    box.append(text);
    const place = shelf();
    place.append(box);
    while (place.children.length > MOST) place.firstElementChild.remove();
    window.setTimeout(() => box.remove(), TOAST_MS);
    said.textContent = title;
  }

  window.artel.live.watch(bell.dataset.inboxStream, {
    event(data) {
      count(data.unread);
      if (data.notification) toast(data.notification);
    },
    state(state) { count(state.unread); },
  });
})();
