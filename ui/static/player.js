// One clock for each song, over its recording, its stems and its score as sound.
//
// The server cuts every track into pieces of a few seconds (FLAC, all of the same length in samples). They are
// fetched a little ahead of the clock, only for the tracks that can be heard, and put on the clock of one
// AudioContext at the song's own sample rate: tracks keep together to the sample, a song of any length starts at
// once and takes the memory of some twenty seconds.
//
//     const player = playerOf(id);     await player.ready;
//     player.time  player.duration  player.playing  player.waiting  player.error  player.tracks
//     player.play()  pause()  toggle()  seek(seconds)  setLevel(name, 0..1)  mute(name, on?)  solo(name, on?)
//     events: "time" (each frame while playing, and at a seek), "state" (anything else that one may see)

const AHEAD_S = 8; // so much is fetched and scheduled ahead of the clock
const LEAD_S = 0.06; // between deciding to start and the first sample
const CHECK_MS = 500; // how often what comes next is looked after
const FADE_S = 0.015; // of a level that changes

const players = new Map();

/** The player of a song: the same one for every view of it. */
export function playerOf(id) {
  if (!players.has(id)) players.set(id, new Player(id));
  return players.get(id);
}

/** Where the server has what belongs to a song, wherever the page is mounted. */
export function addressOf(id, path) {
  return new URL(`../songs/${encodeURIComponent(id)}/${path}`, import.meta.url).href;
}

