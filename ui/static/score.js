// <fs-score song="ID">: the engraved score, which follows the playback.
//
// Pages stand below each other and fill the width; larger notes are engraved anew in fewer bars a line. Sounding
// notes are lit and kept in sight; a click on a note seeks there and selects it, a click elsewhere in a bar
// seeks to the bar. Doubtful notes are tinted; each can be kept, moved or deleted, which goes out as `fs-edit`.
//
// Keys, while the pages have the focus: space plays and pauses, left and right go by bars, + and - zoom,
// N and P go to the next and the previous doubtful note.

import { addressOf, clock, playerOf } from "./player.js";
import { View, answered, icon, showPlaying, write } from "./look.js";

const ZOOMS = [0.5, 0.65, 0.8, 1, 1.25, 1.6, 2];
const NARROW = 600; // pixels of width below which notes begin a step smaller
const RESIZED = 0.06; // share of the width by which it has to change before the score is engraved anew
const SETTLED_MS = 250; // after the last change of the width
const FREE_MS = 4000; // so long after somebody scrolled the pages the playback doesn't
const MARGIN = 24; // pixels above a line that was scrolled to

const style = new CSSStyleSheet();
style.replaceSync(`
  .bar { padding-bottom: 8px; }
  .now { min-width: 11em; }
  details { position: relative; }
  summary { list-style: none; display: inline-flex; align-items: center; }
  summary::-webkit-details-marker { display: none; }
  summary::after { content: "▾"; margin-left: 6px; }
  .menu {
    position: absolute; z-index: 3; top: calc(100% + 4px); left: 0; min-width: 12em; margin: 0; padding: 6px 10px;
    border: 1px solid var(--line); border-radius: 8px; background: var(--ground); box-shadow: 0 6px 20px #0003;
  }
  .menu label { display: flex; align-items: center; gap: 8px; min-height: 34px; white-space: nowrap; }
  .doubts { padding-bottom: 8px; min-height: 44px; }
  .swatch { width: 0.8em; height: 0.8em; border-radius: 50%; background: #b45309; }
  .paper {
    position: relative; overflow-y: auto; overflow-x: hidden; min-height: 240px; max-height: min(78vh, 1000px);
    border: 1px solid var(--line); border-radius: 8px; background: #fdfcf9; color: #111; color-scheme: light;
    scrollbar-gutter: stable;
  }
  .paper[aria-busy="true"] .page { opacity: 0.5; }
  .page { display: block; width: 100%; border-bottom: 1px dashed #0002; }
  .page svg { display: block; width: 100%; height: auto; }
  .page g.note { cursor: pointer; }
  .page g.doubtful { fill: #b45309; color: #b45309; }
  .page g.lit { fill: #0b7a71; color: #0b7a71; }
  .page g.chosen { fill: #be185d; color: #be185d; }
  .cursor {
    position: absolute; z-index: 1; width: 18px; border-radius: 5px; background: #0b7a7133; pointer-events: none;
  }
  .cursor.still { display: none; }
  .empty { padding: 24px; }
  @media (max-width: 480px) { .paper { max-height: 64vh; } .now { min-width: 9.5em; } }
`);

const markup = `
  <div class="bar">
    <button class="main play" type="button"></button>
    <span class="now"></span>
    <span class="group">
      <button class="back" type="button" aria-label="Previous page">${icon("left")}</button>
      <span class="pages quiet"></span>
      <button class="on" type="button" aria-label="Next page">${icon("right")}</button>
    </span>
    <span class="group">
      <button class="smaller" type="button" aria-label="Smaller notes">${icon("minus")}</button>
      <span class="zoom quiet"></span>
      <button class="larger" type="button" aria-label="Larger notes">${icon("plus")}</button>
    </span>
    <label class="group">Read in <select class="transpose"></select></label>
    <details><summary>Parts</summary><fieldset class="menu"><legend class="quiet">Shown parts</legend></fieldset></details>
  </div>
  <div class="bar doubts" hidden>
    <span class="group">
      <button class="previous" type="button" aria-label="Previous doubtful note">${icon("left")}</button>
      <span class="swatch" aria-hidden="true"></span><span class="count"></span>
      <button class="next" type="button" aria-label="Next doubtful note">${icon("right")}</button>
    </span>
    <span class="chosen" role="status"></span>
    <span class="group edits" hidden>
      <button class="keep" type="button">Keep</button>
      <button class="lower" type="button" aria-label="A semitone lower">♭</button>
      <button class="higher" type="button" aria-label="A semitone higher">♯</button>
      <button class="delete" type="button">Delete</button>
    </span>
  </div>
  <p class="error" role="alert" hidden></p>
  <div class="paper" tabindex="0" role="region" aria-label="Score" aria-keyshortcuts="Space ArrowLeft ArrowRight + - N P"><div class="cursor still"></div></div>`;

