// Session decides; it does nothing itself. Inputs and the time go in, actions come out, so every rule is a unit test
// without sockets, timers or clocks. client.js carries the actions out and feeds back what happened.
//
//   idle ─start─▶ preparing ─prepared─▶ connecting ─welcome─▶ open ──┐
//                  ▲   ▲ (keys, token,    (transport)                │ bye, end, silence
//                  │   │  cursor)             │                      ▼
//                  │   └──── retry ─── waiting ◀─── verdict resume ──┤
//                  └──────────── at once ◀── verdict reauthenticate ─┤        frozen ⇄ preparing (page put aside)
//                                stopped ◀── verdict never ──────────┘        closed (the application said so)
//
// Every preparation and every connection has an epoch; what an older one still reports is ignored.

import { codeName, verdictOf } from "./codes.js";
import { backoffMs, refreshInMs, kHeartbeatMs, kMinRetryMs, kStableMs } from "./timing.js";

/**
 * How a connection ended, as the transport saw it.
 * @typedef {object} End
 * @property {number} [code]
 * @property {string} [code_name]
 * @property {string} [reason]
 * @property {unknown} [verdict]
 * @property {number} [retry_after_ms]
 * @property {unknown} [url] where to come instead, with code 4307
 * @property {boolean} [said] the gateway itself said so, in a bye, a close code or an HTTP answer
 */

/**
 * @typedef {{type: "start" | "close" | "online" | "offline" | "visible" | "frozen" | "thawed" | "overflow"}
 *   | {type: "prepared", epoch: number, token: string | null, cursor: string}
 *   | {type: "prepare_failed", epoch: number, reason: string}
 *   | {type: "signed_out", epoch: number}
 *   | {type: "refresh_token", epoch: number, token: string | null}
 *   | {type: "frame", epoch: number, frame: Record<string, any>}
 *   | {type: "bad_frame", epoch: number, detail: string}
 *   | {type: "ended", epoch: number, end: End}
 *   | {type: "unsupported", reason: string}
 *   | {type: "timer", name: TimerName}} Input
 *
 * @typedef {"retry" | "welcome" | "silence" | "refresh"} TimerName
 *
 * @typedef {{do: "prepare", epoch: number, why: import("./types.js").TokenReason, token?: string | null}
 *   | {do: "refresh_token", epoch: number}
 *   | {do: "open", epoch: number, transport: import("./types.js").TransportName, place: string | null, token: string | null, cursor: string}
 *   | {do: "send", frame: object}
 *   | {do: "disconnect"}
 *   | {do: "timer", name: TimerName, ms: number}
 *   | {do: "cancel", name: TimerName}
 *   | {do: "hand_on", item: import("./pipeline.js").Item}
 *   | {do: "state", state: import("./types.js").State, after_events: boolean, epoch: number}
 *   | {do: "problem", problem: import("./types.js").Problem}} Action
 */

const kWebSocketFailuresMax = 2;
const kSkewReportedMs = 60_000;
const kRedirectsMax = 3;  // in a row
const kRedirected = 4307;

export class Session {
  /**
   * @param {object} config
   * @param {import("./types.js").TransportName[]} config.transports those that this runtime has
   * @param {number} config.backoff_min_ms
   * @param {number} config.backoff_max_ms
   * @param {number} config.connect_timeout_ms
   * @param {boolean} config.trust_offset
   * @param {boolean} [config.plaintext] our own URL is http: a gateway may name another such
   * @param {() => number} config.random
   */
  constructor(config) {
    this.config_ = config;
    /** @type {"idle" | "preparing" | "connecting" | "open" | "waiting" | "frozen" | "stopped" | "closed"} */
    this.phase_ = "idle";
    this.epoch_ = 0;
    this.now_ms_ = 0;
    this.expires_ms_ = 0;
    this.attempt_ = 0;
    this.transport_at_ = 0;
    this.unopened_ = 0;          // attempts in a row over WebSocket that brought no frame
    /** @type {string | null} the origin that a gateway has named; null: our own URL */
    this.place_ = null;
    this.redirects_ = 0;         // in a row, without a welcome
    this.offline_ = false;
    this.tried_ms_ = -Infinity;
    this.not_before_ms_ = 0;     // the gateway asked for no connect before this, whatever wakes us
    this.heartbeat_ms_ = kHeartbeatMs;
    this.heard_ms_ = 0;
    this.welcome_ms_ = 0;
    this.offset_ms_ = 0;
    this.presented_ = "";        // the cursor of this connection
    this.replaying_ = false;
    /** @type {{user: string, session: string} | null} */
    this.claims_ = null;
    /** @type {import("./verify.js").Receiver} who we are, for the verifier */
    this.receiver_ = { user: "", session: "" };
    /** @type {Partial<import("./types.js").State>} */
    this.last_end_ = {};
    /** @type {Action[]} */
    this.actions_ = [];
  }

