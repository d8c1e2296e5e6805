// What the views of a song have in common: their upkeep, their look in the page's colours, small parts of their markup.
//
// The page defines the custom properties (page.css); what follows the comma holds where a view stands alone.

export const look = new CSSStyleSheet();
look.replaceSync(`
  :host {
    --accent: var(--fs-accent, #0f766e);
    --text: var(--fs-text, CanvasText);
    --quiet: var(--fs-quiet, color-mix(in srgb, var(--text) 70%, transparent));
    --ground: var(--fs-ground, Canvas);
    --raised: var(--fs-raised, color-mix(in srgb, var(--text) 7%, var(--ground)));
    --line: var(--fs-line, color-mix(in srgb, var(--text) 22%, transparent));
    --on-accent: var(--fs-on-accent, #fff);
    display: block;
    color: var(--text);
    font: 15px/1.4 system-ui, sans-serif;
    font-variant-numeric: tabular-nums;
  }
  * { box-sizing: border-box; }
  [hidden] { display: none !important; }
  .bar { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; }
  .group { display: inline-flex; align-items: center; gap: 4px; }
  button, select, summary {
    min-height: 36px;
    padding: 4px 10px;
    border: 1px solid var(--line);
    border-radius: 8px;
    background: var(--raised);
    color: inherit;
    font: inherit;
    cursor: pointer;
  }
  button { display: inline-flex; align-items: center; justify-content: center; gap: 6px; min-width: 36px; }
  button:hover:not(:disabled), select:hover, summary:hover { border-color: var(--accent); }
  button:disabled { opacity: 0.45; cursor: default; }
  button[aria-pressed="true"], button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
  button.main { flex: none; border-radius: 50%; width: 44px; height: 44px; padding: 0; }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  input[type="range"], input[type="checkbox"] { accent-color: var(--accent); }
  input[type="range"] { width: 100%; min-width: 0; height: 24px; margin: 0; }
  svg.icon { width: 18px; height: 18px; fill: currentColor; flex: none; }
  .quiet { color: var(--quiet); }
  .error { color: var(--fs-error, #b91c1c); }
  @media (prefers-color-scheme: dark) { .error { color: var(--fs-error, #fca5a5); } }
`);

const ICONS = {
  play: "M6 4l14 8-14 8z",
  pause: "M6 4h4v16H6zM14 4h4v16h-4z",
  left: "M15 4l-8 8 8 8 1.6-1.6L10.200 12l6.400-6.400z",
  right: "M9 4l8 8-8 8-1.600-1.600L13.800 12 7.400 5.600z",
  plus: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
  minus: "M5 11h14v2H5z",
};

/** An icon as markup; its button says in words what it does. */
export function icon(name) {
  return `<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
}

/** Show on a button whether it would play or pause. */
export function showPlaying(button, player) {
  const on = player.playing || player.waiting;
  button.setAttribute("aria-label", on ? "Pause" : "Play");
  button.setAttribute("aria-busy", String(player.waiting));
  const shown = on ? "pause" : "play";
  if (button.dataset.shown !== shown) button.innerHTML = icon((button.dataset.shown = shown));
}

/** Set the text of an element, which is laid out anew only where that changes. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** What a server answered, as JSON; an error has its sentence. */
export async function answered(response) {
  if (response.ok) return response.json();
  const told = await response.json().catch(() => ({}));
  throw new Error(told.detail ?? told.error ?? "The server doesn't answer: load the page again.");
}

/** A view of the song that its attribute names; it begins anew when that changes. */
export class View extends HTMLElement {
  static observedAttributes = ["song"];

  root = this.attachShadow({ mode: "open" });
  ends = new AbortController(); // of what listens while the element is in the page

  constructor(style, markup) {
    super();
    this.root.adoptedStyleSheets = [look, style];
    this.root.innerHTML = markup;
  }

  disconnectedCallback() {
    this.ends.abort();
  }

  attributeChangedCallback(_, before, after) {
    if (before !== after && before !== null && this.isConnected) {
      this.disconnectedCallback();
      this.connectedCallback();
    }
  }

  get(selector) {
    return this.root.querySelector(selector);
  }

  /** Show what went wrong; nothing if the message is empty. */
  tell(message) {
    const error = this.get("[role=alert]");
    error.textContent = message;
    error.hidden = !message;
  }
}
