// What one device shows. It is told what happened and keeps nothing else; the newest 60 events and 40 journal lines stay.

import { clock, glyph, make } from "./dom.js";
import { eventWords, refusalWords, verdictWords } from "./words.js";

const kEventsMax = 60;
const kJournalMax = 40;

export class DeviceView {
  /**
   * @param {Element} parent
   * @param {number} index
   * @param {string} name
   */
  constructor(parent, index, name) {
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById("device-template"));
    this.root = /** @type {HTMLElement} */ (template.content.cloneNode(true).firstElementChild);
    this.moon_ = document.getElementById(`moon-${index}`);
    this.beam_ = document.getElementById(`beam-${index}`);
    this.find_("h2").textContent = name;
    this.find_("h2").id = `device-${index}`;
    this.root.setAttribute("aria-labelledby", `device-${index}`);
    this.find_(".stream").setAttribute("aria-label", `${name}: events, newest first`);
    this.find_(".journal").setAttribute("aria-label", `${name}: connection, newest first`);
    this.counts_ = { verified: 0, refused: 0, missed: 0 };
    parent.append(this.root);
  }

  /** @param {string} selector */
  find_(selector) {
    return /** @type {HTMLElement} */ (this.root.querySelector(selector));
  }

  /** @param {string} session */
  session(session) {
    this.find_(".session").textContent = session;
  }

  /**
   * @param {string} selector
   * @param {() => void} run
   */
  onClick(selector, run) {
    this.find_(selector).addEventListener("click", run);
  }

  /**
   * @param {any} state
   * @param {import("./words.js").StateWords} words
   */
  state(state, words) {
    this.root.dataset.tone = this.moon_.dataset.tone = words.tone;
    this.root.dataset.state = state.name;
    this.find_(".pill-text").textContent = words.pill;
    const stopped = state.name === "stopped";
    this.find_(".verdict").hidden = !stopped;
    this.find_(".device-tools").hidden = stopped;
    if (stopped) {
      const { title, text } = verdictWords(state);
      this.find_(".verdict-title").textContent = title;
      this.find_(".verdict-text").textContent = text;
    }
    this.journal(words);
  }

  /** @param {{tone: string, word?: string, sentence: string}} line */
  journal({ tone, word, sentence }) {
    const text = make("span", {}, sentence);
    if (word) text.append(" ", make("span", { class: "word", "data-tone": tone }, `[${word}]`));
    this.put_(".journal", make("li", {}, clock(), text), kJournalMax);
  }

  /** @param {any} event of the SDK */
  event(event) {
    this.count_("verified");
    if (event.replayed) this.count_("missed");
    const { title, text } = eventWords(event.kind, event.payload);
    const { kid, size, index } = event.proof;
    this.entry_({
      tone: event.verified ? "good" : "warn", kind: event.kind, title, text,
      seal: event.verified ? "✓ Verified" : "Not verified",
      tags: [size === 1 ? "signed alone" : `${index + 1} of ${size} in its batch`, ...(event.device_session_id ? ["this device only"] : []), ...(event.replayed ? ["missed, caught up"] : [])],
      source: { kind: event.kind, event_id: event.event_id, cursor: event.cursor, signed_at: new Date(event.signed_at_ms).toISOString(), key: kid, payload: event.payload },
    });
    this.pulse_();
  }

  /** @param {any} refused of the SDK */
  refused({ reason, detail, envelope }) {
    this.count_("refused");
    const { kind = "", payload = "" } = envelope ?? {};
    this.entry_({
      tone: "bad", kind: String(kind), title: "Refused, not handed to the game",
      text: `It claims “${eventWords(String(kind), String(payload)).title}”, but ${refusalWords(reason)}.`,
      seal: "✕ Not verified", tags: [reason], source: { reason, detail, envelope },
    });
  }

  entry_({ tone, kind, title, text, seal, tags, source }) {
    this.put_(".stream", make("li", { class: "event new", "data-tone": tone },
        glyph(kind),
        make("div", {},
            make("p", { class: "event-title" }, title),
            ...(text ? [make("p", { class: "event-text" }, text)] : [])),
        clock(),
        make("details", {},
            make("summary", { class: "seal", title: "Show it as received" }, make("strong", {}, seal), ...tags.map((tag) => make("span", { class: "tag" }, tag))),
            make("pre", {}, JSON.stringify(source, null, 1)))), kEventsMax);
  }

  /**
   * @param {string} selector
   * @param {HTMLElement} item
   * @param {number} max
   */
  put_(selector, item, max) {
    const list = this.find_(selector);
    list.prepend(item);
    while (list.children.length > max) list.lastElementChild.remove();
  }

  /** @param {"verified" | "refused" | "missed"} what */
  count_(what) {
    const element = this.find_(`.count-${what}`);
    element.textContent = String(++this.counts_[what]);
    if (what === "refused") element.dataset.some = "";
  }

  pulse_() {
    this.beam_.classList.remove("lit");
    void this.beam_.getBoundingClientRect();  // restarts the animation
    this.beam_.classList.add("lit");
  }

  /** @param {boolean} asleep */
  asleep(asleep) {
    const button = this.find_(".sleep");
    button.textContent = asleep ? "Wake up" : "Put to sleep";
    button.setAttribute("aria-pressed", String(asleep));
    /** @type {HTMLButtonElement} */ (this.find_(".spoil")).disabled = asleep;
  }

  /** @param {boolean} armed */
  spoiling(armed) {
    const button = this.find_(".spoil");
    button.textContent = armed ? "Waiting for an event to spoil" : "Spoil the next event";
    button.setAttribute("aria-pressed", String(armed));
  }
}