  /** Names the present connection or preparation; rises with each. */
  get epoch() {
    return this.epoch_;
  }

  get transport() {
    return this.config_.transports[this.transport_at_];
  }

  /**
   * @param {Input} input
   * @param {number} now_ms
   * @returns {Action[]} to be carried out in this order
   */
  step(input, now_ms) {
    this.now_ms_ = now_ms;
    this.actions_ = [];
    const stale = "epoch" in input && input.epoch !== this.epoch_;
    const over = this.phase_ === "stopped" || this.phase_ === "closed";
    if (!stale && !over) this.decide_(input);
    return this.actions_;
  }

  /** @param {Input} input */
  decide_(input) {
    switch (input.type) {
      case "start": return this.prepare_("connect");
      case "prepared": return this.open_(input.token, input.cursor);
      case "prepare_failed": return this.wait_(0, { verdict: "resume", ...this.last_end_, reason: input.reason });
      case "signed_out": return this.finish_("stopped", { reason: "signed out", ...this.last_end_, verdict: "reauthenticate" });
      case "unsupported": return this.unsupported_(input.reason);
      case "refresh_token": return this.refresh_(input.token);
      case "frame": return this.frame_(input.frame);
      case "bad_frame": return this.badFrame_(input.detail);
      case "ended": return this.ended_(input.end);
      case "overflow": return this.ended_({ reason: "onEvent is slower than the stream" });
      case "timer": return this.timer_(input.name);
      case "online": return this.online_();
      case "offline": return this.goOffline_();
      case "visible": return this.visible_();
      case "frozen": return this.freeze_();
      case "thawed": return this.thaw_();
      case "close": return this.finish_("closed", {});
    }
  }

  // Connecting ------------------------------------------------------------------------------------------------------

  /**
   * @param {import("./types.js").TokenReason} why
   * @param {string | null} [token] one that is already there
   */
  prepare_(why, token) {
    this.phase_ = "preparing";
    this.epoch_++;
    this.cancelTimers_();
    this.tried_ms_ = this.now_ms_;
    this.state_({ name: "connecting", transport: this.transport, attempt: this.attempt_, ...this.last_end_ });
    this.do_({ do: "prepare", epoch: this.epoch_, why, token });
  }

  /**
   * @param {string | null} token
   * @param {string} cursor
   */
  open_(token, cursor) {
    if (this.phase_ !== "preparing") return;
    this.phase_ = "connecting";
    this.presented_ = cursor;
    this.claims_ = tokenClaims(token);
    this.do_({ do: "timer", name: "welcome", ms: this.config_.connect_timeout_ms });
    this.do_({ do: "open", epoch: this.epoch_, transport: this.transport, place: this.place_, token, cursor });
  }

  /** @param {string} reason */
  unsupported_(reason) {
    this.do_({ do: "problem", problem: { code: "unsupported", detail: reason } });
    this.finish_("stopped", { reason, verdict: "never" });
  }

  // Frames ----------------------------------------------------------------------------------------------------------

  /** @param {Record<string, any>} frame */
  frame_(frame) {
    this.heard_ms_ = this.now_ms_;
    if (this.phase_ === "connecting" && !frame.welcome && !frame.bye) return this.badFrame_("no welcome before it");
    if (frame.event) return this.handOn_({ type: "event", envelope: frame.event, receiver: this.receiver_, replayed: this.replaying_ });
    if (frame.position) return this.handOn_({ type: "cursor", cursor: String(frame.position.cursor ?? "") });
    if (frame.welcome) return this.welcome_(frame.welcome);
    if (frame.caught_up) return this.caughtUp_(frame.caught_up);
    if (frame.gap) return this.gap_(frame.gap);
    if (frame.refreshed) return this.armRefresh_(Number(frame.refreshed.token_expires_ms));
    if (frame.bye) return this.ended_(byeEnd(frame.bye));
    // A frame of a later protocol version: not ours to understand.
  }

