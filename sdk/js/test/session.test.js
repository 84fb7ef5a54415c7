// docs/edge-protocol.md as decisions: what each end of a connection leads to. No sockets, no timers, no clock.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Session } from "../src/session.js";

const kHeartbeat = 25_000;

/** A session with a hand-held clock; `did` holds the actions since the last look. */
class Bench {
  constructor(config = {}) {
    this.now = 1_000_000;
    this.session = new Session({ transports: ["websocket", "sse"], backoff_min_ms: 500, backoff_max_ms: 30_000,
      connect_timeout_ms: 15_000, trust_offset: false, random: () => 0.5, ...config });
    this.timers = new Map();
    this.states = [];
    this.handed = [];
    this.problems = [];
  }

  step(input, later_ms = 0) {
    this.now += later_ms;
    this.did = this.session.step({ epoch: this.session.epoch, ...input }, this.now);
    for (const action of this.did) {
      if (action.do === "timer") this.timers.set(action.name, action.ms);
      if (action.do === "cancel") this.timers.delete(action.name);
      if (action.do === "state") this.states.push(action.state);
      if (action.do === "hand_on") this.handed.push(action.item);
      if (action.do === "problem") this.problems.push(action.problem);
    }
    return this;
  }

  /** Lets the timer run out. */
  fire(name) {
    const ms = this.timers.get(name);
    assert.notEqual(ms, undefined, `no timer ${name}`);
    this.timers.delete(name);
    return this.step({ type: "timer", name }, ms);
  }

  prepared(token = "opaque", cursor = "") {
    return this.step({ type: "prepared", token, cursor });
  }

  welcome(over = {}) {
    return this.frame({ welcome: { session: "s-1", user: "u-1", resume: "fresh", head: "h", heartbeat_ms: kHeartbeat,
      now_ms: this.now, token_expires_ms: 0, ...over } });
  }

  open(welcome, cursor) {
    return this.step({ type: "start" }).prepared("opaque", cursor).welcome(welcome);
  }

  frame(frame, later_ms) {
    return this.step({ type: "frame", frame }, later_ms);
  }

  ended(end = {}) {
    return this.step({ type: "ended", end });
  }

  action(name) {
    return this.did.find((action) => action.do === name);
  }

  get state() {
    return this.states.at(-1);
  }
}

