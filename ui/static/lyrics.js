// <fs-lyrics song="ID">: the words, followed by the playback, and the sheet they can be edited in.
//
// A click on a word, or on a line's time, seeks there. The sheet has one sung line a row and a blank row before
// each section. Saving it, or having all of it aligned to the voice again, goes out as `fs-edit`; the document's
// `fs-changed` brings what became of it, `fs-refused` leaves the sheet as it is.

import { addressOf, clock, playerOf } from "./player.js";
import { View, answered, showPlaying, write } from "./look.js";

const FREE_MS = 4000; // so long after somebody scrolled the lines the playback doesn't

const style = new CSSStyleSheet();
style.replaceSync(`
  .bar { padding-bottom: 8px; }
  .now { min-width: 7em; }
  .lines {
    overflow-y: auto; overscroll-behavior: contain; max-height: max(58vh, 300px); margin: 0;
    padding: 12px 8px; border: 1px solid var(--line); border-radius: 8px; background: var(--ground); position: relative;
  }
  ol { list-style: none; margin: 0 0 18px; padding: 0; }
  li {
    display: grid; grid-template-columns: 4.2em 1fr; gap: 8px; align-items: baseline; padding: 1px 8px 1px 2px;
    border-left: 4px solid transparent; border-radius: 4px;
  }
  li[aria-current] { background: var(--raised); border-left-color: var(--accent); }
  li p { margin: 0; padding: 3px 0; font-size: 18px; line-height: 1.5; overflow-wrap: anywhere; }
  li button { border: 0; background: none; color: var(--quiet); font-size: 14px; padding: 0 6px; }
  li button:hover { color: var(--accent); text-decoration: underline; }
  .word { cursor: pointer; border-radius: 4px; padding: 1px 2px; margin: 0 -2px; }
  .word:hover { text-decoration: underline; text-decoration-color: var(--accent); text-underline-offset: 4px; }
  .word.sung { background: var(--accent); color: var(--on-accent); }
  .sheet { display: grid; gap: 8px; }
  .sheet label { font-weight: 600; }
  .sheet p { margin: 0; font-size: 14px; }
  textarea {
    width: 100%; height: min(46vh, 420px); min-height: 220px; padding: 10px 12px; resize: vertical; border: 1px solid var(--line);
    border-radius: 8px; background: var(--ground); color: inherit; font: 17px/1.5 system-ui, sans-serif;
  }
  button.accent { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
`);

const markup = `
  <div class="bar reading">
    <button class="main play" type="button"></button>
    <span class="now"></span>
    <button class="edit" type="button">Edit the words</button>
  </div>
  <p class="error" role="alert" hidden></p>
  <div class="lines reading" tabindex="0" role="region" aria-label="Lyrics"></div>
  <form class="sheet" hidden>
    <label for="text">The words</label>
    <p class="quiet" id="how">One sung line a row; a blank row where a section begins. Words that were there keep their times
      when they are saved; new ones are looked for in the voice.</p>
    <textarea id="text" aria-describedby="how" placeholder="Paste the lyrics here" autocapitalize="sentences"></textarea>
    <div class="bar">
      <button class="accent save" type="submit">Save</button>
      <button class="again" type="button">Align all again</button>
      <button class="cancel" type="button">Cancel</button>
      <span class="told quiet" role="status"></span>
    </div>
  </form>`;

class Words extends View {
  #player = null;
  #data = null;
  #lines = []; // of { onset, offset, item, words: [{ onset, offset, span }] }
  #line = null; // that is sung now
  #word = null;
  #request = 0;
  #editing = false;
  #sent = null; // the text that was sent and not answered yet
  #free = 0;

  constructor() {
    super(style, markup);
    this.#listen();
  }

