// The page of preferences: lets this browser show messages, also while no page of ours is open.

function bytes(text) {
  const padded = text.replaceAll("-", "+").replaceAll("_", "/").padEnd(Math.ceil(text.length / 4) * 4, "=");
  return Uint8Array.from(atob(padded), (letter) => letter.charCodeAt(0));
}

async function active(registration) {
  const worker = registration.installing ?? registration.waiting;
  if (registration.active || !worker) return registration;
  await new Promise((resolve) => {
    worker.addEventListener("statechange", () => worker.state === "activated" && resolve());
  });
  return registration;
}

async function subscribe(place) {
  const registration = await active(await navigator.serviceWorker.register(place.dataset.pushWorker));
  const subscription = await registration.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: bytes(place.dataset.pushKey),
  });
  const { endpoint, keys } = subscription.toJSON();
  const response = await fetch(place.dataset.pushUrl, {
    method: "POST",
    body: JSON.stringify({ endpoint, ...keys, name: navigator.userAgentData?.platform ?? navigator.platform }),
    headers: {
      "Content-Type": "application/json",
      "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value,
    },
  });
  if (!response.ok) throw new Error(String(response.status));
}

addEventListener("DOMContentLoaded", () => {
  const place = document.querySelector("[data-push]");
  if (!place || !("PushManager" in window) || !("serviceWorker" in navigator)) return;
  place.hidden = false;
  const said = place.querySelector("[data-push-said]");
  place.querySelector("[data-push-begin]").addEventListener("click", async (event) => {
    event.target.disabled = true;
    try {
      await subscribe(place);
      said.textContent = said.dataset.textDone;
    } catch {
      said.textContent = said.dataset.textRefused;
      event.target.disabled = false;
    }
  });
});