  /** @param {any} welcome */
  welcome_(welcome) {
    if (this.phase_ !== "connecting") return this.badFrame_("a second welcome");
    const wrong = this.wrongIdentity_(welcome);
    if (wrong) return this.finish_("stopped", { reason: wrong, verdict: "never" });
    this.phase_ = "open";
    this.unopened_ = 0;
    this.redirects_ = 0;
    this.welcome_ms_ = this.now_ms_;
    this.last_end_ = {};
    this.heartbeat_ms_ = Number(welcome.heartbeat_ms) || kHeartbeatMs;
    this.measureClock_(Number(welcome.now_ms));
    this.receiver_ = {
      user: String(welcome.user), session: String(welcome.session),
      offset_ms: this.offset_ms_, trust_offset: this.config_.trust_offset,
    };
    this.do_({ do: "cancel", name: "welcome" });
    this.do_({ do: "timer", name: "silence", ms: 2 * this.heartbeat_ms_ });
    this.armRefresh_(Number(welcome.token_expires_ms));
    this.startStream_(welcome);
  }

  /** @param {any} welcome */
  startStream_({ resume, reason, head, spread_ms }) {
    this.replaying_ = resume === "resumed";
    if (this.replaying_) {
      this.handOn_({ type: "resumed" });
      return this.openState_("replaying", "resumed", false);
    }
    // A cursor that was presented and is answered by anything but "resumed" is a gap, whatever it is called.
    const gap = resume === "gap" || this.presented_ !== "";
    if (gap) this.gap_({ reason: reason || String(resume), head, spread_ms });
    else this.handOn_({ type: "fresh", head: String(head ?? "") });
    this.openState_("live", gap ? "gap" : "fresh", true);
  }

  /** @param {any} caught_up */
  caughtUp_({ cursor }) {
    this.handOn_({ type: "cursor", cursor: String(cursor ?? "") });
    if (!this.replaying_) return;
    this.replaying_ = false;
    this.openState_("live", "resumed", true);
  }

  /** @param {any} gap */
  gap_({ reason, head, spread_ms }) {
    const spread = Math.max(0, Number(spread_ms) || 0);
    const wait_ms = Math.floor(this.config_.random() * spread);
    this.handOn_({ type: "gap", gap: { reason: String(reason ?? ""), head: String(head ?? ""), spread_ms: spread, wait_ms } });
  }

  /**
   * The token says who we are; a welcome for somebody else would make foreign events look like ours.
   * @param {any} welcome
   */
  wrongIdentity_({ user, session }) {
    if (typeof user !== "string" || user === "" || typeof session !== "string") return "the welcome names no user or session";
    const { claims_ } = this;
    if (claims_?.session && claims_.session !== session) return `welcomed as session ${session}, the token is for ${claims_.session}`;
    // A gateway with several issuers puts a prefix before `sub` (semantics.md 10.2).
    if (claims_?.user && !user.endsWith(claims_.user)) return `welcomed as user ${user}, the token is for ${claims_.user}`;
    return null;
  }

  /** @param {number} server_now_ms */
  measureClock_(server_now_ms) {
    this.offset_ms_ = server_now_ms > 0 ? server_now_ms - this.now_ms_ : 0;
    if (Math.abs(this.offset_ms_) < kSkewReportedMs) return;
    const detail = `this device's clock differs by ${Math.round(this.offset_ms_ / 1000)} s from the gateway's`;
    this.do_({ do: "problem", problem: { code: "clock_skew", detail, offset_ms: this.offset_ms_ } });
  }

  /** @param {string} detail */
  badFrame_(detail) {
    this.do_({ do: "problem", problem: { code: "bad_frame", detail } });
    this.ended_({ reason: `bad frame: ${detail}` });
  }

  // Ends ------------------------------------------------------------------------------------------------------------

