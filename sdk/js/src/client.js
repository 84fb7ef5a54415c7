// Client carries out what session.js decides: it asks for tokens and keys, opens transports, sets timers, and feeds the
// pipeline. Everything it touches can be given in the options, which is how the tests drive it.

import { CursorKeeper } from "./cursor_keeper.js";
import { readEnvelope, Refusal } from "./envelope.js";
import { browserEnvironment } from "./environment.js";
import { KeyStore } from "./keys.js";
import { Pipeline } from "./pipeline.js";
import { Session } from "./session.js";
import { memoryCursorStore } from "./stores.js";
import { openSse } from "./transport_sse.js";
import { openWebSocket } from "./transport_websocket.js";
import { accepted, missingCrypto, Verifier } from "./verify.js";

/** @type {import("./types.js").Clock} */
const kRealClock = {
  now: () => Date.now(),
  set: (run, ms) => setTimeout(run, ms),
  clear: (timer) => clearTimeout(timer),
};

/** @typedef {import("./session.js").Action} Action */
/** @typedef {import("./session.js").Input} Input */

export class Client {
  /** @param {import("./types.js").Options} options */
  constructor(options) {
    checkOptions(options);
    this.options_ = options;
    this.clock_ = options.clockSource ?? kRealClock;
    this.url_ = eventsUrl(options.url);
    /** @type {import("./types.js").State} */
    this.state_ = { name: "idle" };
    /** @type {Input[]} */
    this.inputs_ = [];
    /** @type {Map<string, unknown>} */
    this.timers_ = new Map();
    /** @type {import("./transport_websocket.js").Connection | null} */
    this.connection_ = null;
    this.cursor_ = new CursorKeeper(options.cursorStore ?? memoryCursorStore(), (problem) => this.report_(problem));
    this.keys_ = new KeyStore({
      jwks: options.jwks ?? keysUrl(this.url_),
      fetch: this.fetch_(), now: this.clock_.now,
    });
    this.pipeline_ = new Pipeline(this.handlers_(), options.queueEventsMax ?? 10_000);
    this.session_ = new Session({ ...sessionConfig(options), plaintext: this.url_.protocol === "http:" });
    this.stopListening_ = (options.environment ?? browserEnvironment)((signal) => this.step_({ type: signal }));
    queueMicrotask(() => this.step_({ type: "start" }));
  }

  /** What onState was told last. */
  get state() {
    return this.state_;
  }

  /** The cursor that the next connect resumes at; empty before the first. */
  get cursor() {
    return this.cursor_.cursor;
  }

  /**
   * Ends the connection and hands on nothing more. Resolves when a handler that is running has finished and the cursor
   * is stored; so do not await it inside onEvent. Calling it twice does no harm.
   */
  async close() {
    this.pipeline_.stop();
    this.step_({ type: "close" });
    await this.pipeline_.idle();
    await this.cursor_.flush();
  }