const bench = (config) => new Bench(config);
const jwt = (claims) => `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;

const kEnds = [
  // what comes                                              verdict           then
  [{ bye: { code: 1001, reason: "drain", verdict: "resume" } }, "resume", "waiting"],
  [{ bye: { code: 4503, reason: "stolen", verdict: "never" } }, "never", "stopped"],
  [{ bye: { code: 4503, reason: "password", verdict: "reauthenticate" } }, "reauthenticate", "connecting"],
  [{ bye: { code: 4504, verdict: "reauthenticate" } }, "reauthenticate", "connecting"],
  [{ bye: { code: 4777, verdict: "never" } }, "never", "stopped"],
  [{ bye: { code: 4777, verdict: "a new word" } }, "reauthenticate", "connecting"],
  [{ bye: { code: 4077, verdict: "a new word" } }, "resume", "waiting"],
  [{ code: 1000 }, "resume", "waiting"],
  [{ code: 1006 }, "resume", "waiting"],
  [{ code: 1011 }, "resume", "waiting"],
  [{ code: 4408 }, "resume", "waiting"],
  [{ code: 4413 }, "resume", "waiting"],
  [{ code: 4429 }, "resume", "waiting"],
  [{ code: 4421 }, "resume", "waiting"],
  [{ code: 4453 }, "resume", "waiting"],
  [{ code: 4500 }, "never", "stopped"],
  [{ code: 4501 }, "reauthenticate", "connecting"],
  [{ code: 4502 }, "reauthenticate", "connecting"],
  [{ code: 4503 }, "never", "stopped"],
  [{ code: 4000 }, "resume", "waiting"],
  [{ code: 4499 }, "resume", "waiting"],
  [{ code: 4599 }, "reauthenticate", "connecting"],
  [{ code: 4999 }, "reauthenticate", "connecting"],
];
for (const [end, verdict, name] of kEnds)
  test(`an end by ${JSON.stringify(end)} means ${verdict}`, () => {
    const b = bench().open();
    if (end.bye) b.frame(end); else b.ended(end);
    assert.equal(b.state.name, name);
    assert.equal(b.state.verdict, verdict);
    assert.ok(b.action("disconnect"));
    assert.equal(b.action("prepare")?.why, name === "connecting" ? "reauthenticate" : undefined);
  });

const kRedirect = { bye: { code: 4307, reason: "elsewhere", verdict: "resume", retry_after_ms: 1_000, url: "https://b.example:8443" } };

test("who is redirected goes there at once, with the same cursor, and by its own URL after the next end (7.7)", () => {
  const b = bench().step({ type: "start" }).prepared("opaque", "c-1");
  assert.equal(b.action("open").place, null);
  b.frame(kRedirect);
  assert.deepEqual([b.state.name, b.state.code_name], ["connecting", "redirected"]);
  assert.equal(b.action("prepare").why, "connect");
  b.prepared("opaque", "c-1");
  assert.deepEqual([b.action("open").place, b.action("open").cursor], ["https://b.example:8443", "c-1"]);
  b.welcome({ resume: "resumed" }).frame({ bye: { code: 1001, verdict: "resume" } }).fire("retry").prepared();
  assert.equal(b.action("open").place, null);
});

test("a place that does not answer is left for our own URL (7.7)", () => {
  const b = bench().step({ type: "start" }).prepared().frame(kRedirect).prepared().ended({ reason: "refused" });
  assert.equal(b.state.name, "waiting");
  assert.equal(b.fire("retry").prepared().action("open").place, null);
});

test("an SSE refusal redirects as a bye does (7.7)", () => {
  const b = bench({ transports: ["sse"] }).step({ type: "start" }).prepared();
  b.ended({ code: 4307, said: true, verdict: "resume", url: "https://b.example" });
  assert.equal(b.prepared().action("open").place, "https://b.example");
});

test("three redirects in a row are followed, the fourth waits and begins at our own URL (7.7)", () => {
  const b = bench().step({ type: "start" }).prepared();
  for (let i = 0; i < 3; i++) {
    b.frame(kRedirect).prepared();
    assert.equal(b.action("open").place, "https://b.example:8443");
  }
  b.frame(kRedirect);
  assert.deepEqual([b.state.name, b.problems.at(-1).code], ["waiting", "bad_redirect"]);
  assert.equal(b.fire("retry").prepared().action("open").place, null);
  // A welcome between them begins the count anew.
  const c = bench().step({ type: "start" }).prepared();
  for (let i = 0; i < 10; i++) c.frame(kRedirect).prepared().welcome().frame(kRedirect).prepared().welcome().ended().fire("retry").prepared();
  assert.deepEqual(c.problems, []);
});

test("a token never goes to a place that is less safe than ours, or is none (7.7)", () => {
  for (const url of ["http://b.example", "ftp://b.example", "javascript:alert(1)", "", undefined, 7]) {
    const b = bench().step({ type: "start" }).prepared().frame({ bye: { ...kRedirect.bye, url } });
    assert.deepEqual([b.state.name, b.problems.at(-1).code], ["waiting", "bad_redirect"], String(url));
    assert.equal(b.fire("retry").prepared().action("open").place, null);
  }
  const plain = bench({ plaintext: true }).step({ type: "start" }).prepared();
  plain.frame({ bye: { ...kRedirect.bye, url: "http://127.0.0.1:8080/x" } }).prepared();
  assert.equal(plain.action("open").place, "http://127.0.0.1:8080");
});

test("never is for good: nothing wakes a stopped session", () => {
  const b = bench().open().frame({ bye: { code: 4503, reason: "stolen", verdict: "never" } });
  assert.deepEqual([b.state.name, b.state.code_name, b.state.reason], ["stopped", "session_revoked", "stolen"]);
  for (const type of ["offline", "online", "visible", "frozen", "thawed", "start", "overflow"]) assert.deepEqual(b.step({ type }).did, []);
  for (const name of ["retry", "welcome", "silence", "refresh"]) assert.deepEqual(b.step({ type: "timer", name }).did, []);
});

test("resume waits retry_after_ms plus jitter, and no wake-up undercuts what the gateway asked for", () => {
  const b = bench().open().frame({ bye: { code: 4429, verdict: "resume", retry_after_ms: 7_000 } });
  assert.equal(b.state.retry_in_ms, 7_250);
  b.step({ type: "visible" }, 1_000);
  assert.equal(b.action("prepare"), undefined);
  assert.equal(b.timers.get("retry"), 6_000);
  b.step({ type: "online" }, 6_000);
  assert.ok(b.action("prepare"));
});

test("reauthenticate waits for retry_after_ms too, then asks for a new token", () => {
  const b = bench().open().frame({ bye: { code: 4504, verdict: "reauthenticate", retry_after_ms: 5_000 } });
  assert.equal(b.state.retry_in_ms, 5_250);
  assert.equal(b.fire("retry").action("prepare").why, "reauthenticate");
});

test("a token refused again and again is asked for at a growing distance", () => {
  const b = bench().step({ type: "start" });
  const waits = [];
  for (let i = 0; i < 10; i++) {
    b.prepared().ended({ code: 4501, said: true });
    if (b.state.name === "waiting") {
      waits.push(b.state.retry_in_ms);
      b.fire("retry");
    }
    assert.equal(b.action("prepare").why, "reauthenticate");
  }
  assert.deepEqual(waits, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 15_000]);
});

test("backoff doubles to its bound with full jitter and forgets after 10 s of life", () => {
  const b = bench({ random: () => 0.999999 }).step({ type: "start" });
  const waits = [];
  for (let i = 0; i < 9; i++) {
    b.prepared().ended({ code: 1006 });
    waits.push(b.state.retry_in_ms);
    b.fire("retry");
  }
  assert.deepEqual(waits.map((ms) => Math.ceil(ms / 100) * 100), [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  b.prepared().welcome();
  b.now += 9_999;
  b.ended({ code: 1006 });
  assert.ok(b.state.retry_in_ms > 20_000, "a short life changes nothing");
  b.fire("retry").prepared().welcome();
  b.now += 10_000;
  assert.ok(b.ended({ code: 1006 }).state.retry_in_ms < 501);
  assert.equal(bench({ random: () => 0 }).open().ended({ code: 1006 }).state.retry_in_ms, 0);
});

test("two silent heartbeats end a connection; any frame counts as a sign of life", () => {
  const b = bench().open();
  b.frame({ position: { cursor: "p" } }, 49_000);
  b.step({ type: "timer", name: "silence" }, 1_000);
  assert.equal(b.timers.get("silence"), 49_000);
  b.fire("silence");
  assert.equal(b.state.name, "waiting");
  assert.match(b.state.reason, /two heartbeats/);
});

test("a clock that steps back does not silence the silence check", () => {
  const b = bench().open();
  b.now -= 86_400_000;
  b.step({ type: "timer", name: "silence" });
  assert.equal(b.timers.get("silence"), 50_000);
});

test("a page that becomes visible after a long sleep reconnects at once; one that heard lately does not", () => {
  const b = bench().open();
  assert.equal(b.step({ type: "visible" }, 10_000).state.name, "live");
  assert.equal(b.step({ type: "visible" }, 60_000).state.name, "waiting");
});

test("no welcome in time ends the attempt", () => {
  const b = bench().step({ type: "start" }).prepared();
  assert.equal(b.timers.get("welcome"), 15_000);
  assert.equal(b.fire("welcome").state.name, "waiting");
});

test("offline is a hint: an open connection stays, a waiting one waits longest, online tries at once", () => {
  const b = bench().open().step({ type: "offline" });
  assert.equal(b.state.name, "live");
  b.now += 20_000;
  b.ended({ code: 1006 });
  assert.deepEqual([b.state.name, b.state.retry_in_ms], ["offline", 30_000]);
  assert.equal(b.step({ type: "online" }, 100).state.name, "connecting");
});

test("online under an open connection renews it; offline while waiting says so", () => {
  const b = bench().open().step({ type: "offline" }).step({ type: "online" });
  assert.ok(b.action("disconnect"));
  assert.ok(b.action("prepare"));
  const waiting = bench().open().ended({ code: 1006 }).step({ type: "offline" });
  assert.equal(waiting.state.name, "offline");
});

test("wake-ups in a row try at most once a second", () => {
  const b = bench().step({ type: "start" }).prepared().ended({ code: 1006 });
  b.step({ type: "visible" }, 200);
  assert.equal(b.action("prepare"), undefined);
  assert.ok(b.fire("retry").action("prepare"));
});

test("a page put aside lets go and resumes when it comes back", () => {
  const b = bench().open().step({ type: "frozen" });
  assert.equal(b.state.name, "paused");
  assert.ok(b.action("disconnect"));
  assert.equal(b.step({ type: "thawed" }, 5_000).state.name, "connecting");
});

test("two WebSocket attempts without a word fall back to SSE, and a deaf SSE back to WebSocket", () => {
  const b = bench().step({ type: "start" });
  const used = [];
  for (let i = 0; i < 5; i++) {
    used.push(b.prepared().action("open").transport);
    b.ended({ code: 1006 }).fire("retry");
  }
  assert.deepEqual(used, ["websocket", "websocket", "sse", "websocket", "websocket"]);
});

test("a refusal by the gateway itself is no reason to change the transport", () => {
  const b = bench().step({ type: "start" });
  for (let i = 0; i < 4; i++) {
    assert.equal(b.prepared().action("open").transport, "websocket");
    b.frame({ bye: { code: 4453, verdict: "resume" } }).fire("retry");
  }
});

test("a fallback that works stays until the network changes", () => {
  const b = bench().step({ type: "start" });
  for (let i = 0; i < 2; i++) b.prepared().ended({ code: 1006 }).fire("retry");
  b.prepared().welcome().ended({}).fire("retry").prepared();
  assert.equal(b.action("open").transport, "sse");
  b.welcome().step({ type: "offline" }).step({ type: "online" }).prepared();
  assert.equal(b.action("open").transport, "websocket");
});

test("events go on in the order of the frames, position and caught_up between them", () => {
  const b = bench().open({ resume: "resumed" }, "c-0");
  assert.equal(b.state.name, "replaying");
  b.frame({ event: { n: 1 } }).frame({ caught_up: { cursor: "c-1" } }).frame({ event: { n: 2 } }).frame({ position: { cursor: "c-2" } });
  assert.deepEqual(b.handed.map((item) => [item.type, item.cursor ?? item.envelope?.n ?? "", item.replayed ?? ""]),
      [["resumed", "", ""], ["event", 1, true], ["cursor", "c-1", ""], ["event", 2, false], ["cursor", "c-2", ""]]);
  assert.equal(b.state.name, "live");
});

test("a fresh start takes head as its cursor, so that a break before the first event loses nothing", () => {
  assert.deepEqual(bench().open({ head: "h-9" }).handed, [{ type: "fresh", head: "h-9" }]);
});

test("a gap gives its reason, the new head and a random part of the spread", () => {
  const gap = (over) => ({ type: "gap", gap: { reason: "evicted", head: "h-9", spread_ms: 0, wait_ms: 0, ...over } });
  assert.deepEqual(bench().open({ resume: "gap", reason: "evicted", head: "h-9" }, "c-0").handed, [gap()]);
  const b = bench().open().frame({ gap: { reason: "evicted", head: "h-9", spread_ms: 8_000 } });
  assert.deepEqual(b.handed.at(-1), gap({ spread_ms: 8_000, wait_ms: 4_000 }));
});

test("a cursor answered by fresh is a gap: never a silent hole", () => {
  const b = bench().open({ resume: "fresh", head: "h-9" }, "c-0");
  assert.equal(b.handed[0].type, "gap");
  assert.equal(b.state.resume, "gap");
});

test("a welcome for somebody else stops the session before any event", () => {
  for (const [claims, welcome, stopped] of [
    [{ sub: "u-1", sid: "s-1" }, {}, false],
    [{ sub: "u-1", sid: "s-1" }, { user: "steam:u-1" }, false],
    [{ sub: "u-2", sid: "s-1" }, {}, true],
    [{ sub: "u-1", sid: "s-2" }, {}, true],
    [{}, { user: "" }, true],
  ]) {
    const b = bench().step({ type: "start" }).prepared(jwt(claims)).welcome(welcome);
    assert.equal(b.state.name === "stopped", stopped, JSON.stringify([claims, welcome]));
  }
});

test("a wrong clock is told at the welcome, with its size", () => {
  const b = bench().step({ type: "start" }).prepared();
  b.welcome({ now_ms: b.now - 120_000 });
  assert.deepEqual([b.problems[0].code, b.problems[0].offset_ms], ["clock_skew", -120_000]);
  assert.deepEqual(bench().open().problems, []);
});

test("the token is renewed in band a minute before it expires, by the gateway's clock", () => {
  const b = bench().step({ type: "start" }).prepared();
  b.welcome({ now_ms: b.now + 3_000, token_expires_ms: b.now + 3_000 + 600_000 });
  assert.equal(b.timers.get("refresh"), 540_000);
  assert.ok(b.fire("refresh").action("refresh_token"));
  b.step({ type: "refresh_token", token: "new" });
  assert.deepEqual(b.action("send").frame, { refresh: { token: "new" } });
  b.frame({ refreshed: { token_expires_ms: b.now + 3_000 + 100_000 } });
  assert.equal(b.timers.get("refresh"), 80_000);
  assert.equal(b.states.filter(({ name }) => name === "connecting").length, 1, "nothing reconnected");
});

test("over SSE a renewed token takes a new connection, without a pause and without asking twice", () => {
  const b = bench({ transports: ["sse"] }).step({ type: "start" }).prepared();
  b.welcome({ token_expires_ms: b.now + 600_000 }).fire("refresh").step({ type: "refresh_token", token: "new" });
  assert.deepEqual([b.action("prepare").why, b.action("prepare").token], ["expiring", "new"]);
  assert.ok(b.action("disconnect"));
});

test("a token that cannot be renewed yet is asked for again before it expires; far expiries fit a timer", () => {
  const b = bench().step({ type: "start" }).prepared();
  b.welcome({ token_expires_ms: b.now + 100_000 }).fire("refresh").step({ type: "refresh_token", token: null });
  assert.equal(b.timers.get("refresh"), 16_000);
  const far = bench().step({ type: "start" }).prepared();
  assert.equal(far.welcome({ token_expires_ms: far.now + 1e12 }).timers.get("refresh"), 0x7fffffff);
});

test("what an older connection still reports is ignored", () => {
  const b = bench().open();
  const old = b.session.epoch;
  b.ended({ code: 1006 });
  for (const input of [{ type: "frame", frame: { event: {} } }, { type: "ended", end: { code: 4503 } }, { type: "prepared", token: "t", cursor: "" }])
    assert.deepEqual(b.session.step({ ...input, epoch: old }, b.now), []);
});

test("frames out of order or unreadable are told and the connection is renewed; unknown ones are left alone", () => {
  const early = bench().step({ type: "start" }).prepared().frame({ event: {} });
  assert.deepEqual([early.problems[0].code, early.state.name, early.handed.length], ["bad_frame", "waiting", 0]);
  assert.equal(bench().open().welcome().problems[0].code, "bad_frame");
  assert.equal(bench().open().step({ type: "bad_frame", detail: "not JSON" }).state.name, "waiting");
  assert.equal(bench().open().frame({ a_later_invention: {} }).state.name, "live");
});

test("token trouble: a failure retries and keeps asking for the same reason, null means signed out", () => {
  const b = bench().open().frame({ bye: { code: 4502, reason: "expired", verdict: "reauthenticate" } });
  b.step({ type: "prepare_failed", reason: "token_failed: 500" });
  assert.equal(b.state.name, "waiting");
  assert.equal(b.fire("retry").action("prepare").why, "reauthenticate");
  b.step({ type: "signed_out" });
  assert.deepEqual([b.state.name, b.state.verdict, b.state.code_name], ["stopped", "reauthenticate", "token_expired"]);
  assert.equal(bench().open().frame({ bye: { code: 4503, reason: "stolen", verdict: "reauthenticate" } }).step({ type: "signed_out" }).state.reason, "stolen");
  assert.equal(bench().step({ type: "start" }).step({ type: "signed_out" }).state.reason, "signed out");
});

test("close asks for nothing more", () => {
  const b = bench().open().step({ type: "close" });
  assert.equal(b.state.name, "closed");
  assert.deepEqual([...b.timers], []);
  assert.deepEqual(b.step({ type: "online" }).did, []);
});