  /** @param {End} end */
  ended_(end) {
    if (this.phase_ !== "connecting" && this.phase_ !== "open") return;
    if (this.phase_ === "open" && this.now_ms_ - this.welcome_ms_ >= kStableMs) this.attempt_ = 0;
    this.chooseTransport_(this.phase_ === "open" || end.said === true);
    this.disconnect_();
    if (this.redirected_(end)) return;
    const verdict = verdictOf(end.code, end.verdict);
    this.last_end_ = { code: end.code, code_name: end.code_name ?? codeName(end.code), reason: end.reason, verdict };
    if (verdict === "never") return this.finish_("stopped", this.last_end_);
    const again_ms = Math.max(0, Number(end.retry_after_ms) || 0);
    if (verdict === "resume" || this.attempt_ > 0 || again_ms > 0) return this.wait_(again_ms, this.last_end_);
    this.attempt_ = 1;
    this.prepare_("reauthenticate");
  }

  /**
   * Another gateway serves our user, and this one says which. It was shown our token, and so is the one that it names:
   * never over a line that is less safe than ours. Any other end leads back to our own URL.
   * @param {End} end
   * @returns {boolean} whether we are on our way there
   */
  redirected_({ code, url, reason }) {
    this.place_ = null;
    if (code !== kRedirected) return false;
    const place = originOf(url, this.config_.plaintext === true);
    if (place === null || this.redirects_ >= kRedirectsMax) {
      const why = place === null ? `not a place to go: ${url}` : `more than ${kRedirectsMax} in a row`;
      this.do_({ do: "problem", problem: { code: "bad_redirect", detail: why } });
      this.redirects_ = 0;
      return false;
    }
    this.redirects_++;
    this.place_ = place;
    this.last_end_ = { code, code_name: codeName(code), reason, verdict: "resume" };
    this.prepare_("connect");
    return true;
  }

  /** @param {boolean} heard whether the gateway spoke to us on this connection */
  chooseTransport_(heard) {
    if (heard) this.unopened_ = 0;
    else if (this.transport === "sse" || ++this.unopened_ >= kWebSocketFailuresMax) {
      this.unopened_ = 0;
      this.transport_at_ = (this.transport_at_ + 1) % this.config_.transports.length;
    }
  }

  /**
   * @param {number} again_ms not earlier than this
   * @param {Partial<import("./types.js").State>} end
   */
  wait_(again_ms, end) {
    this.phase_ = "waiting";
    this.epoch_++;
    this.last_end_ = end;
    const jitter_ms = this.offline_
        ? this.config_.backoff_max_ms
        : backoffMs(this.attempt_, this.config_.backoff_min_ms, this.config_.backoff_max_ms, this.config_.random);
    this.attempt_++;
    this.not_before_ms_ = Math.max(this.not_before_ms_, this.now_ms_ + again_ms);
    const ms = again_ms + jitter_ms;
    this.do_({ do: "timer", name: "retry", ms });
    this.state_({ name: this.offline_ ? "offline" : "waiting", attempt: this.attempt_, retry_in_ms: ms, ...end });
  }

  disconnect_() {
    this.epoch_++;
    this.cancelTimers_();
    this.do_({ do: "disconnect" });
  }

  /**
   * @param {"stopped" | "closed"} name
   * @param {Partial<import("./types.js").State>} end
   */
  finish_(name, end) {
    this.disconnect_();
    this.phase_ = name;
    this.state_({ ...end, name });
  }

  // Time, network, page ---------------------------------------------------------------------------------------------

  /** @param {TimerName} name */
  timer_(name) {
    if (name === "retry" && this.phase_ === "waiting") return this.retry_();
    if (name === "welcome" && this.phase_ === "connecting") return this.ended_({ reason: "no answer from the gateway" });
    if (name === "refresh" && this.phase_ === "open") return this.do_({ do: "refresh_token", epoch: this.epoch_ });
    if (name === "silence" && this.phase_ === "open") this.checkSilence_();
  }

  retry_() {
    this.prepare_(this.last_end_.verdict === "reauthenticate" ? "reauthenticate" : "connect");
  }

  checkSilence_() {
    this.heard_ms_ = Math.min(this.heard_ms_, this.now_ms_);  // the device clock may step back
    const left_ms = this.heard_ms_ + 2 * this.heartbeat_ms_ - this.now_ms_;
    if (left_ms <= 0) this.ended_({ reason: "nothing heard for two heartbeats" });
    else this.do_({ do: "timer", name: "silence", ms: left_ms });
  }

