// <fs-song>: a song in the page: how its transcription goes, its views, its corrections, its files.
//
// It shows the song that the page's address names (?song=ID), so that the address finds it again, and asks the
// server how it is until that has finished. Edits come up from its views and its own panel as `fs-edit`; they are
// sent to the server one after the other, and `fs-changed` on the document tells every view to load anew, or
// `fs-refused` that nothing was changed.
//
// What is too big or too long to be handed in is told as soon as it is chosen, before it is uploaded.

import { addressOf, clock, playerOf } from "./player.js";
import { answered } from "./look.js";
import "./lyrics.js";
import "./mixer.js";
import "./roll.js";
import "./score.js";

const ASKED_MS = 700; // between two questions how it goes
const ASKED_HIDDEN_MS = 5000; // while nobody looks
const SHOWN_MS = 6000; // that a message stays
const DONE = { undo: "Undone.", redo: "Done again." };
const TAPPED_MS = 2000; // without a tap, after which the tempo is taken
const FEWEST_TAPS = 4;

const STAGES = {
  audio: "Reading the recording",
  separation: "Separating the stems",
  notes: "Hearing the notes",
  beats: "Finding the beats",
  lyrics: "Finding the words",
  score: "Writing the score",
};

// A view is offered as soon as what it shows is there.
const VIEWS = [
  { name: "score", label: "Score", element: "fs-score", ready: (state) => state.state === "done" },
  { name: "roll", label: "Piano roll", element: "fs-roll", ready: (state) => state.files.includes("notes.json") },
  { name: "stems", label: "Stems", element: "fs-mixer", ready: (state) => state.files.some((file) => file.startsWith("stems/")) },
  { name: "lyrics", label: "Lyrics", element: "fs-lyrics", ready: (state) => state.stages.some((stage) => stage.name === "lyrics" && stage.share >= 1) },
];

const FILES = {
  "score.musicxml": ["MusicXML", "for notation programs"],
  "score.mxl": ["MusicXML, compressed", "smaller"],
  "score.pdf": ["PDF", "to print"],
  "score.mid": ["MIDI as written", "in strict time"],
  "performance.mid": ["MIDI as heard", "as it was played"],
  "lyrics.txt": ["Lyrics", "text"],
  "lyrics.lrc": ["Lyrics with times", "LRC"],
};
const WORDS = ["lyrics.txt", "lyrics.lrc"];

const PITCHES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
const OCTAVES = { "": "usual", "-2": "2 octaves lower", "-1": "1 octave lower", 0: "as it sounds", 1: "1 octave higher", 2: "2 octaves higher" };