  connectedCallback() {
    this.ends = new AbortController();
    const { signal } = this.ends;
    document.addEventListener("fs-changed", (event) => this.#changed(event), { signal });
    document.addEventListener("fs-refused", (event) => this.#refused(event), { signal });
    const id = this.getAttribute("song");
    this.#data = this.#sent = null;
    this.#edit(false);
    if (!id) return;
    this.#player = playerOf(id);
    this.#player.addEventListener("time", () => this.#follow(), { signal });
    this.#player.addEventListener("state", () => this.#showState(), { signal });
    this.#showState();
    this.#load();
  }

  // The words

  async #load() {
    const request = ++this.#request;
    try {
      const response = await fetch(addressOf(this.getAttribute("song"), "lyrics.json"));
      const data = await answered(response);
      if (request === this.#request) this.#show(data);
    } catch (error) {
      if (request === this.#request) this.tell(error.message);
    }
  }

  #show(data) {
    this.tell("");
    this.#data = data;
    this.#line = this.#word = null;
    this.#lines = [];
    const lists = [];
    for (const line of data.lines) {
      if (line.starts_section || !lists.length) lists.push(document.createElement("ol"));
      const shown = this.#shown(line);
      this.#lines.push(shown);
      lists.at(-1).append(shown.item);
    }
    const empty = document.createElement("p");
    empty.className = "quiet";
    empty.textContent = "No words are known of this song. Paste them, and they are looked for in the voice.";
    this.get(".lines").lang = data.language;
    this.get(".lines").replaceChildren(...(lists.length ? lists : [empty]));
    this.get(".edit").textContent = lists.length ? "Edit the words" : "Write the words";
    this.#follow();
    this.dispatchEvent(new CustomEvent("fs-shown", { bubbles: true, composed: true }));
  }

  #shown(line) {
    const item = document.createElement("li");
    const time = document.createElement("button");
    time.type = "button";
    time.textContent = clock(line.onset);
    const text = document.createElement("p");
    const words = line.words.map(({ text: word, onset, offset, space }) => {
      const span = document.createElement("span");
      span.className = "word";
      span.textContent = word;
      span.addEventListener("click", () => this.#player.seek(onset));
      text.append(span, space ? " " : "");
      return { onset, offset, span };
    });
    time.setAttribute("aria-label", `Go to ${clock(line.onset)}, ${line.words[0].text}`);
    time.addEventListener("click", () => this.#player.seek(line.onset));
    item.append(time, text);
    return { onset: line.onset, offset: line.offset, item, words };
  }

  #showState() {
    showPlaying(this.get(".play"), this.#player);
    if (this.#player.error) this.tell(this.#player.error);
    this.#showTime();
  }

  #showTime() {
    const { time, duration } = this.#player;
    write(this.get(".now"), `${clock(time)} / ${clock(duration)}`);
  }

  // Lines and words are lit while they are sung.
  #follow() {
    this.#showTime();
    const { time, playing } = this.#player;
    const sung = (each) => each.onset <= time + 0.001 && time < each.offset;
    const line = this.#lines.findLast(sung) ?? null;
    const word = line?.words.findLast(sung) ?? null;
    if (line !== this.#line) {
      this.#line?.item.removeAttribute("aria-current");
      line?.item.setAttribute("aria-current", "true");
      this.#line = line;
      if (line && (!playing || performance.now() > this.#free)) this.#bring(line.item);
    }
    if (word !== this.#word) {
      this.#word?.span.classList.remove("sung");
      word?.span.classList.add("sung");
      this.#word = word;
    }
  }

  // Scroll to a line, if it isn't in sight.
  #bring(item) {
    const holder = this.get(".lines");
    const [place, ground] = [item.getBoundingClientRect(), holder.getBoundingClientRect()];
    if (!ground.height || (place.top >= ground.top && place.bottom <= ground.bottom)) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    holder.scrollTo({ top: holder.scrollTop + place.top - ground.top - ground.height / 4, behavior: still ? "instant" : "smooth" });
  }

  // The sheet

  #edit(on) {
    this.#editing = on;
    this.get(".sheet").hidden = !on;
    for (const part of this.root.querySelectorAll(".reading")) part.hidden = on;
    this.#wait(false);
  }

  #open() {
    const there = Boolean(this.#data?.lines.length);
    this.get("textarea").value = this.#data?.text ?? "";
    this.get(".save").textContent = there ? "Save" : "Align";
    this.get(".again").hidden = !there;
    this.#edit(true);
    this.get("textarea").focus();
    this.get("textarea").setSelectionRange(0, 0);
    this.get("textarea").scrollTop = 0;
  }

  #close() {
    this.#edit(false);
    this.get(".edit").focus();
  }

  #send(again) {
    if (this.#sent !== null) return;
    const text = this.get("textarea").value;
    if (text === this.#data?.text && !again) return this.#close();
    this.#sent = text;
    this.#wait(true, again ? "Aligning the words …" : "Saving the words …");
    const detail = { kind: "words", text, again };
    this.dispatchEvent(new CustomEvent("fs-edit", { bubbles: true, composed: true, detail }));
  }

  #wait(on, message = "") {
    if (!on) this.#sent = null;
    this.get(".sheet").setAttribute("aria-busy", String(on));
    for (const control of this.root.querySelectorAll(".sheet button")) control.disabled = on;
    this.get("textarea").readOnly = on;
    this.get(".told").textContent = message;
  }

  #isMine(event) {
    const song = event.detail?.song;
    return !song || song === this.getAttribute("song");
  }

  // What is being written stays, whatever else is corrected meanwhile.
  #changed(event) {
    if (!this.#isMine(event)) return;
    if (this.#sent !== null) this.#close();
    this.#load();
  }

  #refused(event) {
    if (this.#isMine(event) && this.#sent !== null) this.#wait(false, "The words are as they were.");
  }

  // What one does

  #listen() {
    const on = (selector, event, action, more) => this.get(selector).addEventListener(event, action, more);
    on(".play", "click", () => this.#player?.toggle());
    on(".edit", "click", () => this.#open());
    on(".cancel", "click", () => this.#close());
    on(".again", "click", () => this.#send(true));
    on(".sheet", "submit", (event) => {
      event.preventDefault();
      this.#send(false);
    });
    on(".sheet", "keydown", (event) => {
      if (event.key === "Escape" && this.#sent === null) this.#close();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#send(false);
    });
    on(".lines", "keydown", (event) => {
      if (event.key !== " " || event.target !== this.get(".lines")) return;
      event.preventDefault();
      this.#player.toggle();
    });
    for (const event of ["wheel", "touchmove"]) {
      on(".lines", event, () => (this.#free = performance.now() + FREE_MS), { passive: true });
    }
  }
}

customElements.define("fs-lyrics", Words);
