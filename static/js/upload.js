// Sends files over REST, many at once, piece by piece. What is interrupted goes on at the byte where it was: after a lost
// connection by itself, after a reload once its file is chosen again. The server counts what has come; this only asks it.

const AT_ONCE = 3;
const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 15000;
const POLL_MS = 1500;
const SIGNED_AT_ONCE = 8;
const PIECE = "application/offset+octet-stream";
const REMEMBERED = "artel.uploads";

class Refused extends Error {}
class Lost extends Error {}
class Stopped extends Error {}

const sleep = (ms) => new Promise((resolve) => window.setTimeout(resolve, ms));

// Of what was begun and not finished, the browser remembers which file it was; nothing of its content.
const memory = {
  all() {
    try {
      return JSON.parse(window.localStorage.getItem(REMEMBERED)) ?? [];
    } catch {
      return [];
    }
  },
  write(entries) {
    try {
      window.localStorage.setItem(REMEMBERED, JSON.stringify(entries.slice(-200)));
    } catch {
      // Without a memory an upload ends with its page.
    }
  },
  keep(entry) {
    this.write([...this.all().filter((each) => each.id !== entry.id), entry]);
  },
  forget(id) {
    this.write(this.all().filter((each) => each.id !== id));
  },
};

function sizeWords(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log(bytes) / Math.log(1024)));
  const style = { style: "unit", unit: units[step], maximumFractionDigits: step > 1 ? 1 : 0 };
  return new Intl.NumberFormat(document.documentElement.lang, style).format(bytes / 1024 ** step);
}

const token = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const isSame = (entry, file) => entry.name === file.name && entry.size === file.size && entry.modified === file.lastModified;

class Zone {
  constructor(root) {
    this.root = root;
    this.text = root.dataset;
    this.values = JSON.parse(root.dataset.values || "{}");
    // What was begun for another object is not offered here.
    this.place = JSON.stringify(this.values);
    this.csrf = root.querySelector("[name='csrfmiddlewaretoken']").value;
    this.items = [];
    this.find = (name, within = root) => within.querySelector(`[data-${name}]`);
    this.listen();
    this.remember();
  }

  listen() {
    const input = this.find("files");
    const drop = this.find("drop");
    // unfold's script would look for a text field of its own beside the file.
    input.hasChangeListener = true;
    input.addEventListener("change", () => {
      this.add([...input.files]);
      input.value = "";
    });
    const over = (isOver) => drop.classList.toggle("art-is-over", isOver);
    for (const name of ["dragenter", "dragover"]) {
      document.addEventListener(name, (event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        over(true);
      });
    }
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) over(false);
    });
    // A file that misses the zone would otherwise open in place of the page.
    document.addEventListener("drop", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      over(false);
      const folders = new Set([...event.dataTransfer.items].filter((each) => each.webkitGetAsEntry?.()?.isDirectory).map((each) => each.webkitGetAsEntry().name));
      this.add([...event.dataTransfer.files], folders);
    });
    document.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      this.add(files);
    });
    this.find("pause-all").addEventListener("click", () => this.items.forEach((item) => item.pause()));
    this.find("resume-all").addEventListener("click", () => this.items.forEach((item) => item.resume()));
    window.addEventListener("online", () => this.items.forEach((item) => item.wake()));
  }

  // What was begun before the page was loaded anew, as the server knows it.
  async remember() {
    for (const entry of memory.all().filter((each) => each.place === this.place)) {
      try {
        const session = await this.ask("GET", `${entry.id}/`);
        if (session.state === "OPEN") this.items.push(new Item(this, { entry, session }));
        else if (session.state === "VERIFYING") this.items.push(new Item(this, { entry, session })), this.items.at(-1).follow();
        else memory.forget(entry.id);
      } catch (error) {
        if (error instanceof Refused) memory.forget(entry.id);
      }
    }
    this.show();
  }

  add(files, folders = new Set()) {
    for (const file of this.text.single === undefined ? files : files.slice(0, 1)) {
      const begun = this.items.find((item) => item.is === "again" && isSame(item.entry, file));
      if (begun) begun.begin(file);
      else this.items.push(new Item(this, { file, isFolder: folders.has(file.name) }));
    }
    this.next();
  }

  next() {
    const free = AT_ONCE - this.items.filter((item) => item.isBusy).length;
    this.items.filter((item) => item.is === "waiting").slice(0, Math.max(0, free)).forEach((item) => item.run());
    this.show();
  }

  show() {
    const counted = this.items.filter((item) => item.is !== "again");
    const refused = counted.filter((item) => item.is === "refused");
    const sent = counted.reduce((sum, item) => sum + (item.is === "refused" ? 0 : item.sent), 0);
    const size = counted.reduce((sum, item) => sum + (item.is === "refused" ? 0 : item.size), 0);
    const said = { done: counted.filter((item) => item.is === "done").length, count: counted.length, sent: sizeWords(sent), size: sizeWords(size) };
    let text = this.text.textTotal.replace(/\{(\w+)\}/g, (_whole, name) => said[name]);
    if (refused.length) text += ` · ${this.text.textRefused.replace("{count}", refused.length)}`;
    this.find("total").hidden = !counted.length;
    if (this.find("total-text").textContent !== text) this.find("total-text").textContent = text;
    this.find("total-bar").value = size ? sent / size : 1;
    this.find("pause-all").hidden = !this.items.some((item) => item.canPause);
    this.find("resume-all").hidden = !this.items.some((item) => item.is === "paused");
  }

  async ask(method, path, body) {
    const headers = { Accept: "application/json", "X-CSRFToken": this.csrf };
    if (body) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(this.text.url + path, { method, headers, body: body && JSON.stringify(body), credentials: "same-origin" });
    } catch {
      throw new Lost();
    }
    return this.judged(response.status, await response.json().catch(() => null));
  }

  judged(status, answer) {
    if (status < 400) return answer;
    if (status === 429 && answer?.code !== "too_many_uploads") throw new Lost();
    if (status >= 500) throw new Lost(this.text.textFailed);
    const words = answer?.errors?.map((error) => error.message).join(" ") || answer?.title || this.text.textFailed;
    throw Object.assign(new Refused(words), { code: answer?.code });
  }
}