const markup = `
  <section class="song" aria-label="Song" hidden>
    <div class="top">
      <div><h2 tabindex="-1"></h2><p class="status quiet" role="status"></p><p class="error trouble" role="alert"></p></div>
      <div class="actions">
        <button class="cancel" type="button">Cancel</button>
        <button class="copy" type="button">Copy the link</button>
        <button class="another" type="button">Another song</button>
      </div>
    </div>
    <ol class="stages" aria-label="Progress" hidden></ol>
    <details class="remarks" hidden><summary></summary><ul></ul></details>
    <div class="work" hidden>
      <div class="views"><div class="tabs" role="tablist" aria-label="Views"></div></div>
      <div class="side">
        <section class="card correct" aria-label="Corrections" hidden>
          <header><h3>Correct</h3><span class="pair">
            <button class="undo" type="button">Undo</button><button class="redo" type="button">Redo</button></span></header>
          <p class="message" role="status"></p>
          <div class="body">
            <div class="row"><label for="fs-key">Key</label><span><select id="fs-key" class="key"></select></span></div>
            <div class="row"><label for="fs-meter">Meter</label><span><select id="fs-meter" class="meter"></select></span></div>
            <div class="row"><label for="fs-tempo">Tempo</label><span>
              <input id="fs-tempo" class="tempo" type="number" min="20" max="400" step="any">
              <button class="half" type="button" aria-label="Half the tempo">½</button>
              <button class="double" type="button" aria-label="Double the tempo">×2</button>
              <button class="tap" type="button">Tap</button>
              <button class="reset" type="button" data-of="tempo">as heard</button></span></div>
            <div class="row"><label for="fs-pick-up">Pick-up</label><span>
              <input id="fs-pick-up" class="pick-up" type="number" min="0" max="32" step="any" placeholder="auto"> beats
              <button class="reset" type="button" data-of="pick_up">as heard</button></span></div>
            <fieldset class="parts"><legend>Part</legend>
              <select class="part" aria-label="Part"></select>
              <div class="row"><label for="fs-clef">Clef</label><span><select id="fs-clef" class="clef"></select></span></div>
              <div class="row"><label for="fs-octave">Written</label><span><select id="fs-octave" class="octave"></select></span></div>
              <div class="row"><span>Sounds</span><span>
                <button class="down" type="button" aria-label="Move the part an octave down">−8ve</button>
                <button class="up" type="button" aria-label="Move the part an octave up">+8ve</button></span></div>
            </fieldset>
            <fieldset class="note"><legend>Note</legend>
              <p class="which quiet"></p>
              <div class="pair">
                <button type="button" data-by="-1" aria-label="A semitone lower">−1</button>
                <button type="button" data-by="1" aria-label="A semitone higher">+1</button>
                <button type="button" data-by="-12" aria-label="An octave lower">−8ve</button>
                <button type="button" data-by="12" aria-label="An octave higher">+8ve</button>
                <button type="button" class="delete">Delete</button>
              </div>
            </fieldset>
          </div>
        </section>
        <section class="card home" aria-label="Take home" hidden>
          <header><h3>Take home</h3></header>
          <a class="link main all">Everything (zip)</a>
          <ul class="files"></ul>
          <details><summary>Stems, pages and data</summary><ul class="files rest"></ul></details>
        </section>
      </div>
    </div>
  </section>`;

/** What to say when an edit was made. A tempo doesn't move the beats: it chooses at which pace they are counted. */
function doneIn(edit) {
  if (edit.kind === "tempo" && edit.value) return "Corrected: the beats heard are counted at the pace nearest to that.";
  return DONE[edit.kind] ?? "Corrected.";
}

class Song extends HTMLElement {
  #id = "";
  #state = null;
  #report = null;
  #view = ""; // what its visitor chose
  #shown = ""; // what is shown
  #note = null; // the note that is selected
  #timer = 0;
  #taps = [];
  #tapping = 0;
  #saying = 0;
  #busy = false;
  #edits = []; // that wait for the one on its way

  connectedCallback() {
    if (!this.firstElementChild?.matches("section.song")) this.#build();
    this.open(new URLSearchParams(location.search).get("song") ?? "");
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
  }

  get song() {
    return this.#id;
  }