const NAMES = { concert: "concert pitch", "B flat": "B♭", "E flat": "E♭", F: "F" };

class Score extends View {
  #player = null;
  #data = null;
  #request = 0;
  #engraved = 0; // pixels of width the pages are engraved for
  #zoom = -1; // in ZOOMS, once the width is known
  #parts = null; // stems of the shown parts; null: all
  #transpose = "concert";
  #notes = new Map(); // id -> the note's <g>
  #own = new Map(); // id -> what is known of the note it belongs to
  #measures = [];
  #lit = new Set();
  #chosen = null; // the first id of the selected note
  #last = null; // what was known of it, by which it is found in a score written anew
  #free = 0;
  #settled = 0;

  constructor() {
    super(style, markup);
    this.#listen();
  }

  connectedCallback() {
    this.ends = new AbortController();
    const { signal } = this.ends;
    document.addEventListener("fs-changed", (event) => this.#changed(event), { signal });
    document.addEventListener("fs-select", (event) => this.#selected(event), { signal });
    const sizes = new ResizeObserver(() => this.#resized());
    sizes.observe(this.get(".paper"));
    signal.addEventListener("abort", () => sizes.disconnect());
    this.#open();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearTimeout(this.#settled);
  }

  #open() {
    const id = this.getAttribute("song");
    this.#parts = this.#chosen = this.#last = this.#data = null;
    this.#engraved = 0;
    if (!id) return;
    this.#player = playerOf(id);
    const { signal } = this.ends;
    this.#player.addEventListener("time", () => this.#follow(), { signal });
    this.#player.addEventListener("state", () => this.#showState(), { signal });
    this.#showState();
    this.#load();
  }

  // What is shown

  async #load() {
    const request = ++this.#request;
    const paper = this.get(".paper");
    const width = paper.clientWidth;
    this.#engraved = width;
    if (!width) return; // not to be seen now: it is loaded when it gets a size
    if (this.#zoom < 0) this.#zoom = ZOOMS.indexOf(width < NARROW ? 0.8 : 1);
    paper.setAttribute("aria-busy", "true");
    const query = new URLSearchParams({ transpose: this.#transpose, width: Math.round(width / ZOOMS[this.#zoom]) });
    if (this.#parts) query.set("parts", this.#parts.join(","));
    try {
      const response = await fetch(addressOf(this.getAttribute("song"), `score.json?${query}`));
      const data = await answered(response);
      if (request === this.#request) this.#show(data);
    } catch (error) {
      if (request === this.#request) this.tell(error.message);
    }
    if (request === this.#request) paper.setAttribute("aria-busy", "false");
  }

  #show(data) {
    const paper = this.get(".paper");
    const top = this.#measures.findIndex((measure) => measure.getBoundingClientRect().bottom > paper.getBoundingClientRect().top + 1);
    this.tell("");
    for (const font of data.fonts) addFont(font);
    this.#data = data;
    this.#lit.clear();
    paper.querySelectorAll(".page").forEach((page) => page.remove());
    for (const [number, page] of data.pages.entries()) paper.append(pageOf(page, number + 1, data.pages.length));
    this.#notes = new Map([...paper.querySelectorAll("g.note[id]")].map((note) => [note.id, note]));
    this.#measures = [...paper.querySelectorAll("g.measure")];
    this.#own = new Map();
    for (const note of Object.values(data.notes)) for (const id of note.ids) this.#own.set(id, note);
    for (const id of data.uncertain) {
      for (const each of data.notes[id].ids) this.#notes.get(each)?.classList.add("doubtful");
    }
    this.#showParts();
    this.#showTransposition();
    this.get(".zoom").textContent = `${Math.round(100 * ZOOMS[this.#zoom])} %`;
    this.get(".smaller").disabled = this.#zoom === 0;
    this.get(".larger").disabled = this.#zoom === ZOOMS.length - 1;
    if (top > 0) this.#bring(this.#measures[top], "instant");
    this.#chosen = this.#last && this.#find(this.#last);
    this.#showChosen();
    this.#showPage();
    this.#follow();
    this.dispatchEvent(new CustomEvent("fs-shown", { bubbles: true, composed: true }));
  }

  #showParts() {
    const { parts } = this.#data;
    const menu = this.get(".menu");
    const boxes = () => [...menu.querySelectorAll("input")];
    // What is there stays, with the focus it may have.
    if (boxes().map((box) => box.value).join() !== parts.map((part) => part.stem).join()) {
      menu.querySelectorAll("label").forEach((label) => label.remove());
      for (const part of parts) {
        const label = document.createElement("label");
        const box = document.createElement("input");
        box.type = "checkbox";
        box.value = part.stem;
        label.append(box, part.name);
        menu.append(label);
      }
    }
    const shown = parts.filter((part) => part.shown).length;
    for (const [number, box] of boxes().entries()) {
      box.checked = parts[number].shown;
      box.disabled = parts[number].shown && shown === 1; // one at least
    }
    this.get("details").hidden = parts.length < 2;
  }

  #showTransposition() {
    const select = this.get(".transpose");
    if (!select.options.length) {
      select.append(...this.#data.transpositions.map((name) => new Option(NAMES[name] ?? name, name)));
    }
    select.value = this.#data.transpose;
  }

  #showState() {
    const player = this.#player;
    showPlaying(this.get(".play"), player);
    if (player.error) this.tell(player.error);
    this.#showTime();
  }

  #showTime() {
    const { time, duration } = this.#player;
    const bar = this.#bar(time);
    const where = bar < 0 ? "" : ` · bar ${this.#data.bars[bar].number}`;
    write(this.get(".now"), `${clock(time)} / ${clock(duration)}${where}`);
  }

  #showPage() {
    const pages = [...this.root.querySelectorAll(".page")];
    const number = this.#page();
    this.get(".pages").textContent = pages.length ? `${number + 1} of ${pages.length}` : "";
    this.get(".back").disabled = number <= 0 && this.get(".paper").scrollTop < 2;
    this.get(".on").disabled = number >= pages.length - 1;
  }

  // The page that fills the middle.
  #page() {
    const paper = this.get(".paper");
    const middle = paper.scrollTop + paper.clientHeight / 3;
    const pages = [...paper.querySelectorAll(".page")];
    return Math.max(0, pages.findLastIndex((page) => page.offsetTop <= middle));
  }

  // Following the playback

  #bar(time) {
    return this.#data ? this.#data.bars.findLastIndex((bar) => bar.start <= time + 0.001) : -1;
  }

  #follow() {
    this.#showTime();
    if (!this.#data) return;
    const { time, playing } = this.#player;
    const sounding = new Set();
    let last = null;
    for (const moment of this.#data.timemap) {
      if (moment.start > time + 0.001) break;
      if (moment.end <= time) continue;
      for (const id of moment.ids) sounding.add(id);
      if (!last || moment.start > last.start) last = moment;
    }
    for (const id of this.#lit) if (!sounding.has(id)) this.#notes.get(id)?.classList.remove("lit");
    let fresh = false;
    for (const id of sounding) {
      if (this.#lit.has(id)) continue;
      fresh = true;
      this.#notes.get(id)?.classList.add("lit");
    }
    this.#lit = sounding;
    const measure = this.#measures[this.#bar(time)];
    this.get(".cursor").classList.toggle("still", !last || !measure);
    if (!fresh || !last) return;
    const note = last.ids.map((id) => this.#notes.get(id)).find(Boolean);
    if (note) this.#point(note);
    if (playing && performance.now() > this.#free && note) this.#bring(note.closest("g.measure"));
  }

  // Put the cursor behind a note, as high as its line.
  #point(note) {
    const paper = this.get(".paper");
    const cursor = this.get(".cursor");
    const ground = paper.getBoundingClientRect();
    const line = (note.closest("g.system") ?? note).getBoundingClientRect();
    const head = (note.querySelector(".notehead") ?? note).getBoundingClientRect();
    cursor.style.left = `${head.left + head.width / 2 - ground.left - 10}px`;
    cursor.style.top = `${line.top - ground.top + paper.scrollTop}px`;
    cursor.style.height = `${line.height}px`;
  }

  // Scroll to the line of a bar, if it isn't in sight.
  #bring(measure, behavior = "smooth") {
    if (!measure) return;
    const paper = this.get(".paper");
    const ground = paper.getBoundingClientRect();
    const line = (measure.closest("g.system") ?? measure).getBoundingClientRect();
    const fits = line.top >= ground.top && line.bottom <= ground.bottom;
    if (fits || (line.height > ground.height && Math.abs(line.top - ground.top) < MARGIN + 2)) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    paper.scrollTo({ top: paper.scrollTop + line.top - ground.top - MARGIN, behavior: still ? "instant" : behavior });
  }

  // Doubtful notes

  #choose(id, bring = true) {
    this.#chosen = id;
    this.#last = this.#data.notes[id] ?? null;
    this.#showChosen();
    if (this.#last && bring) {
      this.#free = performance.now() + FREE_MS;
      this.#bring(this.#notes.get(id)?.closest("g.measure"));
      this.#player.seek(this.#last.start);
    }
    const { stem, onset, pitch } = this.#last ?? {};
    const detail = this.#last && { stem, onset, pitch };
    this.dispatchEvent(new CustomEvent("fs-select", { bubbles: true, composed: true, detail }));
  }

  // The first id of the written note that stands for a heard one.
  #find({ stem, onset, pitch }) {
    const same = (note) => note.stem === stem && note.pitch === pitch && Math.abs(note.onset - onset) < 0.001;
    return Object.values(this.#data.notes).find(same)?.ids[0] ?? null;
  }

  // A note was selected in another view.
  #selected(event) {
    if (!this.#data || event.target === this) return;
    this.#chosen = event.detail ? this.#find(event.detail) : null;
    this.#last = this.#data.notes[this.#chosen] ?? (event.detail && { ...event.detail, start: event.detail.onset });
    this.#showChosen();
    if (!this.#player.playing) this.#bring(this.#notes.get(this.#chosen)?.closest("g.measure"));
  }

  #step(by) {
    const { uncertain, notes } = this.#data;
    if (!uncertain.length) return;
    let to = uncertain.indexOf(this.#chosen) + by;
    if (!uncertain.includes(this.#chosen)) {
      const from = this.#last?.start ?? this.#player.time;
      const after = uncertain.findIndex((id) => notes[id].start >= from);
      to = (after < 0 ? uncertain.length : after) - (by < 0 ? 1 : 0);
    }
    this.#choose(uncertain[(to + uncertain.length) % uncertain.length]);
  }

  #showChosen() {
    const { uncertain, notes } = this.#data;
    this.root.querySelectorAll("g.chosen").forEach((note) => note.classList.remove("chosen"));
    const note = notes[this.#chosen];
    const at = uncertain.indexOf(this.#chosen);
    const many = `${uncertain.length} doubtful ${uncertain.length === 1 ? "note" : "notes"}`;
    this.get(".count").textContent = at < 0 ? many : `${at + 1} of ${many}`;
    for (const button of [".previous", ".next"]) this.get(button).disabled = !uncertain.length;
    this.get(".doubts").hidden = false;
    this.get(".edits").hidden = at < 0; // of any other note the page has the corrections
    this.get("span.chosen").textContent = note
      ? `Bar ${note.bar}, ${note.part}: ${note.name}, ${Math.round(100 * note.confidence)} % sure`
      : "";
    for (const id of note?.ids ?? []) this.#notes.get(id)?.classList.add("chosen");
    for (const button of [".lower", ".higher"]) this.get(button).hidden = note?.stem === "drums";
  }

  #edit(change) {
    const note = this.#data?.notes[this.#chosen];
    if (!note) return;
    const { stem, onset, pitch } = note;
    const detail = { kind: "note", stem, onset, pitch, to: change === null ? null : pitch + change };
    this.#last = { ...note, pitch: detail.to }; // as it is found in the score written anew
    this.dispatchEvent(new CustomEvent("fs-edit", { bubbles: true, composed: true, detail }));
  }

  #changed(event) {
    const song = event.detail?.song;
    if (!song || song === this.getAttribute("song")) this.#load();
  }

  // What one does

  #listen() {
    const on = (selector, event, action) => this.get(selector).addEventListener(event, action);
    on(".play", "click", () => this.#player?.toggle());
    on(".back", "click", () => this.#turn(-1));
    on(".on", "click", () => this.#turn(1));
    on(".smaller", "click", () => this.#resize(-1));
    on(".larger", "click", () => this.#resize(1));
    on(".previous", "click", () => this.#step(-1));
    on(".next", "click", () => this.#step(1));
    on(".keep", "click", () => this.#edit(0));
    on(".lower", "click", () => this.#edit(-1));
    on(".higher", "click", () => this.#edit(1));
    on(".delete", "click", () => this.#edit(null));
    on(".transpose", "change", (event) => {
      this.#transpose = event.target.value;
      this.#load();
    });
    on(".menu", "change", () => {
      this.#parts = [...this.root.querySelectorAll(".menu input:checked")].map((box) => box.value);
      this.#load();
    });
    on("details", "focusout", (event) => {
      const details = this.get("details");
      if (!details.contains(event.relatedTarget)) details.open = false;
    });
    on("details", "keydown", (event) => {
      if (event.key === "Escape") this.get("details").open = false;
    });
    on(".paper", "scroll", () => this.#showPage());
    for (const event of ["wheel", "touchmove"]) {
      this.get(".paper").addEventListener(event, () => (this.#free = performance.now() + FREE_MS), { passive: true });
    }
    on(".paper", "click", (event) => this.#clicked(event));
    on(".paper", "keydown", (event) => this.#pressed(event));
  }

  #clicked(event) {
    if (!this.#data) return;
    const head = event.target.closest("g.note[id]");
    const measure = event.target.closest("g.measure") ?? this.#measureAt(event.clientX, event.clientY);
    const moment = head && this.#data.timemap.find((each) => each.ids.includes(head.id));
    if (moment) {
      this.#player.seek(moment.start);
      this.#choose(this.#own.get(head.id)?.ids[0] ?? null, false);
    } else if (measure) {
      this.#player.seek(this.#data.bars[this.#measures.indexOf(measure)]?.start ?? 0);
    }
  }

  // The bar at a place between its notes, where nothing is drawn.
  #measureAt(x, y) {
    return this.#measures.find((measure) => {
      const box = measure.getBoundingClientRect();
      return box.left <= x && x <= box.right && box.top <= y && y <= box.bottom;
    });
  }

  #pressed(event) {
    if (!this.#data || event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      " ": () => this.#player.toggle(),
      ArrowRight: () => this.#goBars(1),
      ArrowLeft: () => this.#goBars(-1),
      "+": () => this.#resize(1),
      "-": () => this.#resize(-1),
      n: () => this.#step(1),
      p: () => this.#step(-1),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  #goBars(by) {
    const { bars } = this.#data;
    const at = this.#bar(this.#player.time);
    // Back goes to the beginning of the bar first, as players do.
    const early = by < 0 && at >= 0 && this.#player.time - bars[at].start > 0.4;
    const to = Math.min(Math.max(early ? at : at + by, 0), bars.length - 1);
    this.#player.seek(bars[to].start);
    this.#bring(this.#measures[to]);
  }

  #turn(by) {
    const paper = this.get(".paper");
    const page = paper.querySelectorAll(".page")[Math.max(this.#page() + by, 0)];
    this.#free = performance.now() + FREE_MS;
    if (page) paper.scrollTo({ top: page.offsetTop, behavior: "instant" });
  }

  #resize(by) {
    const zoom = Math.min(Math.max(this.#zoom + by, 0), ZOOMS.length - 1);
    if (zoom === this.#zoom) return;
    this.#zoom = zoom;
    this.#load();
  }

  #resized() {
    clearTimeout(this.#settled);
    const width = this.get(".paper").clientWidth;
    if (!width || Math.abs(width - this.#engraved) <= RESIZED * this.#engraved) return;
    if (this.#engraved) this.#settled = setTimeout(() => this.#load(), SETTLED_MS);
    else this.#load();
  }
}

function pageOf(svg, number, count) {
  const page = document.createElement("div");
  page.className = "page";
  page.setAttribute("role", "img");
  page.setAttribute("aria-label", `Page ${number} of ${count}`);
  page.append(document.importNode(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement, true));
  return page;
}

const fonts = new Set();

// Fonts of music signs within text; those in a shadow tree don't count, so they are the document's.
function addFont({ family, source }) {
  if (fonts.has(family)) return;
  fonts.add(family);
  document.fonts.add(new FontFace(family, `url(${source})`));
}

customElements.define("fs-score", Score);
