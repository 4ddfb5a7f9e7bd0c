// A form, and a row for each song: sent, followed by its events, fetched. Nothing comes from another server.

const find = (id) => document.getElementById(id);
const form = find("form");

function make(kind, properties) {
  return Object.assign(document.createElement(kind), properties);
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

async function begin() {
  const limits = await (await fetch("limits")).json();
  for (const name of limits.options.codec.enum) {
    find("codec").append(make("option", { value: name, textContent: name, selected: name === limits.options.codec.default }));
  }
  for (const name of limits.stems) {
    const label = make("label", { textContent: ` ${name}` });
    label.prepend(make("input", { type: "checkbox", value: name, checked: true }));
    find("stems").append(label, " ");
  }
  find("hint").textContent =
    `A song may have ${megabytes(limits.most.size)} and ${Math.round(limits.most.seconds / 60)} minutes; ` +
    `stems stay for ${Math.round(limits.most.keep / 60)} minutes.`;
}

function options() {
  const wanted = new URLSearchParams({ codec: find("codec").value });
  const boxes = [...find("stems").querySelectorAll("input")];
  const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
  if (chosen.length > 0 && chosen.length < boxes.length) wanted.set("stems", chosen.join(","));
  return wanted;
}

class Row {
  constructor(file) {
    this.file = file;
    this.element = find("row").content.firstElementChild.cloneNode(true);
    this.element.querySelector("h3").textContent = file.name;
    this.bar = this.element.querySelector("progress");
    this.bar.setAttribute("aria-label", `Progress of ${file.name}`);
    this.button = this.element.querySelector(".cancel");
    this.button.setAttribute("aria-label", `Cancel ${file.name}`);
    this.button.addEventListener("click", () => this.cancel());
    find("none").hidden = true;
    find("songs").prepend(this.element);
  }

  say(text, failed = false) {
    const state = this.element.querySelector(".state");
    state.textContent = text;
    state.classList.toggle("failed", failed);
  }

  end(text, failed = false) {
    this.say(text, failed);
    this.bar.hidden = true;
    find("news").textContent = `${this.file.name}: ${text}`;
  }

  // XMLHttpRequest: fetch does not tell how much has been sent.
  send(wanted) {
    this.say("is sent");
    this.request = new XMLHttpRequest();
    this.request.open("POST", `songs?${wanted}`);
    this.request.responseType = "json";
    this.request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) this.bar.value = event.loaded / event.total;
    });
    this.request.addEventListener("load", () => {
      const answer = this.request.response;
      if (this.request.status === 202) this.follow(answer);
      else this.refuse(answer?.error?.message ?? `The server answers ${this.request.status}.`);
    });
    this.request.addEventListener("error", () => this.refuse("The server cannot be reached."));
    this.request.send(this.file);
  }

  refuse(text) {
    this.button.hidden = true;
    this.end(text, true);
  }

  follow(song) {
    this.song = song;
    this.bar.removeAttribute("value");
    const source = (this.source = new EventSource(song.events));
    source.addEventListener("progress", (event) => this.show(JSON.parse(event.data)));
    for (const state of ["done", "failed", "cancelled", "stopping"]) {
      source.addEventListener(state, (event) => {
        source.close();
        this.finish(state, JSON.parse(event.data));
      });
    }
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) this.refuse("The server does not know this song any more.");
    });
  }

  show(song) {
    if (song.state === "waiting") this.say(song.position ? `waits, ${song.position} before it` : "waits");
    else this.say(song.progress === null ? "is separated" : `is separated, ${Math.floor(100 * song.progress)} %`);
    if (song.progress !== null) this.bar.value = song.progress;
  }

  finish(state, song) {
    if (state !== "done") {
      this.refuse(state === "stopping" ? "The server has stopped." : (song.error?.message ?? "The song was cancelled."));
      return;
    }
    this.button.textContent = "Remove";
    this.button.setAttribute("aria-label", `Remove ${this.file.name} from the server`);
    const list = this.element.querySelector(".files");
    for (const stem of song.stems) {
      const line = make("li", {});
      line.append(make("a", { href: stem.url, download: stem.file, textContent: `${stem.file} (${megabytes(stem.bytes)})` }));
      const player = make("audio", { controls: true, preload: "none", src: stem.url });
      player.setAttribute("aria-label", `${stem.name} of ${this.file.name}`);
      line.append(player);
      list.append(line);
    }
    const all = make("li", {});
    all.append(make("a", { href: song.zip, download: "stems.zip", textContent: "All in one ZIP file" }));
    list.append(all);
    this.end(song.warnings.length ? `is done: ${song.warnings.join("; ")}` : "is done");
  }

  async cancel() {
    this.request.abort();
    this.source?.close();
    if (this.song) await fetch(this.song.url, { method: "DELETE" });
    this.element.remove();
    find("none").hidden = find("songs").childElementCount > 0;
    find("news").textContent = `${this.file.name} is removed`;
  }
}

function separate(files) {
  for (const file of files) new Row(file).send(options());
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  separate(find("song").files);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
document.addEventListener("dragleave", () => document.body.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  separate(event.dataTransfer.files);
});
begin().catch(() => { find("hint").textContent = "The server does not answer."; });