  /** Show a song, or none. */
  open(id) {
    if (id === this.#id && this.#state) return;
    if (this.#id) playerOf(this.#id).pause();
    clearTimeout(this.#timer);
    this.#id = id;
    this.#edits = [];
    this.#state = this.#report = this.#note = null;
    this.#view = this.#shown = "";
    document.body.classList.toggle("fs-open", Boolean(id));
    this.#get(".song").hidden = !id;
    for (const view of this.querySelectorAll(".panel")) view.replaceChildren();
    for (const part of [".work", ".stages", ".remarks", ".correct", ".home"]) this.#get(part).hidden = true;
    this.#get("h2").textContent = "";
    this.#get(".status").textContent = "";
    this.#tell("");
    document.title = "Fullscore";
    if (id) this.#ask();
  }

  #get(selector) {
    return this.querySelector(selector);
  }

  #build() {
    this.innerHTML = markup;
    const offered = JSON.parse(this.dataset.offered);
    const option = (value, label = value) => new Option(label, value);
    this.#get(".key").append(option("", "as heard"), ...offered.keys.map((key) => option(key, signs(key))));
    this.#get(".meter").append(option("", "as heard"), ...offered.meters.map((meter) => option(meter)));
    this.#get(".clef").append(option("", "usual"), ...offered.clefs.map((clef) => option(clef, clef.replace("-8", ", octave lower"))));
    const octaves = Object.entries(OCTAVES).sort(([one], [other]) => (one === "" ? -1 : other === "" ? 1 : one - other));
    this.#get(".octave").append(...octaves.map(([value, label]) => option(value, label)));
    for (const view of VIEWS) {
      const tab = document.createElement("button");
      Object.assign(tab, { type: "button", id: `fs-tab-${view.name}`, textContent: view.label });
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", `fs-view-${view.name}`);
      tab.addEventListener("click", () => this.#choose(view.name));
      const panel = document.createElement("div");
      Object.assign(panel, { className: "panel", id: `fs-view-${view.name}`, hidden: true });
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", tab.id);
      this.#get(".tabs").append(tab);
      this.#get(".views").append(panel);
    }
    this.#listen();
  }

  // How it goes

  async #ask() {
    const id = this.#id;
    clearTimeout(this.#timer);
    try {
      const response = await fetch(addressOf(id, "state.json"));
      if (response.status === 404) throw Object.assign(new Error((await response.json()).detail), { gone: true });
      const state = await answered(response);
      if (id !== this.#id) return;
      this.#tell("");
      this.#take(state);
    } catch (error) {
      if (id !== this.#id) return;
      this.#tell(error.gone ? error.message : "The server doesn't answer; this page tries again.");
      if (error.gone) {
        this.#get(".cancel").hidden = this.#get(".copy").hidden = true;
        return;
      }
    }
    if (!this.#state || ["queued", "running"].includes(this.#state.state)) {
      this.#timer = setTimeout(() => this.#ask(), document.hidden ? ASKED_HIDDEN_MS : ASKED_MS);
    }
  }

  #take(state) {
    const before = this.#state;
    this.#state = state;
    if (before && before.version !== state.version) this.#announce("fs-changed");
    this.#show();
    if (state.state === "done" && (!this.#report || before?.version !== state.version)) this.#loadReport();
  }

  async #loadReport() {
    const id = this.#id;
    try {
      const report = await answered(await fetch(addressOf(id, "report.json"), { cache: "no-cache" }));
      if (id !== this.#id) return;
      this.#report = report;
      this.#show();
    } catch (error) {
      if (id === this.#id) this.#tell(error.message);
    }
  }

  #show() {
    const { state, title, message } = this.#state;
    const going = state === "queued" || state === "running";
    document.title = `${title} – Fullscore`;
    this.#get("h2").textContent = title;
    this.#get(".cancel").hidden = !going;
    this.#get(".copy").hidden = false;
    this.#setText(".status", this.#status());
    if (state === "failed" || state === "stopped") this.#tell(message);
    this.#showStages(going);
    this.#showRemarks();
    this.#showViews();
    this.#showCorrections();
    this.#showFiles();
  }

  #status() {
    const { state, position, seconds, message } = this.#state;
    if (state === "queued") {
      const place = position === 1 ? "Next in the queue" : `Number ${position} in the queue`;
      return message ? `${place}. ${message}` : `${place}: it starts when there is room.`;
    }
    if (state === "running") return `Working on it for ${lasted(seconds)}. You can close this page: its link finds the result.`;
    if (state === "stopped") return "Stopped.";
    if (state === "failed") return "This didn't work.";
    if (!this.#report) return "Done.";
    const { key, time_signature: meter, tempo, bars, song } = this.#report;
    const facts = [signs(key), meter, `${Math.round(tempo)} beats a minute`, `${bars} bars`, clock(song.duration)];
    return [song.artist, ...facts].filter(Boolean).join(" · ");
  }

  #showStages(going) {
    const list = this.#get(".stages");
    list.hidden = !going && this.#state.state === "done";
    if (list.hidden) return;
    if (!list.children.length) {
      for (const [name, label] of Object.entries(STAGES)) {
        const item = document.createElement("li");
        item.dataset.stage = name;
        item.innerHTML = `<span class="name"></span><progress max="1" value="0"></progress><span class="left"></span><span class="doing"></span>`;
        item.querySelector(".name").textContent = label;
        item.querySelector("progress").setAttribute("aria-label", label);
        list.append(item);
      }
    }
    const known = new Map(this.#state.stages.map((stage) => [stage.name, stage]));
    for (const item of list.children) {
      const stage = known.get(item.dataset.stage);
      const share = stage?.share ?? 0;
      item.classList.toggle("waiting", !stage);
      item.querySelector("progress").value = share;
      item.querySelector(".doing").textContent = stage && share < 1 && going ? stage.message : "";
      let left = "";
      if (share >= 1) left = `took ${lasted(stage.seconds)}`;
      else if (stage?.left && going) left = `about ${lasted(stage.left)} left`;
      item.querySelector(".left").textContent = left;
    }
  }

  #showRemarks() {
    const { warnings } = this.#state;
    const remarks = this.#get(".remarks");
    remarks.hidden = !warnings.length;
    remarks.querySelector("summary").textContent = warnings.length === 1 ? "1 remark" : `${warnings.length} remarks`;
    remarks.querySelector("ul").replaceChildren(...warnings.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  }

  // Views

  #showViews() {
    const ready = VIEWS.filter((view) => view.ready(this.#state));
    this.#get(".work").hidden = !ready.length;
    const shown = ready.find((view) => view.name === this.#view) ?? ready[0];
    for (const view of VIEWS) {
      const tab = this.#get(`#fs-tab-${view.name}`);
      const panel = this.#get(`#fs-view-${view.name}`);
      const on = view === shown;
      tab.disabled = !ready.includes(view);
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      panel.hidden = !on;
      if (on && !panel.firstElementChild) {
        const element = document.createElement(view.element);
        element.setAttribute("song", this.#id);
        panel.append(element);
      }
    }
    this.#shown = shown?.name ?? "";
  }

  #choose(name) {
    this.#view = name;
    this.#showViews();
  }

  #step(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const ready = VIEWS.filter((view) => view.ready(this.#state));
    const at = ready.findIndex((view) => view.name === this.#shown);
    const next = ready[(at + by + ready.length) % ready.length];
    event.preventDefault();
    this.#choose(next.name);
    this.#get(`#fs-tab-${next.name}`).focus();
  }

  // Corrections

  #showCorrections() {
    const { state, corrections, can_undo: canUndo, can_redo: canRedo } = this.#state;
    const card = this.#get(".correct");
    card.hidden = state !== "done" || !this.#report;
    if (card.hidden) return;
    const report = this.#report;
    card.setAttribute("aria-busy", String(this.#busy));
    for (const control of card.querySelectorAll("button, select, input")) control.disabled = this.#busy;
    this.#get(".undo").disabled ||= !canUndo;
    this.#get(".redo").disabled ||= !canRedo;
    select(this.#get(".key"), report.key, signs(report.key));
    select(this.#get(".meter"), report.time_signature);
    const tempo = this.#get(".tempo");
    const pickUp = this.#get(".pick-up");
    if (document.activeElement !== tempo) tempo.value = Math.round(10 * report.tempo) / 10;
    if (document.activeElement !== pickUp) pickUp.value = corrections.pick_up ?? "";
    for (const reset of card.querySelectorAll(".reset")) reset.hidden = !(reset.dataset.of in corrections);
    const stems = [...new Set(report.parts ?? [])].filter((stem) => stem !== "drums");
    const part = this.#get(".part");
    if ([...part.options].map((each) => each.value).join() !== stems.join()) {
      part.replaceChildren(...stems.map((stem) => new Option(stem[0].toUpperCase() + stem.slice(1), stem)));
    }
    this.#get(".parts").hidden = !stems.length;
    const reading = (corrections.parts ?? []).find((each) => each.stem === part.value);
    this.#get(".clef").value = reading?.clef ?? "";
    this.#get(".octave").value = reading?.octave ?? "";
    const note = this.#note;
    this.#setText(".which", note ? `${pitchName(note.pitch)} in ${note.stem}, at ${clock(note.onset)}` : "Click a note to change it.");
    for (const button of this.querySelectorAll(".note button")) {
      button.disabled ||= !note || (note.stem === "drums" && "by" in button.dataset);
    }
  }

  #edit(edit) {
    this.#edits.push(edit);
    if (!this.#busy) this.#sendEdits();
  }

  async #sendEdits() {
    const id = this.#id;
    this.#busy = true;
    this.#say("Writing the score anew …", false);
    this.#showCorrections();
    let last = null;
    while (this.#edits.length && id === this.#id) {
      const edit = this.#edits.shift();
      try {
        const response = await fetch(addressOf(id, "corrections"), {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(edit),
        });
        const state = await answered(response);
        if (id !== this.#id) break;
        last = edit;
        this.#keepNote(edit);
        const unchanged = state.version === this.#state.version;
        this.#take(state);
        if (unchanged) this.#announce("fs-changed");
      } catch (error) {
        if (id !== this.#id) break;
        last = null;
        this.#edits = [];
        this.#say(error.message, false, true);
        this.#announce("fs-refused");
      }
    }
    this.#busy = false;
    if (id !== this.#id) return;
    if (last) this.#say(doneIn(last));
    this.#showCorrections();
  }

  #announce(name) {
    document.dispatchEvent(new CustomEvent(name, { detail: { song: this.#id } }));
  }

  // The selected note goes with its edit.
  #keepNote(edit) {
    const note = this.#note;
    if (edit.kind !== "note" || !note || note.onset !== edit.onset || note.stem !== edit.stem) this.#note = null;
    else this.#note = edit.to === null ? null : { ...note, pitch: edit.to };
  }

  #tap() {
    const now = performance.now();
    if (this.#taps.length && now - this.#taps.at(-1) > TAPPED_MS) this.#taps = [];
    this.#taps.push(now);
    clearTimeout(this.#tapping);
    const bpm = (60000 * (this.#taps.length - 1)) / (now - this.#taps[0]);
    const enough = this.#taps.length >= FEWEST_TAPS;
    this.#get(".tap").textContent = this.#taps.length > 1 ? `Tap ${Math.round(bpm)}` : "Tap on";
    this.#tapping = setTimeout(() => {
      this.#taps = [];
      this.#get(".tap").textContent = "Tap";
      if (enough) this.#edit({ kind: "tempo", value: Math.round(10 * bpm) / 10 });
      else this.#say(`Tap at least ${FEWEST_TAPS} beats.`);
    }, TAPPED_MS);
  }

  // Files

  #showFiles() {
    const card = this.#get(".home");
    card.hidden = this.#state.state !== "done";
    if (card.hidden) return;
    const all = this.#get(".all");
    all.href = addressOf(this.#id, "all.zip");
    all.setAttribute("download", "");
    const home = this.#state.home;
    const worded = !this.#report || this.#report.words.length > 0;
    const first = Object.keys(FILES)
      .filter((name) => worded || !WORDS.includes(name))
      .map((name) => home.find((file) => file.name === name))
      .filter(Boolean);
    this.#get(".files").replaceChildren(...first.map((file) => this.#file(file, ...FILES[file.name])));
    const rest = home.filter((file) => !(file.name in FILES));
    this.#get(".rest").replaceChildren(...rest.map((file) => this.#file(file, ...labelOf(file.name))));
  }

  #file({ name, as }, label, about) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = addressOf(this.#id, `files/${name.split("/").map(encodeURIComponent).join("/")}`);
    link.download = as;
    link.dataset.name = name;
    link.append(label, Object.assign(document.createElement("span"), { className: "quiet", textContent: about }));
    item.append(link);
    return item;
  }

  // What one reads and does

  #tell(message) {
    this.#setText(".trouble", message);
  }

  #say(message, goes = true, bad = false) {
    clearTimeout(this.#saying);
    this.#setText(".message", message);
    this.#get(".message").classList.toggle("error", bad);
    if (goes) this.#saying = setTimeout(() => this.#setText(".message", ""), SHOWN_MS);
  }

  // Only where it changes, lest a screen reader says it again and again.
  #setText(selector, text) {
    const element = this.#get(selector);
    if (element.textContent !== text) element.textContent = text;
  }

  #listen() {
    const on = (selector, event, action) => this.#get(selector).addEventListener(event, action);
    on(".tabs", "keydown", (event) => this.#step(event));
    on(".another", "click", () => go(""));
    on(".copy", "click", () => this.#copy());
    on(".cancel", "click", () => this.#cancel());
    on(".undo", "click", () => this.#edit({ kind: "undo" }));
    on(".redo", "click", () => this.#edit({ kind: "redo" }));
    on(".key", "change", (event) => this.#edit({ kind: "key", value: event.target.value || null }));
    on(".meter", "change", (event) => this.#edit({ kind: "meter", value: event.target.value || null }));
    for (const [selector, kind] of [[".tempo", "tempo"], [".pick-up", "pick_up"]]) {
      on(selector, "change", (event) => {
        const value = event.target.valueAsNumber;
        this.#edit({ kind, value: Number.isNaN(value) ? null : value });
      });
    }
    on(".half", "click", () => this.#edit({ kind: "tempo", factor: 0.5 }));
    on(".double", "click", () => this.#edit({ kind: "tempo", factor: 2 }));
    on(".tap", "click", () => this.#tap());
    for (const reset of this.querySelectorAll(".reset")) {
      reset.addEventListener("click", () => this.#edit({ kind: reset.dataset.of, value: null }));
    }
    on(".part", "change", () => this.#showCorrections());
    for (const selector of [".clef", ".octave"]) {
      on(selector, "change", () => {
        const octave = this.#get(".octave").value;
        this.#edit({
          kind: "part",
          stem: this.#get(".part").value,
          clef: this.#get(".clef").value || null,
          octave: octave === "" ? null : Number(octave),
        });
      });
    }
    on(".down", "click", () => this.#edit({ kind: "octave", stem: this.#get(".part").value, octaves: -1 }));
    on(".up", "click", () => this.#edit({ kind: "octave", stem: this.#get(".part").value, octaves: 1 }));
    for (const button of this.querySelectorAll("[data-by]")) {
      button.addEventListener("click", () => {
        const { stem, onset, pitch } = this.#note;
        this.#edit({ kind: "note", stem, onset, pitch, to: pitch + Number(button.dataset.by) });
      });
    }
    on(".note .delete", "click", () => {
      const { stem, onset, pitch } = this.#note;
      this.#edit({ kind: "note", stem, onset, pitch, to: null });
    });
    this.addEventListener("fs-edit", (event) => this.#edit(event.detail));
    this.addEventListener("fs-select", (event) => {
      this.#note = event.detail;
      this.#showCorrections();
    });
    this.addEventListener("keydown", (event) => {
      const typing = event.composedPath()[0].matches?.("input:not([type=range]), textarea, [contenteditable]");
      if (!(event.ctrlKey || event.metaKey) || typing || !this.#state) return;
      const redo = event.key === "y" || (event.key === "Z" && event.shiftKey);
      if (event.key !== "z" && !redo) return;
      event.preventDefault();
      if (redo ? this.#state.can_redo : this.#state.can_undo) this.#edit({ kind: redo ? "redo" : "undo" });
    });
  }

  async #cancel() {
    this.#get(".cancel").disabled = true;
    try {
      this.#take(await answered(await fetch(addressOf(this.#id, "cancel"), { method: "POST" })));
    } catch (error) {
      this.#tell(error.message);
    }
    this.#get(".cancel").disabled = false;
  }

  async #copy() {
    const button = this.#get(".copy");
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Copy it from the address bar"; // no clipboard without https
    }
    setTimeout(() => (button.textContent = "Copy the link"), SHOWN_MS);
  }
}

/** A key as musicians write it. */
function signs(key) {
  return (key ?? "").replace(/^([A-G])b/, "$1♭").replace(/^([A-G])#/, "$1♯");
}

function pitchName(pitch) {
  return `${PITCHES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
}

/** Seconds as one says them. */
function lasted(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  return whole < 90 ? `${whole} s` : `${Math.round(whole / 60)} min`;
}

function labelOf(name) {
  const [, stem] = name.match(/^stems\/(.*)\.flac$/) ?? [];
  if (stem) return [stem[0].toUpperCase() + stem.slice(1), "stem, FLAC"];
  const [, page] = name.match(/^score-0*(\d+)\.svg$/) ?? [];
  if (page) return [`Page ${page}`, "SVG"];
  if (name === "notes.json") return ["Notes", "JSON"];
  if (name === "report.json") return ["How it came about", "JSON"];
  return [name, ""];
}

function select(control, value, label = value) {
  if (![...control.options].some((option) => option.value === value)) control.append(new Option(label, value));
  control.value = value;
}

// Which song is open

function go(id) {
  const address = new URL(location.href);
  if (id) address.searchParams.set("song", id);
  else address.searchParams.delete("song");
  history.pushState(null, "", address);
  show();
}

function show() {
  const id = new URLSearchParams(location.search).get("song") ?? "";
  const song = document.querySelector("fs-song");
  song?.open(id);
  scrollTo(0, 0);
  if (id) song?.querySelector("h2").focus({ preventScroll: true });
}

addEventListener("popstate", show);
window.fullscore = {
  open: go,
  song: () => document.querySelector("fs-song")?.song ?? "",
};

// What may be handed in

function limits() {
  return document.getElementById("limits")?.dataset;
}

/** Say what is wrong with a file before it is uploaded; whether it can't be. */
function refused(file) {
  const told = document.getElementById("limits-told");
  if (!told || !file) return false;
  told.textContent = "";
  const { mb, minutes } = limits();
  if (file.size > mb * 1e6) {
    told.textContent = `“${file.name}” has ${Math.ceil(file.size / 1e6)} MB; at most ${mb} MB can be handed in.`;
    return true;
  }
  const address = URL.createObjectURL(file);
  const audio = new Audio();
  audio.preload = "metadata";
  audio.onloadedmetadata = () => {
    if (Number.isFinite(audio.duration) && audio.duration > 60 * minutes) {
      told.textContent = `“${file.name}” is ${Math.ceil(audio.duration / 60)} minutes long; at most ${minutes} minutes can be handed in.`;
    }
    URL.revokeObjectURL(address);
  };
  audio.onerror = () => URL.revokeObjectURL(address);
  audio.src = address;
  return false;
}

document.addEventListener(
  "change",
  (event) => {
    const input = event.target;
    if (!input.matches?.("#song input[type=file]") || !refused(input.files[0])) return;
    event.stopImmediatePropagation();
    input.value = "";
  },
  true,
);
document.addEventListener(
  "drop",
  (event) => {
    if (!event.target.closest?.("#song") || !refused(event.dataTransfer.files[0])) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  true,
);

customElements.define("fs-song", Song);