class Item {
  constructor(zone, { file, entry, session, isFolder }) {
    this.zone = zone;
    this.file = file;
    this.entry = entry;
    this.session = session;
    this.name = file?.name ?? entry.name;
    this.size = file?.size ?? entry.size;
    this.sent = session?.offset ?? 0;
    this.token = token();
    // As it was chosen when the file came.
    this.type = zone.find("type")?.value;
    this.row = zone.find("row").content.firstElementChild.cloneNode(true);
    zone.find("list").append(this.row);
    this.find("name").textContent = this.name;
    this.find("size").textContent = sizeWords(this.size);
    this.find("bar").setAttribute("aria-label", this.name);
    this.find("open").textContent = zone.text.textOpen;
    this.find("pause").addEventListener("click", () => this.pause());
    this.find("resume").addEventListener("click", () => this.resume());
    this.find("remove").addEventListener("click", () => this.remove());
    const again = this.find("again").querySelector("input");
    again.hasChangeListener = true;
    again.addEventListener("change", () => {
      const chosen = again.files[0];
      again.value = "";
      if (!chosen) return;
      if (isSame(this.entry, chosen)) this.begin(chosen);
      else this.show("again", zone.text.textDiffers);
    });
    if (session) this.show("again", zone.text.textAgain);
    else if (isFolder) this.show("refused", zone.text.textFolder);
    else if (this.size > Number(zone.text.maxBytes)) this.show("refused", zone.text.textTooLarge);
    else this.show("waiting");
  }

  find(name) {
    return this.zone.find(name, this.row);
  }

  get isBusy() {
    return this.is === "sending" || this.is === "lost";
  }

  get canPause() {
    return this.isBusy || this.is === "waiting";
  }

  show(is, text) {
    this.is = is;
    this.row.dataset.is = is;
    const words = { waiting: "textWaiting", sending: "textSending", paused: "textPaused", lost: "textLost", checking: "textChecking", done: "textDone" };
    this.find("state").textContent = text ?? this.zone.text[words[is]];
    if (is === "refused") this.find("state").setAttribute("role", "alert");
    this.find("bar").value = this.size ? this.sent / this.size : 1;
    this.find("again").hidden = is !== "again";
    this.find("pause").hidden = !this.canPause;
    this.find("resume").hidden = is !== "paused";
    this.find("remove").hidden = is === "checking" || is === "done";
    const address = this.zone.text.documentUrl;
    const open = this.find("open");
    open.hidden = is !== "done" || !address || !this.session?.document;
    if (!open.hidden) open.href = address.replace("/0/", `/${this.session.document}/`);
    this.zone.show();
  }

  moved(sent) {
    this.sent = sent;
    this.find("bar").value = this.size ? sent / this.size : 1;
    this.zone.show();
  }

  begin(file) {
    this.file = file;
    this.show("waiting");
    this.zone.next();
  }

  pause() {
    if (!this.canPause) return;
    this.show("paused");
    this.stop();
    this.zone.next();
  }

  resume() {
    if (this.is !== "paused") return;
    this.show("waiting");
    this.zone.next();
  }

  stop() {
    this.request?.abort();
    this.wake();
  }

  // Whoever waits for the connection tries at once.
  wake() {
    this.woken?.();
  }

  async remove() {
    const id = this.session?.id;
    this.show("removed");
    this.stop();
    this.row.remove();
    this.zone.items = this.zone.items.filter((item) => item !== this);
    this.zone.next();
    this.zone.find("files").focus();
    if (!id) return;
    memory.forget(id);
    // What is not given up now is given up by time.
    await this.zone.ask("DELETE", `${id}/`).catch(() => null);
  }

