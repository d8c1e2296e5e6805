// <fs-roll song="ID">: the notes heard in a stem, over its sound, in time with the playback.
//
// The picture of the sound has a row for each third of a semitone, so it lies under the notes as they are pitched;
// drums have lanes instead. A click seeks; a click on a note selects it, and it can be kept, moved by semitones or
// deleted, which goes out as `fs-edit`. It is shown so at once; further edits wait until the document's
// `fs-changed`, or `fs-refused`, tells that it was made, or wasn't.
//
// Only what is visible is drawn: the ground (sound, beats, notes) when the view or the notes change, what moves
// with the playback on a canvas above it at each frame.
//
// Keys, while the roll has the focus: space plays and pauses, left and right go by bars, N and P select the next and
// the previous note, up and down move it by a semitone, Delete deletes it, + and - zoom.

import { addressOf, clock, playerOf } from "./player.js";
import { View, answered, icon, showPlaying } from "./look.js";

const TIME_ZOOMS = [4, 8, 16, 32, 64, 128, 256]; // pixels a second
const PITCH_ZOOMS = [1, 1.5, 2, 3]; // times the height at which all rows fit
const [LOWEST_ROW, HIGHEST_ROW, HIGHEST_LANE] = [8, 22, 150]; // pixels
const [AROUND, FEWEST_ROWS] = [4, 25]; // semitones beyond the notes, and of the least range
const [KEYS, LANES, RULER] = [40, 108, 22]; // pixels
const SLOP = 6; // pixels beside a note that still mean it
const GATHERED_MS = 350; // in which steps of a note make one edit
const FREE_MS = 4000; // so long after somebody scrolled the playback doesn't
const AHEAD = 0.9; // of the width: where the playhead gets to before the view goes on
const BEHIND = 0.08; // and where it is then
const SAME_ONSET_S = 0.001;
const BLACK = new Set([1, 3, 6, 8, 10]);
const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];

const style = new CSSStyleSheet();
style.replaceSync(`
  .bar { padding-bottom: 8px; }
  .now { min-width: 10.5em; }
  .chosen { flex: 1 1 14em; }
  .view {
    position: relative; overflow: auto; height: min(58vh, 540px); min-height: 300px; overscroll-behavior-x: contain;
    border: 1px solid var(--line); border-radius: 8px; background: var(--ground);
  }
  .stage { position: sticky; top: 0; left: 0; overflow: hidden; touch-action: pan-x pan-y; }
  canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
  .hint { margin: 6px 0 0; font-size: 13px; }
  @media (max-width: 600px) {
    .now { min-width: 9.5em; }
    .chosen { min-height: 2.8em; }
    .hint { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  }
`);

const markup = `
  <div class="bar">
    <button class="main play" type="button"></button>
    <span class="now"></span>
    <label class="group">Stem <select class="stem"></select></label>
    <button class="solo" type="button">Solo</button>
    <span class="group">Time
      <button class="shorter" type="button" aria-label="Show more time">${icon("minus")}</button>
      <button class="longer" type="button" aria-label="Show less time, larger">${icon("plus")}</button>
    </span>
    <span class="group">Pitch
      <button class="flatter" type="button" aria-label="Show more pitches">${icon("minus")}</button>
      <button class="taller" type="button" aria-label="Show fewer pitches, larger">${icon("plus")}</button>
    </span>
  </div>
  <div class="bar">
    <span class="group">
      <button class="previous" type="button" aria-label="Previous note">${icon("left")}</button>
      <button class="next" type="button" aria-label="Next note">${icon("right")}</button>
    </span>
    <span class="group">
      <button class="lower" type="button" aria-label="A semitone lower">♭</button>
      <button class="higher" type="button" aria-label="A semitone higher">♯</button>
      <button class="keep" type="button">Keep</button>
      <button class="delete" type="button">Delete</button>
    </span>
    <span class="chosen" role="status"></span>
    <label class="group over"><input class="sound" type="checkbox" checked> Spectrogram</label>
  </div>
  <p class="error" role="alert" hidden></p>
  <div class="view" tabindex="0" role="group" aria-label="Piano roll" aria-describedby="hint">
    <div class="space"><div class="stage"><canvas class="ground"></canvas><canvas class="moving"></canvas></div></div>
  </div>
  <p class="hint quiet" id="hint">Space plays, ← and → go by bars, N and P choose notes, ↑ and ↓ move the chosen one by
    semitones, Delete deletes it, + and − zoom.</p>`;

