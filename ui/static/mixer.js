// <fs-mixer song="ID">: what is heard of a song: its recording, each stem, and the score as sound.
//
// Every track has a level, mute and solo. At first only the recording is heard; the others are muted.

import { clock, playerOf } from "./player.js";
import { View, showPlaying, write } from "./look.js";

const style = new CSSStyleSheet();
style.replaceSync(`
  .transport { flex-wrap: nowrap; padding-bottom: 10px; }
  .transport .now { white-space: nowrap; }
  ul { list-style: none; margin: 0; padding: 0; }
  li {
    display: grid; grid-template-columns: minmax(7em, 12em) 1fr auto auto; align-items: center; gap: 4px 12px;
    padding: 6px 0; border-top: 1px solid var(--line);
  }
  li.silent .name, li.silent input { opacity: 0.75; }
  .mute[aria-pressed="true"] { background: var(--quiet); border-color: var(--quiet); color: var(--ground); }
  .hint { margin: 8px 0 0; font-size: 14px; }
  li .error { grid-column: 1 / -1; margin: 0; }
  @media (max-width: 480px) {
    li { grid-template-columns: 1fr auto auto; }
    li input { grid-column: 1 / -1; grid-row: 2; }
  }
`);

const markup = `
  <div class="bar transport">
    <button class="main play" type="button"></button>
    <input class="place" type="range" min="0" max="1" step="0.01" value="0" aria-label="Place in the song">
    <span class="now"></span>
  </div>
  <ul aria-label="Tracks"></ul>
  <p class="quiet hint">Solo plays tracks alone, muted ones too. The stems together are the recording.</p>
  <p class="error" role="alert" hidden></p>`;

class Mixer extends View {
  #player = null;
  #rows = new Map(); // name -> its <li>

  constructor() {
    super(style, markup);
    this.get(".play").addEventListener("click", () => this.#player?.toggle());
    this.get(".place").addEventListener("input", (event) => this.#player?.seek(event.target.valueAsNumber));
  }

  connectedCallback() {
    const id = this.getAttribute("song");
    if (!id) return;
    this.ends = new AbortController();
    const { signal } = this.ends;
    this.#player = playerOf(id);
    this.#player.addEventListener("time", () => this.#showTime(), { signal });
    this.#player.addEventListener("state", () => this.#show(), { signal });
    this.#show();
  }

  #show() {
    const { tracks, error } = this.#player;
    showPlaying(this.get(".play"), this.#player);
    this.tell(error);
    const names = tracks.map((track) => track.name);
    if (names.join() !== [...this.#rows.keys()].join()) this.#build(tracks);
    const soloed = tracks.some((track) => track.soloed);
    for (const track of tracks) {
      const row = this.#rows.get(track.name);
      row.classList.toggle("silent", soloed ? !track.soloed : track.muted);
      const level = row.querySelector("input");
      level.value = track.level;
      level.setAttribute("aria-valuetext", `${Math.round(100 * track.level)} %`);
      row.querySelector(".mute").setAttribute("aria-pressed", String(track.muted));
      row.querySelector(".solo").setAttribute("aria-pressed", String(track.soloed));
      row.querySelector(".error").textContent = track.error;
      row.querySelector(".error").hidden = !track.error;
    }
    this.#showTime();
  }

  #build(tracks) {
    this.#rows.clear();
    for (const { name, label } of tracks) {
      const row = document.createElement("li");
      row.innerHTML = `<span class="name"></span>
        <input type="range" min="0" max="1" step="0.01">
        <button class="mute" type="button">Mute</button><button class="solo" type="button">Solo</button>
        <p class="error" hidden></p>`;
      row.querySelector(".name").textContent = label;
      const level = row.querySelector("input");
      level.setAttribute("aria-label", `Level of ${label}`);
      level.addEventListener("input", () => this.#player.setLevel(name, level.valueAsNumber));
      for (const action of ["mute", "solo"]) {
        const button = row.querySelector(`.${action}`);
        button.setAttribute("aria-label", `${button.textContent} ${label}`);
        button.addEventListener("click", () => this.#player[action](name));
      }
      this.#rows.set(name, row);
    }
    this.get("ul").replaceChildren(...this.#rows.values());
  }

  #showTime() {
    const { time, duration } = this.#player;
    const place = this.get(".place");
    place.max = duration || 1;
    place.value = time;
    const now = clock(time);
    if (place.getAttribute("aria-valuetext") !== now) place.setAttribute("aria-valuetext", now);
    write(this.get(".now"), `${now} / ${clock(duration)}`);
  }
}

customElements.define("fs-mixer", Mixer);
