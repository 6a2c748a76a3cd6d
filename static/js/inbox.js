// How much is unread, beside the inbox in the menu, and a toast for what has just come. Everything comes by the stream "inbox:<one's own>".
(() => {
  "use strict";

  const TOAST_MS = 8000;
  const MOST = 3;
  const said = document.querySelector("[data-inbox-stream]");
  if (!said || !window.artel?.live) return;
  const url = said.dataset.inboxUrl;
  const badges = [...document.querySelectorAll(`#nav-sidebar-apps a[href="${url}"]`)].map((link) => {
    const badge = document.createElement("span");
    badge.className = "inbox-count";
    badge.dataset.inboxCount = "";
    badge.hidden = true;
    link.append(badge);
    return badge;
  });

  function count(unread) {
    for (const badge of badges) {
      badge.textContent = unread > 99 ? "99+" : String(unread);
      badge.hidden = !unread;
      badge.title = `${said.dataset.unread} ${unread}`;
    }
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

  function toast({ title, url: leadsTo, id }) {
    const box = document.createElement("div");
    box.className = "inbox-toast";
    const text = document.createElement(leadsTo ? "a" : "span");
    text.textContent = title;
    if (leadsTo) text.href = `${url}${id}/`;
    box.append(text);
    const place = shelf();
    place.append(box);
    while (place.children.length > MOST) place.firstElementChild.remove();
    window.setTimeout(() => box.remove(), TOAST_MS);
    said.textContent = title;
  }

  window.artel.live.watch(said.dataset.inboxStream, {
    event(data) {
      count(data.unread);
      if (data.notification) toast(data.notification);
    },
    state(state) { count(state.unread); },
  });
})();