  async run() {
    this.show("sending");
    // A run that was paused ends at its next step; the one after it is another.
    const run = (this.current = {});
    let wait = FIRST_WAIT_MS;
    while (true) {
      try {
        const before = this.sent;
        await this.send(run);
        if (this.sent > before) wait = FIRST_WAIT_MS;
        this.session = await this.zone.ask("POST", `${this.session.id}/finish/`);
        this.check(run);
        break;
      } catch (error) {
        if (error instanceof Stopped || this.current !== run || !this.isBusy) return;
        if (error instanceof Refused) return this.refuse(error);
        if (!(error instanceof Lost)) throw error;
        this.show("lost", error.message || undefined);
        await Promise.race([sleep(wait), new Promise((resolve) => (this.woken = resolve))]);
        wait = Math.min(LAST_WAIT_MS, wait * 2);
        if (this.current !== run || !this.isBusy) return;
        this.show("sending");
      }
    }
    this.follow();
    this.zone.next();
  }

  refuse(error) {
    if (this.session) memory.forget(this.session.id);
    this.show("refused", error.message);
    this.zone.next();
  }

  check(run) {
    if (this.current !== run || !this.isBusy) throw new Stopped();
  }

  async send(run) {
    if (!this.session) await this.open();
    this.check(run);
    if (this.session.is_direct) await this.sendParts(run);
    else await this.sendPieces(run);
  }

  async open() {
    const values = { ...this.zone.values };
    if (this.type) values.type = Number(this.type);
    this.session = await this.zone.ask("POST", "", { ...values, file_name: this.name, size: this.size, content_type: this.file.type, client_token: this.token });
    memory.keep({ id: this.session.id, name: this.name, size: this.size, modified: this.file.lastModified, place: this.zone.place });
  }

  async sendPieces(run) {
    let offset = await this.offset();
    while (offset < this.size) {
      this.check(run);
      const piece = this.file.slice(offset, offset + this.session.part_size);
      const from = offset;
      const answer = await this.put("PATCH", `${this.zone.text.url}${this.session.id}/content/`, piece, { "Upload-Offset": offset, "Content-Type": PIECE, "X-CSRFToken": this.zone.csrf, Accept: "application/json" }, (sent) => this.moved(from + sent));
      const told = answer.getResponseHeader("Upload-Offset");
      if (answer.status !== 409 || told === null) this.zone.judged(answer.status, answer.response);
      offset = told === null ? await this.offset() : Number(told);
      this.moved(offset);
    }
  }

  async offset() {
    const session = await this.zone.ask("GET", `${this.session.id}/`);
    if (session.state !== "OPEN") {
      this.session = session;
      return this.size;
    }
    this.moved(session.offset);
    return session.offset;
  }

  async sendParts(run) {
    const size = this.session.part_size;
    const last = Math.ceil(this.size / size);
    const told = await this.zone.ask("POST", `${this.session.id}/parts/`, { numbers: [] });
    const missing = Array.from({ length: last }, (_each, at) => at + 1).filter((number) => !told.received.includes(number));
    let sent = Math.min(this.size, told.received.length * size);
    while (missing.length) {
      this.check(run);
      const signed = await this.zone.ask("POST", `${this.session.id}/parts/`, { numbers: missing.splice(0, SIGNED_AT_ONCE) });
      for (const part of signed.parts) {
        this.check(run);
        const before = sent;
        const answer = await this.put("PUT", part.url, this.file.slice(part.start, part.start + part.size), {}, (bytes) => this.moved(before + bytes));
        // An address whose time is over is signed anew.
        if (answer.status >= 400) throw new Lost();
        sent += part.size;
        this.moved(sent);
      }
    }
  }

  put(method, url, body, headers, moved) {
    return new Promise((resolve, reject) => {
      const request = (this.request = new XMLHttpRequest());
      request.open(method, url);
      request.responseType = "json";
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.upload.addEventListener("progress", (event) => moved(event.loaded));
      request.addEventListener("load", () => resolve(request));
      request.addEventListener("error", () => reject(new Lost()));
      request.addEventListener("abort", () => reject(new Stopped()));
      request.send(body);
    });
  }

  // A worker checks what is large: whether anybody looks on or not. Asking to finish tells how far that is, and takes up
  // again what nobody is at any more.
  async follow() {
    while (this.session.state === "VERIFYING") {
      if (this.is !== "checking") this.show("checking");
      await sleep(POLL_MS);
      try {
        this.session = await this.zone.ask("POST", `${this.session.id}/finish/`);
      } catch (error) {
        if (error instanceof Refused) return this.refuse(error);
      }
    }
    memory.forget(this.session.id);
    this.sent = this.size;
    if (this.session.state === "READY") this.show("done");
    else this.show("refused", this.session.refusal || this.zone.text.textFailed);
    this.zone.next();
  }
}

document.querySelectorAll("[data-upload-zone]").forEach((root) => new Zone(root));
