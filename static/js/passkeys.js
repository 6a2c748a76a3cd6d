// Passkeys on the pages by which people log in. Each form says what it wants of one:
//
//   data-passkey="login"    asks the server for a challenge and logs in; the browser also offers passkeys in the field for the address
//   data-passkey="answer"   answers the challenge in #passkey-options
//   data-passkey="add"      makes a new one as #passkey-options says
//
// What is shown only where there can be passkeys says "there", what is shown elsewhere says "missing".
(() => {
  "use strict";

  // A passkey belongs to a name; browsers make none for a bare number.
  const hasName = !/^[\d.]+$|:/.test(window.location.hostname);
  const isSupported = hasName && window.isSecureContext && window.webauthnJSON?.supported();
  const options = () => JSON.parse(document.getElementById("passkey-options").textContent);
  let offering = null;

  async function challenge(form) {
    const response = await fetch(form.action, { headers: { Accept: "application/json", "X-Requested-With": "XMLHttpRequest" } });
    if (!response.ok) throw new Error(`${response.status}`);
    return (await response.json()).request_options;
  }

  async function answer(form) {
    switch (form.dataset.passkey) {
      case "login":
        return window.webauthnJSON.get(await challenge(form));
      case "answer":
        return window.webauthnJSON.get(options());
      default:
        return window.webauthnJSON.create(options());
    }
  }

  function send(form, credential) {
    form.querySelector("[data-credential], [name=credential]").value = JSON.stringify(credential);
    form.submit();
  }

  function say(form, error) {
    const place = form.querySelector("[data-passkey-error]");
    place.textContent = error?.name === "NotAllowedError" ? place.dataset.cancelled : place.dataset.failed;
    place.hidden = false;
  }

  async function use(form) {
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      // A browser does one thing with passkeys at a time.
      offering?.abort();
      send(form, await answer(form));
    } catch (error) {
      say(form, error);
      button.disabled = false;
    }
  }

  // While the field for the address has the focus, the browser lists passkeys among what it would fill in.
  async function offer(form) {
    if (offering || !(await window.PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    offering = new AbortController();
    const { signal } = offering;
    try {
      const asked = await challenge(form);
      send(form, await window.webauthnJSON.get({ ...asked, mediation: "conditional", signal }));
    } catch (error) {
      // Nobody asked for it: the button is there, and says what is wrong.
      if (!signal.aborted) offering = null;
    }
  }

  for (const element of document.querySelectorAll("[data-passkey]")) {
    const what = element.dataset.passkey;
    element.hidden = (what === "missing") === Boolean(isSupported);
    if (!isSupported || element.tagName !== "FORM") continue;
    element.addEventListener("submit", (event) => {
      event.preventDefault();
      use(element);
    });
    if (what === "login") {
      document.querySelector("[autocomplete~=webauthn]")?.addEventListener("focus", () => offer(element));
    }
  }
})();