/** Seconds as people read them: 3:07. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export class Player extends EventTarget {
  #id;
  #context = null;
  #gains = new Map(); // name -> GainNode
  #pieces = new Map(); // "name/number" -> Promise of an AudioBuffer, null after its end
  #scheduled = new Map(); // "name/number" -> AudioBufferSourceNode, or null while it is fetched
  #position = 0; // seconds, while the clock stands
  #origin = 0; // the context's time at which the song's time 0 is, while it runs
  #run = 0; // counts starts and stops: what was awaited for an earlier one is dropped
  #timer = 0;
  #info = null;
  #failed = false; // whether that couldn't be loaded

  constructor(id) {
    super();
    this.#id = id;
    this.tracks = [];
    this.playing = false;
    this.waiting = false;
    this.error = "";
    this.#open();
    document.addEventListener("fs-changed", (event) => this.#changed(event));
  }

  get id() {
    return this.#id;
  }

  get duration() {
    return this.#info?.duration ?? 0;
  }

  /** The moment of the song that is heard now, in seconds. */
  get time() {
    if (!this.playing) return this.#position;
    const latency = this.#context.outputLatency || this.#context.baseLatency || 0;
    return Math.min(Math.max(this.#context.currentTime - latency - this.#origin, this.#position), this.duration);
  }

  async play() {
    if (this.playing || this.waiting) return;
    for (const other of players.values()) if (other !== this) other.pause();
    const run = ++this.#run;
    this.error = "";
    this.waiting = true;
    this.#tell("state");
    try {
      if (this.#failed) this.#open();
      await this.ready;
      if (run !== this.#run) return;
      for (const track of this.tracks) track.error = "";
      this.#context ??= new AudioContext({ sampleRate: this.#info.rate });
      await this.#context.resume();
      if (this.#position >= this.duration - 0.05) this.#position = 0;
      const first = this.#number(this.#position);
      await Promise.all(this.#audible().map((track) => this.#piece(track, first).catch(() => null)));
    } catch (error) {
      if (run === this.#run) this.#fail(error);
      return;
    }
    if (run !== this.#run) return;
    const rate = this.#info.rate;
    const start = Math.ceil((this.#context.currentTime + LEAD_S) * rate) / rate;
    this.#origin = start - Math.round(this.#position * rate) / rate;
    this.playing = true;
    this.waiting = false;
    this.#timer = setInterval(() => this.#fill(), CHECK_MS);
    this.#fill();
    this.#tell("state");
    const frame = () => {
      if (run !== this.#run) return;
      this.#tell("time");
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  pause() {
    if (!this.playing && !this.waiting) return;
    this.#stop();
    this.#tell("time");
    this.#tell("state");
  }

  toggle() {
    if (this.playing || this.waiting) this.pause();
    else this.play();
  }

  /** Go to a moment of the song; it plays on from there if it was playing. */
  seek(seconds) {
    const running = this.playing || this.waiting;
    this.#stop();
    this.#position = Math.min(Math.max(Number(seconds) || 0, 0), this.duration || Infinity);
    this.#tell("time");
    if (running) this.play();
  }

  setLevel(name, level) {
    this.#change(name, { level: Math.min(Math.max(level, 0), 1) });
  }

  mute(name, on = !this.#track(name)?.muted) {
    this.#change(name, { muted: on });
  }

  /** Hear only this track, and others that are soloed too; it is heard even where it is muted. */
  solo(name, on = !this.#track(name)?.soloed) {
    this.#change(name, { soloed: on });
  }

  #open() {
    this.#failed = false;
    this.ready = this.#load();
    this.ready.catch((error) => {
      this.#failed = true;
      this.error = error.message;
      this.#tell("state");
    });
  }

  async #load() {
    const answer = await fetch(addressOf(this.#id, "tracks.json"));
    if (!answer.ok) throw new Error("The sound of this song can't be had: load the page again.");
    const info = await answer.json();
    const known = new Map(this.tracks.map((track) => [track.name, track]));
    this.tracks = info.tracks.map((track) => ({
      level: 1,
      muted: track.name !== "song",
      soloed: false,
      ...known.get(track.name),
      ...track,
      error: "",
    }));
    this.#info = info;
    this.#tell("state");
  }

  #changed(event) {
    if (event.detail?.song && event.detail.song !== this.#id) return;
    // The score sounds otherwise now; what is scheduled of it is let go.
    for (const key of [...this.#pieces.keys()]) if (key.startsWith("score/")) this.#pieces.delete(key);
    for (const key of [...this.#scheduled.keys()]) if (key.startsWith("score/")) this.#unschedule(key);
    this.#open();
    this.ready.then(() => this.#fill(), () => {});
  }

  #track(name) {
    return this.tracks.find((track) => track.name === name);
  }

  #change(name, change) {
    const track = this.#track(name);
    if (!track) return;
    Object.assign(track, change);
    for (const each of this.tracks) {
      this.#gains.get(each.name)?.gain.setTargetAtTime(this.#gain(each), this.#context.currentTime, FADE_S);
    }
    this.#fill();
    this.#tell("state");
  }

  #heard(track) {
    return this.tracks.some((each) => each.soloed) ? track.soloed : !track.muted;
  }

  #gain(track) {
    return this.#heard(track) ? track.level ** 2 : 0; // squared: even steps of the slider sound even
  }

  #audible() {
    return this.tracks.filter((track) => this.#heard(track) && !track.error);
  }

  #number(seconds) {
    return Math.floor(seconds / this.#info.piece);
  }

  /** A piece of a track, decoded. */
  #piece(track, number) {
    const key = `${track.name}/${number}`;
    if (!this.#pieces.has(key)) {
      const load = async () => {
        const version = track.version ? `?v=${track.version}` : "";
        const answer = await fetch(addressOf(this.#id, `audio/${track.name}/${number}${version}`));
        if (answer.status === 404) return null; // it ends before the recording does
        if (!answer.ok) throw new Error(`${track.label} can't be played.`);
        return this.#context.decodeAudioData(await answer.arrayBuffer());
      };
      const piece = load();
      piece.catch((error) => {
        this.#pieces.delete(key);
        track.error = error.message;
        this.#tell("state");
      });
      this.#pieces.set(key, piece);
    }
    return this.#pieces.get(key);
  }

  /** Put what comes next on the clock, forget what is over, and stop at the end. */
  #fill() {
    if (!this.playing) return;
    const now = this.#context.currentTime - this.#origin;
    if (now >= this.duration) {
      this.#stop();
      this.#position = this.duration;
      this.#tell("time");
      this.#tell("state");
      return;
    }
    const first = this.#number(Math.max(now, 0));
    const last = this.#number(Math.min(now + AHEAD_S, this.duration - 0.001));
    for (const key of this.#pieces.keys()) {
      const number = Number(key.slice(key.lastIndexOf("/") + 1));
      if (number < first || number > last + 1) this.#pieces.delete(key);
    }
    for (const track of this.#audible()) {
      for (let number = first; number <= last; number++) this.#schedule(track, number);
    }
  }

  async #schedule(track, number) {
    const key = `${track.name}/${number}`;
    if (this.#scheduled.has(key)) return;
    this.#scheduled.set(key, null);
    const run = this.#run;
    let buffer;
    try {
      buffer = await this.#piece(track, number);
    } catch {
      return;
    }
    if (!buffer || run !== this.#run || this.#scheduled.get(key) !== null) return;
    const context = this.#context;
    const due = this.#origin + number * this.#info.piece;
    const rate = this.#info.rate;
    // A piece that should have begun already comes in where the others are now.
    const late = Math.ceil(Math.max(context.currentTime + 0.01 - due, this.#position + this.#origin - due, 0) * rate) / rate;
    if (late >= buffer.duration) return;
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(this.#output(track));
    source.start(due + late, late);
    source.onended = () => {
      if (this.#scheduled.get(key) === source) this.#scheduled.delete(key);
      source.disconnect();
    };
    this.#scheduled.set(key, source);
  }

  #output(track) {
    if (!this.#gains.has(track.name)) {
      const gain = new GainNode(this.#context, { gain: this.#gain(track) });
      gain.connect(this.#context.destination);
      this.#gains.set(track.name, gain);
    }
    return this.#gains.get(track.name);
  }

  #unschedule(key) {
    const source = this.#scheduled.get(key);
    if (source) {
      source.onended = null;
      source.stop();
      source.disconnect();
    }
    this.#scheduled.delete(key);
  }

  #stop() {
    this.#position = this.time;
    this.#run++;
    this.playing = false;
    this.waiting = false;
    clearInterval(this.#timer);
    for (const key of [...this.#scheduled.keys()]) this.#unschedule(key);
  }

  #fail(error) {
    this.#stop();
    this.error = error.message;
    this.#tell("state");
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}
