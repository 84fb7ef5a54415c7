// Pipeline hands items on strictly in the order they were pushed, although verifying is asynchronous, and moves the
// resume cursor only behind what was handed on.
//
//      push() ──▶ [ queue: the first 64 events are being verified ] ──▶ one at a time: duplicate? ──▶ onEvent ──▶ cursor
//
//   Cursor   A refused event holds it: from then on it stays before that event until the connection resumes there (the
//            gateway sends the event again, signed anew) or a gap is announced. So a refused event comes again or
//            becomes a gap, and is never skipped in silence.
//   Errors   A handler that throws is reported and counts as handed on: one bad event cannot stop the stream.
//   Limits   push() answers false once `events_max` items wait; the caller then lets the connection go.

import { Recent } from "./recent.js";

const kVerifyAheadMax = 64;

/**
 * @typedef {{type: "event", envelope: unknown, receiver: import("./verify.js").Receiver, replayed: boolean}
 *   | {type: "cursor", cursor: string}
 *   | {type: "resumed"}
 *   | {type: "fresh", head: string}
 *   | {type: "gap", gap: import("./types.js").Gap}
 *   | {type: "call", run: () => unknown}} Item
 */

/**
 * @typedef {object} Handlers
 * @property {(envelope: unknown, receiver: import("./verify.js").Receiver) => Promise<import("./verify.js").Accepted | import("./verify.js").Refused>} verify
 * @property {boolean} verified what PushEvent.verified says
 * @property {(event: import("./types.js").PushEvent) => unknown} onEvent
 * @property {(gap: import("./types.js").Gap) => unknown} onGap
 * @property {(refused: import("./types.js").RefusedEvent) => unknown} onRefused
 * @property {(problem: import("./types.js").Problem) => void} onError
 * @property {(cursor: string) => void} onCursor
 */

export class Pipeline {
  /**
   * @param {Handlers} handlers
   * @param {number} events_max
   */
  constructor(handlers, events_max) {
    this.handlers_ = handlers;
    this.events_max_ = events_max;
    this.recent_ = new Recent();
    /** @type {{item: Item, verdict?: ReturnType<Handlers["verify"]>}[]} */
    this.queue_ = [];
    this.held_ = false;
    this.stopped_ = false;
    /** @type {Promise<void>} */
    this.idle_ = Promise.resolve();
    this.running_ = false;
  }

  /** @param {Item} item */
  push(item) {
    if (this.stopped_) return true;
    this.queue_.push({ item });
    if (this.queue_.length <= kVerifyAheadMax) this.startVerifying_(this.queue_.length - 1);
    if (!this.running_) {
      this.running_ = true;
      this.idle_ = this.run_();
    }
    return this.queue_.length <= this.events_max_;
  }

  /** Resolves when everything pushed so far has been handed on. */
  async idle() {
    while (this.running_) await this.idle_;
  }

  /** Hands on nothing more; what is in a handler now still finishes. */
  stop() {
    this.stopped_ = true;
    this.queue_ = [];
  }

  /** @param {number} at */
  startVerifying_(at) {
    const entry = this.queue_[at];
    if (entry?.item.type === "event" && !entry.verdict)
      entry.verdict = this.handlers_.verify(entry.item.envelope, entry.item.receiver);
  }

  async run_() {
    while (this.queue_.length > 0) {
      const { item, verdict } = this.queue_[0];
      await this.handOn_(item, verdict);
      this.queue_.shift();
      this.startVerifying_(kVerifyAheadMax - 1);
    }
    this.running_ = false;
  }

  /**
   * @param {Item} item
   * @param {ReturnType<Handlers["verify"]>} [verdict]
   */
  async handOn_(item, verdict) {
    switch (item.type) {
      case "event":
        return this.handOnEvent_(item, await /** @type {ReturnType<Handlers["verify"]>} */ (verdict));
      case "cursor":
        return this.moveCursor_(item.cursor);
      case "resumed":
        this.held_ = false;
        return;
      case "fresh":
        this.restart_();
        return this.moveCursor_(item.head);
      case "gap":
        this.restart_();
        await this.call_("onGap", () => this.handlers_.onGap(item.gap));
        return this.moveCursor_(item.gap.head);
      case "call":
        return this.call_("onState", item.run);
    }
  }

  restart_() {
    this.recent_.clear();
    this.held_ = false;
  }

  /**
   * @param {Extract<Item, {type: "event"}>} item
   * @param {import("./verify.js").Accepted | import("./verify.js").Refused} verdict
   */
  async handOnEvent_({ envelope, replayed }, verdict) {
    if (this.stopped_) return;
    if (!verdict.ok) {
      this.held_ = true;
      const { reason, detail } = verdict;
      return this.call_("onRefused", () => this.handlers_.onRefused({ reason, detail, envelope, replayed }));
    }
    if (!this.recent_.has(verdict.fields)) {
      this.recent_.add(verdict.fields);
      const event = toEvent(verdict, this.handlers_.verified, replayed);
      await this.call_("onEvent", () => this.handlers_.onEvent(event));
    }
    this.moveCursor_(verdict.fields.cursor);
  }

  /** @param {string} cursor */
  moveCursor_(cursor) {
    if (!this.held_ && cursor !== "") this.handlers_.onCursor(cursor);
  }

  /**
   * @param {string} name
   * @param {() => unknown} run
   */
  async call_(name, run) {
    try {
      await run();
    } catch (cause) {
      this.handlers_.onError({ code: "handler_failed", detail: `${name} failed: ${cause}`, cause });
    }
  }
}

/**
 * @param {import("./verify.js").Accepted} accepted
 * @param {boolean} verified
 * @param {boolean} replayed
 * @returns {import("./types.js").PushEvent}
 */
function toEvent({ fields, payload, text, signed_at_ms, proof }, verified, replayed) {
  return {
    ...fields, payload: text, bytes: payload, signed_at_ms, proof, verified, replayed,
    json: () => JSON.parse(text ?? new TextDecoder().decode(payload)),
  };
}