  fetch_() {
    return this.options_.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /** @returns {import("./pipeline.js").Handlers} */
  handlers_() {
    const { options_: options } = this;
    const verified = options.verify !== false;
    const verifier = new Verifier({ plane: options.plane ?? "galaxy", keys: this.keys_, now: this.clock_.now });
    return {
      verified,
      verify: verified ? (envelope, receiver) => verifier.verify(envelope, receiver) : readUnverified,
      onEvent: (event) => options.onEvent?.(event),
      onGap: (gap) => options.onGap?.(gap),
      onRefused: (refused) => this.refused_(refused),
      onError: (problem) => this.report_(problem),
      onCursor: (cursor) => this.cursor_.move(cursor),
    };
  }

  /**
   * One input at a time: what a callback of the application causes (close() in onState) waits for the actions before it.
   * @param {Input} input
   */
  step_(input) {
    if (this.inputs_.push(input) > 1) return;
    while (this.inputs_.length > 0) {
      for (const action of this.session_.step(this.inputs_[0], this.clock_.now())) this.act_(action);
      this.inputs_.shift();
    }
  }

  /** @param {Action} action */
  act_(action) {
    switch (action.do) {
      case "prepare": return void this.prepare_(action);
      case "refresh_token": return void this.refreshToken_(action.epoch);
      case "open": return this.open_(action);
      case "send": return this.connection_?.send(action.frame);
      case "disconnect": return this.disconnect_();
      case "timer": return this.setTimer_(action.name, action.ms);
      case "cancel": return this.cancelTimer_(action.name);
      case "hand_on": return this.handOn_(action.item);
      case "state": return this.tell_(action);
      case "problem": return this.report_(action.problem);
    }
  }

  /** @param {Extract<Action, {do: "prepare"}>} action */
  async prepare_({ epoch, why, token }) {
    const missing = this.options_.verify === false ? null : await missingCrypto();
    if (missing) return this.step_({ type: "unsupported", reason: missing });
    const keys = this.options_.verify === false ? Promise.resolve() : this.keys_.load();
    // Events of the last connection are handed on first: only then is the cursor where we really are.
    const rest = Promise.all([this.cursor_.load(), this.pipeline_.idle()]);
    const [got_keys, got_token] = await Promise.allSettled([keys, token ?? this.askToken_(why), rest]);
    if (got_keys.status === "rejected") return this.prepareFailed_(epoch, "keys_unavailable", got_keys.reason);
    if (got_token.status === "rejected") return this.prepareFailed_(epoch, "token_failed", got_token.reason);
    if (got_token.value === null && this.options_.token) return this.step_({ type: "signed_out", epoch });
    this.step_({ type: "prepared", epoch, token: got_token.value, cursor: this.cursor_.cursor });
  }

  /**
   * @param {number} epoch
   * @param {"keys_unavailable" | "token_failed"} code
   * @param {unknown} cause
   */
  prepareFailed_(epoch, code, cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    this.report_({ code, detail, cause });
    this.step_({ type: "prepare_failed", epoch, reason: `${code}: ${detail}` });
  }

  /**
   * @param {import("./types.js").TokenReason} why
   * @returns {Promise<string | null>} null: signed out, or no token is used
   */
  async askToken_(why) {
    const token = (await this.options_.token?.(why)) ?? null;
    if (token !== null && typeof token !== "string") throw new TypeError("token() gave no string");
    return token;
  }

  /** @param {number} epoch */
  async refreshToken_(epoch) {
    if (!this.options_.token) return;
    const token = await this.askToken_("expiring").catch((cause) => {
      this.report_({ code: "token_failed", detail: String(cause), cause });
      return null;
    });
    this.step_({ type: "refresh_token", epoch, token });
  }

  /** @param {Extract<Action, {do: "open"}>} action */
  open_({ epoch, transport, place, token, cursor }) {
    /** @type {import("./transport_websocket.js").Listener} */
    const listener = {
      onFrame: (frame) => this.step_({ type: "frame", epoch, frame }),
      onBadFrame: (detail) => this.step_({ type: "bad_frame", epoch, detail }),
      onEnd: (end) => this.step_({ type: "ended", epoch, end }),
    };
    const target = { url: place === null ? this.url_ : new URL(this.url_.pathname + this.url_.search, place), token, cursor };
    try {
      this.connection_ = transport === "websocket"
          ? openWebSocket({ ...target, WebSocket: webSocketOf(this.options_) }, listener)
          : openSse({ ...target, fetch: this.fetch_() }, listener);
    } catch (error) {
      queueMicrotask(() => listener.onEnd({ reason: String(error) }));
    }
  }

  disconnect_() {
    this.connection_?.close();
    this.connection_ = null;
  }

  /** @param {import("./pipeline.js").Item} item */
  handOn_(item) {
    if (!this.pipeline_.push(item)) this.step_({ type: "overflow" });
  }

  /** @param {Extract<Action, {do: "state"}>} action */
  tell_({ state, after_events, epoch }) {
    const tell = () => {
      this.state_ = state;
      this.options_.onState?.(state);
    };
    // Overtaken when its turn comes after the connection that it speaks of has ended.
    if (after_events) return this.handOn_({ type: "call", run: () => epoch === this.session_.epoch && tell() });
    if (state.name === "closed" || state.name === "stopped") this.stopListening_();
    this.guard_("onState", tell);
  }

  /** @param {import("./types.js").RefusedEvent} refused */
  refused_(refused) {
    if (this.options_.onRefused) return this.options_.onRefused(refused);
    this.report_({ code: "refused", detail: `an event was refused, ${refused.reason}: ${refused.detail}`, cause: refused });
  }

  /** @param {import("./types.js").Problem} problem */
  report_(problem) {
    if (!this.options_.onError) return console.error(`galaxy-push: ${problem.code}: ${problem.detail}`);
    try {
      this.options_.onError(problem);
    } catch (error) {
      console.error("galaxy-push: onError failed", error);
    }
  }

  /**
   * @param {string} name
   * @param {() => void} run
   */
  guard_(name, run) {
    try {
      run();
    } catch (cause) {
      this.report_({ code: "handler_failed", detail: `${name} failed: ${cause}`, cause });
    }
  }

  /**
   * @param {import("./session.js").TimerName} name
   * @param {number} ms
   */
  setTimer_(name, ms) {
    this.cancelTimer_(name);
    this.timers_.set(name, this.clock_.set(() => {
      this.timers_.delete(name);
      this.step_({ type: "timer", name });
    }, ms));
  }

  /** @param {string} name */
  cancelTimer_(name) {
    if (!this.timers_.has(name)) return;
    this.clock_.clear(this.timers_.get(name));
    this.timers_.delete(name);
  }
}

/** @param {import("./types.js").Options} options */
function checkOptions(options) {
  const { token, onEvent, transports = [] } = options;
  for (const [name, value] of Object.entries({ token, onEvent }))
    if (value !== undefined && typeof value !== "function") throw new TypeError(`${name} is not a function`);
  for (const name of transports)
    if (name !== "websocket" && name !== "sse") throw new TypeError(`no such transport: ${name}`);
}

/** @param {string | URL} url */
function eventsUrl(url) {
  const events = new URL(url);
  if (!/^(https?|wss?):$/.test(events.protocol)) throw new TypeError(`not an http or ws address: ${url}`);
  events.protocol = events.protocol.replace("ws", "http");
  events.pathname = `${events.pathname.replace(/\/$/, "")}/v1/events`;
  // The hint stays, as a load balancer reads it; anything else is not for a URL that stands in logs.
  const partition = events.searchParams.get("partition");
  events.search = partition === null ? "" : `partition=${encodeURIComponent(partition)}`;
  events.hash = "";
  return events;
}

/** @param {URL} events */
function keysUrl(events) {
  const keys = new URL(events);
  keys.pathname = keys.pathname.replace(/v1\/events$/, ".well-known/jwks.json");
  keys.search = "";
  return keys;
}

/** @param {import("./types.js").Options} options */
function webSocketOf(options) {
  return options.WebSocket ?? globalThis.WebSocket;
}

/** @param {import("./types.js").Options} options */
function sessionConfig(options) {
  const wanted = options.transports ?? ["websocket", "sse"];
  const transports = wanted.filter((name) => name === "sse" || typeof webSocketOf(options) === "function");
  if (transports.length === 0) throw new TypeError("no transport: this runtime has no WebSocket and SSE was not allowed");
  return {
    transports,
    backoff_min_ms: options.backoffMinMs ?? 500,
    backoff_max_ms: options.backoffMaxMs ?? 30_000,
    connect_timeout_ms: options.connectTimeoutMs ?? 15_000,
    trust_offset: options.clock === "welcome",
    random: options.random ?? Math.random,
  };
}

/**
 * With `verify: false`: the envelope is read, not believed.
 * @param {unknown} envelope
 * @returns {Promise<import("./verify.js").Accepted | import("./verify.js").Refused>}
 */
async function readUnverified(envelope) {
  try {
    return accepted(readEnvelope(envelope));
  } catch (error) {
    const { reason = /** @type {const} */ ("failed"), detail = String(error) } = error instanceof Refusal ? error : {};
    return { ok: false, reason, detail };
  }
}