  /** Something suggests that a retry may succeed now; a wait that the gateway asked for still counts. */
  wake_() {
    if (this.phase_ !== "waiting") return;
    const left_ms = Math.max(this.not_before_ms_, this.tried_ms_ + kMinRetryMs) - this.now_ms_;
    if (left_ms <= 0) return this.retry_();
    this.do_({ do: "timer", name: "retry", ms: left_ms });
  }

  online_() {
    const was_offline = this.offline_;
    this.offline_ = false;
    if (was_offline) {
      this.transport_at_ = 0;
      this.unopened_ = 0;
    }
    // The network changed under an open connection: most likely dead, and resuming costs little and loses nothing.
    if (was_offline && (this.phase_ === "open" || this.phase_ === "connecting")) {
      this.disconnect_();
      return this.prepare_("connect");
    }
    this.wake_();
  }

  /** A hint only (loopback works offline): an open connection stays, a waiting one waits longest. */
  goOffline_() {
    this.offline_ = true;
    if (this.phase_ !== "waiting") return;
    this.do_({ do: "timer", name: "retry", ms: this.config_.backoff_max_ms });
    this.state_({ name: "offline", attempt: this.attempt_, retry_in_ms: this.config_.backoff_max_ms, ...this.last_end_ });
  }

  visible_() {
    if (this.phase_ === "open") this.checkSilence_();
    else this.wake_();
  }

  freeze_() {
    if (this.phase_ === "idle" || this.phase_ === "frozen") return;
    this.disconnect_();
    this.phase_ = "frozen";
    this.state_({ name: "paused" });
  }

  thaw_() {
    if (this.phase_ !== "frozen") return;
    this.phase_ = "waiting";
    this.wake_();
  }

  // Token -----------------------------------------------------------------------------------------------------------

  /** @param {number} expires_ms by the gateway's clock; 0 or missing: never */
  armRefresh_(expires_ms) {
    if (!(expires_ms > 0)) return;
    this.expires_ms_ = expires_ms;
    this.do_({ do: "timer", name: "refresh", ms: refreshInMs(expires_ms - this.now_ms_ - this.offset_ms_) });
  }

  /** @param {string | null} token null: none to be had now */
  refresh_(token) {
    if (this.phase_ !== "open") return;
    if (token === null) return this.armRefresh_(this.expires_ms_);
    if (this.transport === "websocket") return this.do_({ do: "send", frame: { refresh: { token } } });
    this.disconnect_();
    this.prepare_("expiring", token);
  }

  // Small parts -----------------------------------------------------------------------------------------------------

  /** @param {Action} action */
  do_(action) {
    this.actions_.push(action);
  }

  /** @param {import("./pipeline.js").Item} item */
  handOn_(item) {
    this.do_({ do: "hand_on", item });
  }

  /** @param {import("./types.js").State} state */
  state_(state) {
    this.do_({ do: "state", state, after_events: false, epoch: this.epoch_ });
  }

  /**
   * @param {"replaying" | "live"} name
   * @param {"fresh" | "resumed" | "gap"} resume
   * @param {boolean} after_events told when everything before it has been handed on
   */
  openState_(name, resume, after_events) {
    const { user, session } = this.receiver_;
    this.do_({ do: "state", state: { name, transport: this.transport, user, session, resume }, after_events, epoch: this.epoch_ });
  }

  cancelTimers_() {
    for (const name of /** @type {const} */ (["retry", "welcome", "silence", "refresh"])) this.do_({ do: "cancel", name });
  }
}

/**
 * @param {any} bye
 * @returns {End}
 */
function byeEnd({ code, reason, verdict, retry_after_ms, url }) {
  return { code: Number(code) || undefined, reason: String(reason ?? ""), verdict, retry_after_ms, url, said: true };
}

/**
 * @param {unknown} url
 * @param {boolean} plaintext whether http will do
 */
function originOf(url, plaintext) {
  try {
    const { protocol, origin } = new URL(String(url));
    return protocol === "https:" || (plaintext && protocol === "http:") ? origin : null;
  } catch {
    return null;
  }
}

/**
 * Our own token's `sub` and `sid`, unverified: it came from the application. Null when it is no JWT.
 * @param {string | null} token
 */
function tokenClaims(token) {
  try {
    const part = /** @type {string} */ (token).split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
    const { sub, sid } = JSON.parse(new TextDecoder().decode(bytes));
    return { user: typeof sub === "string" ? sub : "", session: typeof sid === "string" ? sid : "" };
  } catch {
    return null;
  }
}