class Roll extends View {
  #player = null;
  #data = null;
  #bars = []; // of { time, number }
  #longest = 0; // seconds of the longest note
  #picture = null; // of the stem's sound: an ImageBitmap
  #strips = new Map(); // "strip/level" -> that piece of it as a canvas, in the colour of #ink
  #ink = "";
  #request = 0;
  #stem = null;
  #chosen = null; // one of the notes
  #wanted = null; // { onset, pitch } of the note to select when the notes are there
  #edits = []; // that are shown but not sent yet
  #sent = false; // one of which nothing has come back yet
  #gathering = 0;
  #time = 4; // in TIME_ZOOMS
  #pitch = 0; // in PITCH_ZOOMS
  #plan = null; // where everything lies, while it can be seen
  #placed = false; // whether the view was scrolled to the notes
  #shades = null; // the colours of the last ground: asking for them takes time
  #frame = 0;
  #free = 0;
  #steered = 0; // how far the roll itself scrolled last

  constructor() {
    super(style, markup);
    this.#listen();
  }

  connectedCallback() {
    this.ends = new AbortController();
    const { signal } = this.ends;
    document.addEventListener("fs-changed", (event) => this.#changed(event), { signal });
    document.addEventListener("fs-refused", (event) => this.#changed(event, true), { signal });
    document.addEventListener("fs-select", (event) => this.#selected(event), { signal });
    const sizes = new ResizeObserver(() => this.#layOut());
    sizes.observe(this.get(".view"));
    const themes = new MutationObserver(() => this.#draw());
    for (const holder of [document.documentElement, document.body]) {
      themes.observe(holder, { attributeFilter: ["class", "style", "data-theme"] });
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw(), { signal });
    signal.addEventListener("abort", () => {
      sizes.disconnect();
      themes.disconnect();
    });
    this.#open();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#gathering);
    this.#frame = this.#gathering = 0;
  }

  // What is shown

  #open() {
    const id = this.getAttribute("song");
    this.#data = this.#picture = this.#stem = this.#chosen = this.#wanted = this.#plan = null;
    this.#edits = [];
    this.#sent = false;
    this.#request++;
    if (!id) return;
    this.#player = playerOf(id);
    const { signal } = this.ends;
    this.#player.addEventListener("time", () => this.#follow(), { signal });
    this.#player.addEventListener("state", () => this.#showState(), { signal });
    this.#player.ready.then(
      () => this.#showStems(),
      (error) => this.tell(error.message),
    );
    this.#showState();
  }

  #showStems() {
    if (this.ends.signal.aborted) return;
    const tracks = this.#player.tracks.filter(({ name }) => name !== "song" && name !== "score");
    const stems = tracks.length ? tracks : [{ name: "mix", label: "Recording" }];
    const names = stems.map(({ name }) => name);
    const select = this.get(".stem");
    if (names.join() !== [...select.options].map((option) => option.value).join()) {
      select.replaceChildren(...stems.map(({ name, label }) => new Option(label, name)));
    }
    if (!names.includes(this.#stem)) this.#turnTo(names.includes("vocals") ? "vocals" : names[0]);
    select.value = this.#stem;
  }

  #turnTo(stem) {
    const alone = this.#track()?.soloed;
    if (alone) this.#player.solo(this.#stem, false);
    this.#stem = stem;
    if (alone) this.#player.solo(stem, true);
    this.get(".stem").value = stem;
    this.#data = this.#picture = this.#chosen = this.#plan = null;
    this.#placed = false;
    this.#strips.clear();
    this.#showChosen();
    this.#showState();
    this.#load();
    this.#paint();
  }

  async #load() {
    const request = ++this.#request;
    const view = this.get(".view");
    view.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(addressOf(this.getAttribute("song"), `roll/${this.#stem}.json`));
      const data = await answered(response);
      if (request === this.#request) this.#show(data);
    } catch (error) {
      if (request === this.#request) this.tell(error.message);
    }
    if (request === this.#request) view.setAttribute("aria-busy", "false");
  }

  // The sound never changes, so it is fetched once for a stem; without it there are the notes.
  async #paint() {
    const stem = this.#stem;
    try {
      const response = await fetch(addressOf(this.getAttribute("song"), `spectrogram/${stem}.png`));
      if (!response.ok) return;
      const picture = await createImageBitmap(await response.blob());
      if (stem !== this.#stem) return;
      this.#picture = picture;
      this.#strips.clear();
      this.#draw();
    } catch {
      // It stays without.
    }
  }

  #show(data) {
    const chosen = this.#wanted ?? this.#chosen;
    const others = this.#chosen ? this.#data.notes.filter((note) => note !== this.#chosen) : [];
    this.tell(data.notes.length ? "" : "No notes were heard in this stem.");
    this.#data = data;
    this.#bars = barsOf(data.beats);
    this.#wanted = null;
    for (const edit of this.#edits) if (edit.stem === data.stem) this.#apply(edit);
    this.#chosen = chosen && this.#found(chosen, others);
    this.#layOut();
    this.#showChosen();
    this.#showTime();
    this.get(".view").dataset.notes = data.notes.length;
    this.dispatchEvent(new CustomEvent("fs-shown", { bubbles: true, composed: true }));
  }

  // The note that begins then: of this pitch, or else what it became, which isn't one of the others there were.
  #found({ onset, pitch }, others = []) {
    const isThen = (note) => Math.abs(note.onset - onset) < SAME_ONSET_S;
    const there = this.#data.notes.filter(isThen);
    const taken = new Set(others.filter(isThen).map((note) => note.pitch));
    return there.find((note) => note.pitch === pitch) ?? there.find((note) => !taken.has(note.pitch)) ?? null;
  }

  #changed(event, refused = false) {
    const song = event.detail?.song;
    if (song && song !== this.getAttribute("song")) return;
    if (refused) this.#edits = [];
    this.#sent = false;
    this.#send();
    if (this.#stem) this.#load();
    this.#player?.ready.then(() => this.#showStems(), () => {});
  }

  // A note selected in another view.
  #selected(event) {
    if (event.target === this || event.target.getAttribute?.("song") !== this.getAttribute("song")) return;
    if (!event.detail) return this.#choose(null, false);
    const { stem, onset, pitch } = event.detail;
    if (this.#data?.stem === stem) return this.#choose(this.#found({ onset, pitch }), false);
    if (this.#stem && [...this.get(".stem").options].some((option) => option.value === stem)) {
      this.#wanted = { onset, pitch };
      if (stem !== this.#stem) this.#turnTo(stem);
    }
  }

  #track() {
    return this.#player?.tracks.find(({ name }) => name === this.#stem);
  }

  #showState() {
    const player = this.#player;
    showPlaying(this.get(".play"), player);
    if (player.error) this.tell(player.error);
    const solo = this.get(".solo");
    solo.hidden = !this.#track();
    solo.setAttribute("aria-pressed", String(Boolean(this.#track()?.soloed)));
    solo.setAttribute("aria-label", `Solo ${this.#track()?.label ?? ""}`);
    this.#showTime();
  }

  #showTime() {
    const { time, duration } = this.#player;
    const bar = this.#barAt(time);
    const text = `${clock(time)} / ${clock(duration)}${bar ? ` · bar ${bar.number}` : ""}`;
    const now = this.get(".now");
    if (now.textContent !== text) now.textContent = text;
  }

  #barAt(time) {
    return this.#bars.findLast((bar) => bar.time <= time + 0.001);
  }

  #name(pitch) {
    const lane = this.#data.lanes?.find((each) => each.pitch === pitch);
    return lane ? lane.name : `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
  }

  #showChosen(message = "") {
    const note = this.#chosen;
    let text = message || (this.#data?.notes.length ? `${this.#data.notes.length} notes` : "");
    if (note && !message) {
      const bar = this.#barAt(note.onset);
      const where = bar ? `Bar ${bar.number}` : clock(note.onset);
      const long = `${(note.offset - note.onset).toFixed(2)} s`;
      text = `${where}: ${this.#name(note.pitch)}, ${long}, velocity ${note.velocity}, ${Math.round(100 * note.confidence)} % sure`;
    }
    this.get(".chosen").textContent = text;
    this.get(".delete").disabled = !note;
    this.get(".keep").disabled = !note?.uncertain;
    for (const button of [".lower", ".higher"]) this.get(button).disabled = !note || Boolean(this.#data.lanes);
    for (const button of [".previous", ".next"]) this.get(button).disabled = !this.#data?.notes.length;
  }

  // Where it lies

  #layOut() {
    const view = this.get(".view");
    const [width, height] = [view.clientWidth, view.clientHeight];
    const before = this.#plan;
    if (!width || !this.#data) {
      this.#plan = null; // not to be seen: nothing is drawn
      return;
    }
    const { notes, lanes, duration } = this.#data;
    let [low, high] = [0, 0];
    if (!lanes) {
      low = notes.reduce((least, { pitch }) => Math.min(least, pitch), notes.length ? 127 : 60) - AROUND;
      high = notes.reduce((most, { pitch }) => Math.max(most, pitch), notes.length ? 0 : 60) + AROUND;
      const more = Math.max(0, FEWEST_ROWS - (high - low + 1));
      low = Math.max(0, low - Math.ceil(more / 2));
      high = Math.min(127, high + Math.floor(more / 2));
    }
    const rows = lanes ? Math.max(lanes.length, 1) : high - low + 1;
    const fits = (height - RULER) / rows;
    const row = Math.min(Math.max(fits, LOWEST_ROW), lanes ? HIGHEST_LANE : HIGHEST_ROW) * PITCH_ZOOMS[this.#pitch];
    const keys = lanes ? LANES : KEYS;
    const scale = TIME_ZOOMS[this.#time];
    this.#plan = { width, height, keys, scale, row, rows, low, high };
    this.#longest = notes.reduce((most, note) => Math.max(most, note.offset - note.onset), 0);
    const space = this.get(".space");
    space.style.width = `${Math.max(keys + duration * scale + 24, width)}px`;
    space.style.height = `${Math.max(RULER + rows * row, height)}px`;
    const stage = this.get(".stage");
    stage.style.width = `${width}px`;
    stage.style.height = `${height}px`;
    const dots = window.devicePixelRatio || 1;
    for (const canvas of this.root.querySelectorAll("canvas")) {
      const [wide, tall] = [Math.round(width * dots), Math.round(height * dots)];
      if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
    }
    const at = (index, zooms) => [index === 0, index === zooms.length - 1];
    [this.get(".shorter").disabled, this.get(".longer").disabled] = at(this.#time, TIME_ZOOMS);
    [this.get(".flatter").disabled, this.get(".taller").disabled] = at(this.#pitch, PITCH_ZOOMS);
    if (before && high !== before.high && !lanes) view.scrollTop += (high - before.high) * row;
    if (!this.#placed) this.#centre();
    if (!this.#placed && this.#chosen) this.#bring(this.#chosen);
    this.#placed = true;
    this.#draw();
    if (!before) this.#follow();
  }

  #x(time) {
    return this.#plan.keys + time * this.#plan.scale - this.get(".view").scrollLeft;
  }

  // The top of a pitch's row.
  #y(pitch) {
    const { lanes } = this.#data;
    const row = lanes ? lanes.length - 1 - lanes.findIndex((lane) => lane.pitch === pitch) : this.#plan.high - pitch;
    return RULER + row * this.#plan.row - this.get(".view").scrollTop;
  }

  // Notes that are at least partly between two moments.
  #between(start, end) {
    const { notes } = this.#data;
    const found = [];
    for (let at = firstFrom(notes, start - this.#longest); at < notes.length && notes[at].onset < end; at++) {
      if (notes[at].offset > start) found.push(notes[at]);
    }
    return found;
  }

  // Show the middle of the notes where not all rows fit.
  #centre() {
    const view = this.get(".view");
    const pitches = this.#data.notes.map((note) => note.pitch).sort((a, b) => a - b);
    if (!this.#plan || !pitches.length) return;
    const middle = this.#y(pitches[pitches.length >> 1]) + view.scrollTop;
    this.#steer({ top: middle - this.#plan.height / 2 });
  }

  #steer(to) {
    this.#steered = performance.now();
    this.get(".view").scrollTo({ ...to, behavior: "instant" });
    this.#draw();
  }

  // Scroll to a note, if it isn't in sight.
  #bring(note) {
    if (!this.#plan) return;
    const view = this.get(".view");
    const { keys, width, height, row } = this.#plan;
    const [x, y] = [this.#x(note.onset), this.#y(note.pitch)];
    const to = {};
    if (x < keys || x > width - 40) to.left = view.scrollLeft + x - keys - (width - keys) / 3;
    if (y < RULER || y + row > height) to.top = view.scrollTop + y - height / 2;
    if (Object.keys(to).length) this.#steer(to);
  }

  // Drawing

  #draw() {
    if (!this.#frame) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.#drawGround();
        this.#drawMoving();
      });
    }
  }

  // The page's colours, as a canvas understands them.
  #colours() {
    const probe = this.get(".hint");
    const found = {};
    for (const name of ["accent", "text", "quiet", "ground", "line"]) {
      probe.style.color = `var(--${name})`;
      found[name] = getComputedStyle(probe).color;
    }
    probe.style.color = "";
    return found;
  }

  #begin(selector) {
    const canvas = this.get(selector);
    const context = canvas.getContext("2d");
    const dots = window.devicePixelRatio || 1;
    context.setTransform(dots, 0, 0, dots, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    return context;
  }

  #drawGround() {
    if (!this.#plan || !this.#data) return;
    const { width, height, keys, scale } = this.#plan;
    const context = this.#begin(".ground");
    const colours = (this.#shades = this.#colours());
    const start = (this.get(".view").scrollLeft - SLOP) / scale;
    const end = start + (width - keys + 2 * SLOP) / scale;
    context.save();
    context.beginPath();
    context.rect(keys, RULER, width - keys, height - RULER);
    context.clip();
    this.#drawRows(context, colours);
    if (this.get(".sound").checked) this.#drawSound(context, colours, start, end);
    this.#drawBeats(context, colours, start, end);
    const notes = this.#between(start, end);
    this.#drawNotes(context, colours, notes);
    context.restore();
    this.#drawRuler(context, colours, start, end);
    this.#drawKeys(context, colours);
    this.get(".view").dataset.drawn = notes.length;
  }

  #drawRows(context, colours) {
    const { width, keys, row, low, high } = this.#plan;
    context.fillStyle = colours.text;
    for (let pitch = low; !this.#data.lanes && pitch <= high; pitch++) {
      context.globalAlpha = BLACK.has(pitch % 12) ? 0.05 : 0;
      context.fillRect(keys, this.#y(pitch), width, row);
      context.globalAlpha = pitch % 12 === 0 ? 0.16 : 0;
      context.fillRect(keys, this.#y(pitch) + row - 0.5, width, 1);
    }
    for (const lane of this.#data.lanes ?? []) {
      context.globalAlpha = 0.1;
      context.fillRect(keys, this.#y(lane.pitch) + row - 0.5, width, 1);
    }
    context.globalAlpha = 1;
  }

  #drawSound(context, colours, start, end) {
    if (!this.#picture) return;
    const { scale, row, rows, high } = this.#plan;
    const { spectrogram, lanes } = this.#data;
    const { rate, strip, lowest, highest } = spectrogram;
    if (this.#ink !== colours.text) {
      this.#ink = colours.text;
      this.#strips.clear();
    }
    const top = lanes ? RULER - this.get(".view").scrollTop : this.#y(high) + (high - highest) * row;
    const tall = lanes ? rows * row : (highest - lowest + 1) * row;
    const level = Math.max(0, Math.min(4, Math.floor(Math.log2(rate / scale))));
    const count = Math.ceil(spectrogram.columns / strip);
    context.globalAlpha = 0.62;
    // Column c is painted around the moment c / rate.
    for (let number = Math.max(0, Math.floor((start * rate) / strip)); number < count; number++) {
      const from = (number * strip - 0.5) / rate;
      if (from > end) break;
      const piece = this.#strip(number, level);
      const share = piece.width / piece.columns;
      const first = Math.max(0, Math.floor((start - from) * rate * share) - 1);
      const last = Math.min(piece.width, Math.ceil((end - from) * rate * share) + 1);
      if (last <= first) continue;
      const x = this.#x(from + first / share / rate);
      const wide = ((last - first) / share / rate) * scale;
      context.drawImage(piece, first, 0, last - first, piece.height, x, top, wide, tall);
    }
    context.globalAlpha = 1;
  }

  // A strip of the picture in the ink's colour; each level has half the columns of the one before.
  #strip(number, level) {
    const key = `${number}/${level}`;
    if (!this.#strips.has(key)) {
      const { strip, lowest, highest, bins } = this.#data.spectrogram;
      const before = level ? this.#strip(number, level - 1) : this.#picture;
      const tall = (highest - lowest + 1) * bins;
      const canvas = document.createElement("canvas");
      canvas.columns = Math.min(strip, this.#picture.width);
      canvas.width = Math.ceil(canvas.columns / 2 ** level);
      canvas.height = tall;
      const context = canvas.getContext("2d");
      const top = level ? 0 : number * tall;
      context.drawImage(before, 0, top, before.width, tall, 0, 0, canvas.width, tall);
      context.globalCompositeOperation = "source-in";
      context.fillStyle = this.#ink;
      if (!level) context.fillRect(0, 0, canvas.width, tall);
      this.#strips.set(key, canvas);
    }
    return this.#strips.get(key);
  }

  #drawBeats(context, colours, start, end) {
    const { times, numbers } = this.#data.beats ?? { times: [], numbers: [] };
    const { height, scale } = this.#plan;
    if (times.length < 2) return;
    const apart = ((times.at(-1) - times[0]) / (times.length - 1)) * scale;
    context.fillStyle = colours.text;
    for (const [at, time] of times.entries()) {
      if (time < start || time > end) continue;
      const bar = numbers[at] === 1;
      if (!bar && apart < 10) continue;
      context.globalAlpha = bar ? Math.min(0.45, apart / 16) : 0.15;
      context.fillRect(Math.round(this.#x(time)) - 0.5, RULER, 1, height);
    }
    context.globalAlpha = 1;
  }

  #drawNotes(context, colours, notes) {
    const { scale, row } = this.#plan;
    for (const note of notes) {
      const [x, y, wide, tall] = this.#box(note);
      const chosen = note === this.#chosen;
      const bent = note.bends.length > 1 && row >= 7 && scale >= 16;
      context.beginPath();
      context.roundRect(x, y, wide, tall, Math.min(3, wide / 2, tall / 2));
      // A ground of its own keeps a light note apart from the sound below it.
      context.fillStyle = colours.ground;
      context.globalAlpha = note.uncertain ? 0.75 : 1;
      context.fill();
      context.fillStyle = chosen ? colours.text : colours.accent;
      context.globalAlpha = note.uncertain ? 0.3 : bent ? 0.72 : 0.92;
      context.fill();
      context.globalAlpha = 1;
      if (wide < 4 && !chosen) continue; // nothing would be left of it within a frame
      context.lineWidth = chosen ? 2 : 1;
      context.strokeStyle = chosen || !note.uncertain ? (chosen ? colours.text : colours.ground) : colours.accent;
      context.stroke();
      if (bent) this.#drawBends(context, colours, note);
    }
  }

  // How the pitch moves within a note.
  #drawBends(context, colours, note) {
    const { row } = this.#plan;
    const middle = this.#y(note.pitch) + row / 2;
    const step = (note.offset - note.onset) / (note.bends.length - 1);
    context.beginPath();
    for (const [at, bend] of note.bends.entries()) context.lineTo(this.#x(note.onset + at * step), middle - bend * row);
    context.strokeStyle = colours.ground;
    context.lineWidth = 3.5;
    context.globalAlpha = 0.8;
    context.stroke();
    context.strokeStyle = colours.text;
    context.lineWidth = 1.5;
    context.globalAlpha = 1;
    context.stroke();
  }

  #box(note) {
    const { scale, row } = this.#plan;
    const gap = row > 12 ? row * 0.12 : 0.5;
    return [this.#x(note.onset), this.#y(note.pitch) + gap, Math.max((note.offset - note.onset) * scale, 2), row - 2 * gap];
  }

  #drawRuler(context, colours, start, end) {
    const { width, keys, scale } = this.#plan;
    context.fillStyle = colours.ground;
    context.fillRect(0, 0, width, RULER);
    context.fillStyle = colours.text;
    context.globalAlpha = 0.06;
    context.fillRect(0, 0, width, RULER);
    context.globalAlpha = 1;
    context.fillStyle = colours.quiet;
    let last = -Infinity;
    const marks = this.#bars.length
      ? this.#bars.map((bar) => [bar.time, String(bar.number)])
      : Array.from({ length: Math.ceil(this.#data.duration / 5) }, (_, at) => [5 * at, clock(5 * at)]);
    const apart = 34;
    // Numbers stand at the same bars wherever the view is.
    const every = marks.length > 1 ? (((marks.at(-1)[0] - marks[0][0]) / (marks.length - 1)) * scale) : apart;
    const step = [1, 2, 4, 8, 16, 32, 64, 128].find((each) => each * every >= apart) ?? 256;
    for (const [at, [time, text]] of marks.entries()) {
      const x = this.#x(time);
      if (time < start - 4 || time > end || x < keys - 2 || at % step || x - last < apart / 2) continue;
      context.fillText(text, x + 4, RULER / 2);
      context.fillRect(Math.round(x) - 0.5, RULER - 6, 1, 6);
      last = x;
    }
  }

  #drawKeys(context, colours) {
    const { keys, height, row, low, high } = this.#plan;
    context.save();
    context.beginPath();
    context.rect(0, RULER, keys, height - RULER);
    context.clip();
    context.fillStyle = colours.ground;
    context.fillRect(0, RULER, keys, height);
    if (this.#data.lanes) {
      context.fillStyle = colours.text;
      for (const { pitch, name } of this.#data.lanes) {
        context.fillText(name, 8, this.#y(pitch) + row / 2, keys - 14);
      }
    } else {
      for (let pitch = low; pitch <= high; pitch++) {
        const y = this.#y(pitch);
        if (y + row < RULER || y > height) continue;
        context.fillStyle = BLACK.has(pitch % 12) ? "#23272b" : "#fbfaf7";
        context.fillRect(0, y, keys, row);
        // White keys meet between E and F, and between B and C.
        if (!BLACK.has(pitch % 12)) {
          context.fillStyle = "#0003";
          if ([0, 5].includes(pitch % 12)) context.fillRect(0, y + row - 0.5, keys, 1);
        }
      }
      context.fillStyle = "#45494e";
      for (let pitch = Math.ceil(low / 12) * 12; pitch <= high; pitch += 12) {
        context.fillText(this.#name(pitch), keys - 22, this.#y(pitch) + row / 2);
      }
    }
    context.restore();
    context.fillStyle = colours.line;
    context.fillRect(keys - 1, RULER, 1, height);
    context.fillRect(0, RULER - 1, this.#plan.width, 1);
  }

  #drawMoving() {
    if (!this.#plan || !this.#data) return;
    const { keys, width, height, row } = this.#plan;
    const { time } = this.#player;
    const context = this.#begin(".moving");
    const { accent, text, ground } = this.#shades ?? this.#colours();
    const sounding = this.#player.playing || time > 0 ? this.#between(time, time + 0.001) : [];
    context.fillStyle = accent;
    if (!this.#data.lanes) {
      context.globalAlpha = 0.55;
      for (const note of sounding) {
        const y = Math.max(this.#y(note.pitch), RULER);
        context.fillRect(0, y, keys - 1, this.#y(note.pitch) + row - y);
      }
      context.globalAlpha = 1;
    }
    context.beginPath();
    context.rect(keys, 0, width - keys, height);
    context.clip();
    context.strokeStyle = text;
    context.lineWidth = 2;
    for (const note of sounding) {
      const [x, y, wide, tall] = this.#box(note);
      if (y + tall < RULER) continue;
      context.strokeRect(x, Math.max(y, RULER), wide, tall - Math.max(0, RULER - y));
    }
    const x = Math.round(this.#x(time));
    context.fillStyle = ground;
    context.fillRect(x - 2, RULER, 4, height);
    context.fillStyle = accent;
    context.fillRect(x - 1, RULER - 8, 2, height);
    context.beginPath();
    context.moveTo(x - 6, RULER - 12);
    context.lineTo(x + 6, RULER - 12);
    context.lineTo(x, RULER - 2);
    context.fill();
  }

  #follow() {
    this.#showTime();
    if (!this.#plan || !this.#data) return;
    const view = this.get(".view");
    const { keys, width, scale } = this.#plan;
    const { time, playing } = this.#player;
    const room = width - keys;
    const place = (this.#x(time) - keys) / room;
    const gone = playing ? place > AHEAD || place < 0 : place > 1 || place < 0;
    if (gone && performance.now() > this.#free && view.scrollLeft !== time * scale - BEHIND * room) {
      this.#steer({ left: time * scale - BEHIND * room });
    }
    this.#drawMoving();
    view.dataset.time = time.toFixed(2);
  }

  // What one does

  // Select a note, or none; what is done here goes to its moment and is told to the other views.
  #choose(note, seek = true) {
    this.#chosen = note;
    this.#showChosen();
    this.#draw();
    if (note) this.#bring(note);
    if (!seek) return;
    if (note) this.#player.seek(note.onset);
    const detail = note && { stem: this.#data.stem, onset: note.onset, pitch: note.pitch };
    this.dispatchEvent(new CustomEvent("fs-select", { bubbles: true, composed: true, detail }));
  }

  #step(by) {
    const notes = this.#data?.notes ?? [];
    if (!notes.length) return;
    let at = notes.indexOf(this.#chosen);
    if (at >= 0) at += by;
    else at = firstFrom(notes, this.#player.time) - (by < 0 ? 1 : 0);
    this.#choose(notes[(at + notes.length) % notes.length]);
  }

  #edit(change) {
    const note = this.#chosen;
    if (!note || (change && this.#data.lanes)) return;
    const { onset, pitch } = note;
    const to = change === null ? null : pitch + change;
    if (to !== null && (to < 0 || to > 127)) return;
    if (change && this.#data.notes.some((each) => each.pitch === to && Math.abs(each.onset - onset) < SAME_ONSET_S)) {
      this.#showChosen(`${this.#name(to)} is there already`);
      return;
    }
    const edit = { kind: "note", stem: this.#data.stem, onset, pitch, to };
    const before = this.#edits.at(-1);
    if (before?.stem === edit.stem && before.onset === onset && before.to === pitch) before.to = to;
    else this.#edits.push(edit);
    this.#apply(edit);
    if (to === null) this.#chosen = null;
    this.#layOut();
    if (this.#chosen) this.#bring(note);
    this.#showChosen(to === null ? `${this.#name(pitch)} is deleted` : "");
    clearTimeout(this.#gathering);
    this.#gathering = setTimeout(() => {
      this.#gathering = 0;
      this.#send();
    }, GATHERED_MS);
  }

  // Show an edit before it is made.
  #apply({ onset, pitch, to }) {
    const at = this.#data.notes.findIndex((note) => note.pitch === pitch && Math.abs(note.onset - onset) < SAME_ONSET_S);
    if (at < 0) return;
    if (to === null) this.#data.notes.splice(at, 1);
    else Object.assign(this.#data.notes[at], { pitch: to, confidence: 1, uncertain: false });
  }

  // The next edit, unless one is on its way or a note is still being moved.
  #send() {
    if (this.#sent || this.#gathering || !this.#edits.length) return;
    this.#sent = true;
    const detail = this.#edits.shift();
    this.dispatchEvent(new CustomEvent("fs-edit", { bubbles: true, composed: true, detail }));
  }

  #zoom(by, x = null) {
    const view = this.get(".view");
    const to = Math.min(Math.max(this.#time + by, 0), TIME_ZOOMS.length - 1);
    if (to === this.#time || !this.#plan) return;
    const { keys, width, scale } = this.#plan;
    const playhead = this.#x(this.#player.time);
    const seen = playhead >= keys && playhead <= width;
    const held = x ?? (seen ? playhead : (keys + width) / 2); // this place stays where it is
    const time = (view.scrollLeft + held - keys) / scale;
    this.#time = to;
    this.#layOut();
    this.#steer({ left: time * TIME_ZOOMS[to] - held + keys });
  }

  #grow(by) {
    const view = this.get(".view");
    const to = Math.min(Math.max(this.#pitch + by, 0), PITCH_ZOOMS.length - 1);
    if (to === this.#pitch || !this.#plan) return;
    const { height, row } = this.#plan;
    const half = (height - RULER) / 2;
    const middle = (view.scrollTop + half) / row;
    this.#pitch = to;
    this.#layOut();
    this.#steer({ top: middle * this.#plan.row - half });
  }

  #goBars(by) {
    const { time } = this.#player;
    if (!this.#bars.length) return this.#player.seek(time + 2 * by);
    const at = this.#bars.findLastIndex((bar) => bar.time <= time + 0.001);
    // Back goes to the beginning of the bar first, as players do.
    const early = by < 0 && at >= 0 && time - this.#bars[at].time > 0.4;
    const to = Math.min(Math.max(early ? at : at + by, 0), this.#bars.length - 1);
    this.#player.seek(this.#bars[to].time);
  }

  // The note at a place of the stage.
  #noteAt(x, y) {
    const { keys, scale } = this.#plan;
    if (x < keys || y < RULER) return null;
    const time = (this.get(".view").scrollLeft + x - keys) / scale;
    let [best, least] = [null, Infinity];
    for (const note of this.#between(time - SLOP / scale, time + SLOP / scale)) {
      const [left, top, wide, tall] = this.#box(note);
      const away = beyond(x, left, left + wide) + 2 * beyond(y, top, top + tall);
      if (beyond(y, top, top + tall) <= SLOP && away <= least) [best, least] = [note, away];
    }
    return best;
  }

  #listen() {
    const on = (selector, event, action, more) => this.get(selector).addEventListener(event, action, more);
    on(".play", "click", () => this.#player?.toggle());
    on(".stem", "change", (event) => this.#turnTo(event.target.value));
    on(".solo", "click", () => this.#player.solo(this.#stem));
    on(".shorter", "click", () => this.#zoom(-1));
    on(".longer", "click", () => this.#zoom(1));
    on(".flatter", "click", () => this.#grow(-1));
    on(".taller", "click", () => this.#grow(1));
    on(".sound", "change", () => this.#draw());
    on(".previous", "click", () => this.#step(-1));
    on(".next", "click", () => this.#step(1));
    on(".keep", "click", () => this.#edit(0));
    on(".lower", "click", () => this.#edit(-1));
    on(".higher", "click", () => this.#edit(1));
    on(".delete", "click", () => this.#edit(null));
    on(".view", "scroll", () => {
      if (performance.now() - this.#steered > 100) this.#free = performance.now() + FREE_MS;
      this.#draw();
    });
    on(".view", "wheel", (event) => this.#wheeled(event), { passive: false });
    on(".view", "keydown", (event) => this.#pressed(event));
    on(".stage", "click", (event) => this.#clicked(event));
    on(".stage", "pointermove", (event) => {
      if (!this.#plan) return;
      const place = this.#place(event);
      this.get(".stage").style.cursor = place.x > this.#plan.keys && this.#noteAt(place.x, place.y) ? "pointer" : "";
    });
  }

  #place(event) {
    const stage = this.get(".stage").getBoundingClientRect();
    return { x: event.clientX - stage.left, y: event.clientY - stage.top };
  }

  #clicked(event) {
    if (!this.#data || !this.#plan) return;
    const { x, y } = this.#place(event);
    if (x < this.#plan.keys) return;
    const note = this.#noteAt(x, y);
    this.#choose(note);
    if (!note) this.#player.seek((this.get(".view").scrollLeft + x - this.#plan.keys) / this.#plan.scale);
  }

  #wheeled(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    this.#zoom(event.deltaY < 0 ? 1 : -1, this.#place(event).x);
  }

  #pressed(event) {
    if (!this.#data || event.ctrlKey || event.metaKey || event.altKey) return;
    const chosen = this.#chosen;
    const actions = {
      " ": () => this.#player.toggle(),
      ArrowRight: () => this.#goBars(1),
      ArrowLeft: () => this.#goBars(-1),
      n: () => this.#step(1),
      p: () => this.#step(-1),
      "+": () => this.#zoom(1),
      "-": () => this.#zoom(-1),
      ...(chosen && {
        ArrowUp: () => this.#edit(1),
        ArrowDown: () => this.#edit(-1),
        Delete: () => this.#edit(null),
        Backspace: () => this.#edit(null),
        Escape: () => this.#choose(null),
      }),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

/** The bars of counted beats; one that isn't whole at the beginning is bar 0, as in the score. */
function barsOf(beats) {
  const bars = [];
  for (const [at, time] of (beats?.times ?? []).entries()) {
    if (at === 0 && beats.numbers[0] !== 1) bars.push({ time: Math.max(time, 0), number: 0 });
    else if (beats.numbers[at] === 1) bars.push({ time: Math.max(time, 0), number: bars.length ? bars.at(-1).number + 1 : 1 });
  }
  return bars;
}

/** The index of the first note that begins at a moment or later. */
function firstFrom(notes, time) {
  let [low, high] = [0, notes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (notes[middle].onset < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How far a place is beyond a range. */
function beyond(place, from, to) {
  return Math.max(from - place, place - to, 0);
}

customElements.define("fs-roll", Roll);
