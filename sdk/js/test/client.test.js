// The client over real sockets against test/fake/gateway.js: both transports, and faults that a real gateway will not
// produce on demand.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { WebSocket } from "ws";
import { connect, memoryCursorStore } from "../src/index.js";
import { FakeGateway } from "./fake/gateway.js";
import { newKey } from "./fake/signer.js";

const kDeadlineMs = 8_000;
const cleanups = [];
afterEach(async () => {
  // Clients first; one whose handler a failed test left blocked must not keep the gateway open.
  const all = cleanups.splice(0).reverse();
  await Promise.race([Promise.all(all.map((cleanup) => cleanup())), new Promise((resolve) => setTimeout(resolve, 1_000).unref())]);
});

async function gatewayOf(options) {
  const gateway = await new FakeGateway(options).listen();
  cleanups.push(() => gateway.close());
  return gateway;
}

/** A client that writes down everything it is told; until() waits for a condition on that, with a deadline. */
class Device {
  constructor(gateway, options = {}) {
    Object.assign(this, { events: [], states: [], gaps: [], refused: [], problems: [], asked: [] });
    const note = (list) => (what) => void list.push(what);
    this.client = connect({
      url: gateway.url, WebSocket, backoffMinMs: 5, backoffMaxMs: 40,
      token: (why) => (this.asked.push(why), gateway.token("u-1", options.session ?? "s-1")),
      onEvent: note(this.events), onState: note(this.states), onGap: note(this.gaps), onRefused: note(this.refused), onError: note(this.problems),
      ...options,
    });
    cleanups.push(() => this.client.close());
  }

  async until(condition, what = String(condition)) {
    const deadline = Date.now() + kDeadlineMs;
    while (!condition(this)) {
      if (Date.now() > deadline) throw new Error(`not in time: ${what}; states ${JSON.stringify(this.states)}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return this;
  }

  live(times = 1) {
    return this.until(() => this.names("live") >= times, `live ${times}`);
  }

  names(name) {
    return this.states.filter((state) => state.name === name).length;
  }

  get turns() {
    return this.events.map((event) => event.json().turn);
  }
}

const turn = (n, over = {}) => ({ user_id: "u-1", kind: "game.turn.ready", payload: `{"turn": ${n}}`, event_id: `t-${n}`, ...over });
const turns = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => turn(from + i));
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

for (const transport of ["websocket", "sse"]) {
  const device = (gateway, options) => new Device(gateway, { transports: [transport], ...options });

  test(`${transport}: verified events arrive in order, and only our own`, async () => {
    const gateway = await gatewayOf();
    const [one, two] = [device(gateway), device(gateway, { session: "s-2" })];
    await Promise.all([one.live(), two.live()]);
    gateway.publish(...turns(1, 5));
    gateway.publish(turn(6, { device_session_id: "s-2" }), turn(7, { user_id: "u-9" }), turn(8));
    await two.until(() => two.events.length === 7);
    await one.until(() => one.events.length === 6);
    assert.deepEqual(one.turns, [1, 2, 3, 4, 5, 8]);
    assert.deepEqual(two.turns, [1, 2, 3, 4, 5, 6, 8]);
    assert.ok(one.events.every(({ verified }) => verified));
    assert.equal(one.events[0].payload, '{"turn": 1}');
    assert.deepEqual([one.states.at(-1).transport, one.states.at(-1).resume], [transport, "fresh"]);
    for (const { url } of gateway.connects) assert.equal(url, "/v1/events", "no token in any URL");
  });

  test(`${transport}: a lost connection resumes without loss, order or doubles disturbed`, async () => {
    const gateway = await gatewayOf();
    const one = await device(gateway).live();
    gateway.publish(...turns(1, 100));
    await one.until(() => one.events.length >= 40);
    for (const connection of gateway.connections) connection.drop();
    gateway.publish(...turns(101, 300));
    await one.until(() => one.events.length >= 300 && one.names("live") === 2);
    assert.deepEqual(one.turns, range(1, 300));
    assert.ok(one.events.at(-1).replayed);
    assert.equal(one.states.find(({ name }) => name === "replaying").resume, "resumed");
  });

  test(`${transport}: a tampered event is refused with its reason, the rest goes on, a resume brings the good one`, async () => {
    const gateway = await gatewayOf();
    const one = await device(gateway).live();
    gateway.tamper = (envelope) => envelope.event_id === "t-2" ? { ...envelope, payload: '{"turn": 9}' } : envelope;
    gateway.publish(...turns(1, 3));
    await one.until(() => one.events.length === 2);
    assert.deepEqual(one.turns, [1, 3]);
    assert.equal(one.refused[0].reason, "bad_signature");
    assert.equal(one.client.cursor, gateway.entries[0].cursor, "held before the refused event");
    assert.equal(one.names("waiting"), 0, "the connection stays");
    gateway.tamper = null;
    for (const connection of gateway.connections) connection.drop();
    await one.until(() => one.events.length === 3);
    assert.deepEqual(one.turns, [1, 3, 2]);
  });

  test(`${transport}: a revoked session stops with the reason and never comes back`, async () => {
    const gateway = await gatewayOf();
    const [one, two] = [device(gateway), device(gateway, { session: "s-2" })];
    await Promise.all([one.live(), two.live()]);
    gateway.invalidate({ user_id: "u-1", device_session_id: "s-1", reason: "stolen phone" });
    await one.until(() => one.names("stopped") === 1);
    assert.deepEqual([one.client.state.code, one.client.state.code_name, one.client.state.reason, one.client.state.verdict],
        [4503, "session_revoked", "stolen phone", "never"]);
    gateway.publish(turn(1));
    await two.until(() => two.events.length === 1);
    assert.deepEqual([one.events.length, two.names("live"), gateway.connects.length], [0, 1, 2]);
  });

  test(`${transport}: an invalidated user signs in anew`, async () => {
    const gateway = await gatewayOf();
    const one = await device(gateway, { session: "s-1" }).live();
    await new Promise((resolve) => setTimeout(resolve, 2));  // the new token's auth_time must be later
    gateway.invalidate({ user_id: "u-1", reason: "password changed" });
    await one.live(2);
    assert.deepEqual(one.asked.slice(0, 2), ["connect", "reauthenticate"]);
  });

  test(`${transport}: refusals at the door are told apart`, async () => {
    const gateway = await gatewayOf();
    gateway.refuse = ["stale", "unauthenticated", "too_many"];
    const one = await device(gateway).live();
    assert.deepEqual(one.states.filter(({ name }) => name === "waiting").map(({ code_name }) => code_name).slice(0, 1), ["stale"]);
    assert.ok(one.asked.includes("reauthenticate"));
    gateway.refuse = ["bad_request"];
    for (const connection of gateway.connections) connection.drop();
    await one.until(() => one.names("stopped") === 1);
    assert.equal(one.client.state.code, 4500);
  });

  test(`${transport}: a gap is announced once and its head becomes the cursor`, async () => {
    const gateway = await gatewayOf();
    gateway.publish(...turns(1, 3));
    const one = device(gateway, { cursorStore: memoryCursorStore("0".repeat(16) + "-" + "1".repeat(12)) });
    await one.live();
    assert.deepEqual(one.gaps, [{ reason: "unknown", head: gateway.head, spread_ms: 0, wait_ms: 0 }]);
    gateway.gap("evicted", 1000);
    await one.until(() => one.gaps.length === 2);
    assert.ok(one.gaps[1].wait_ms < 1000);
    await one.until(() => one.client.cursor === gateway.head);
  });

  test(`${transport}: position frames move the cursor when nothing else does`, async () => {
    const gateway = await gatewayOf();
    const one = await device(gateway).live();
    gateway.publish(turn(1, { user_id: "u-9" }), turn(2));
    await one.until(() => one.events.length === 1);
    gateway.publish(turn(3, { user_id: "u-9" }));
    gateway.position();
    gateway.publish(turn(4));
    await one.until(() => one.events.length === 2);
    for (const connection of gateway.connections) connection.drop();
    await one.live(2);
    assert.equal(gateway.connects.at(-1).cursor, gateway.head);
  });

  test(`${transport}: silence of two heartbeats reconnects`, async () => {
    const gateway = await gatewayOf({ heartbeat_ms: 40 });
    const one = await device(gateway).live();
    for (const connection of gateway.connections) connection.muted = true;
    await one.live(2);
    assert.match(one.states.find(({ name }) => name === "waiting").reason, /two heartbeats/);
  });

  test(`${transport}: a token about to expire is renewed without a loss`, async () => {
    const gateway = await gatewayOf();
    let lives = [1_500, 3_600_000];
    const one = await device(gateway, { token: (why) => (one_asked.push(why), gateway.token("u-1", "s-1", { life_ms: lives.shift() ?? 3_600_000 })) });
    const one_asked = one.asked;
    await one.live();
    if (transport === "sse") await one.live(2);
    else await one.until(() => gateway.refresh_frames.length === 1);
    assert.deepEqual(one.asked, ["connect", "expiring"]);
    gateway.publish(turn(1));
    await one.until(() => one.events.length === 1);
    assert.equal(gateway.connects.length, transport === "sse" ? 2 : 1);
    assert.equal(one.names("waiting"), 0);
  });

  test(`${transport}: keys that roll over are fetched when they are met`, async () => {
    let ahead_ms = 0;
    const now = () => Date.now() + ahead_ms;
    const gateway = await gatewayOf({ now });
    const one = await device(gateway, { clockSource: { now, set: setTimeout, clear: clearTimeout } }).live();
    gateway.key = newKey();
    gateway.publish(turn(1));
    await one.until(() => one.refused.length === 1);
    assert.equal(one.refused[0].reason, "unknown_kid");
    ahead_ms = 30_001;  // the cooldown is over
    gateway.publish(turn(2));
    await one.until(() => one.events.length === 1);
    assert.equal(gateway.jwks_requests, 2);
  });
}

test("without a WebSocket the client takes SSE", async () => {
  const gateway = await gatewayOf();
  const one = await new Device(gateway, { WebSocket: undefined }).live();
  assert.equal(one.states.at(-1).transport, globalThis.WebSocket ? "websocket" : "sse");
});

test("where no WebSocket gets through the client falls back to SSE", async () => {
  const gateway = await gatewayOf();
  gateway.refuse_websocket = true;
  const one = await new Device(gateway).live();
  assert.equal(one.states.at(-1).transport, "sse");
  gateway.publish(turn(1));
  await one.until(() => one.events.length === 1);
});

test("a slow handler lets the connection go instead of piling up, and loses nothing", async () => {
  const gateway = await gatewayOf();
  let free, blocked = new Promise((resolve) => (free = resolve));
  const seen = [];
  const one = await new Device(gateway, { queueEventsMax: 10, onEvent: async (event) => { await blocked; seen.push(event.json().turn); } }).live();
  gateway.publish(...turns(1, 200));
  await one.until(() => one.states.some(({ reason }) => reason === "onEvent is slower than the stream"));
  blocked = null;
  free();
  await one.until(() => seen.length === 200);
  assert.deepEqual(seen, range(1, 200));
});

test("the stored cursor never runs ahead of the handler", async () => {
  const gateway = await gatewayOf();
  const saved = [];
  let free;
  const one = new Device(gateway, {
    cursorStore: { load: async () => null, save: async (cursor) => void saved.push(cursor) },
    onEvent: () => new Promise((resolve) => (free = resolve)),
  });
  await one.live();
  gateway.publish(turn(1));
  gateway.position();
  await one.until(() => free);
  assert.ok(!saved.includes(gateway.head));
  const closed = one.client.close();
  free();
  await closed;
  assert.equal(saved.at(-1), gateway.head, "close() waits for the handler and the store");
});

test("a wrong device clock is told, its events are refused by name, and clock: \"welcome\" takes them", async () => {
  const gateway = await gatewayOf();
  const clockSource = { now: () => Date.now() + 3_600_000, set: setTimeout, clear: clearTimeout };
  const strict = await new Device(gateway, { clockSource }).live();
  const lenient = await new Device(gateway, { clockSource, clock: "welcome", session: "s-2" }).live();
  assert.equal(strict.problems[0].code, "clock_skew");
  gateway.publish(turn(1));
  await strict.until(() => strict.refused.length === 1);
  await lenient.until(() => lenient.events.length === 1);
  assert.equal(strict.refused[0].reason, "clock_skew");
});

test("keys that cannot be had keep the client from connecting, and it says so", async () => {
  const gateway = await gatewayOf();
  const one = new Device(gateway, { jwks: `${gateway.url}/nowhere` });
  await one.until(() => one.problems.length >= 2);
  assert.equal(one.problems[0].code, "keys_unavailable");
  assert.equal(gateway.connects.length, 0);
});

test("a runtime without Ed25519 stops and says so; it never hands on unverified events by itself", async () => {
  const gateway = await gatewayOf();
  const real = globalThis.crypto.subtle.importKey;
  globalThis.crypto.subtle.importKey = async () => { throw new DOMException("no", "NotSupportedError"); };
  cleanups.push(() => (globalThis.crypto.subtle.importKey = real));
  const one = new Device(gateway);
  await one.until(() => one.names("stopped") === 1);
  assert.equal(one.problems[0].code, "unsupported");
  assert.match(one.client.state.reason, /Ed25519/);
  assert.equal(gateway.connects.length, 0);
  const open = await new Device(gateway, { verify: false }).live();
  gateway.publish(turn(1));
  await open.until(() => open.events.length === 1);
  assert.equal(open.events[0].verified, false);
});

test("without onRefused a refused event reaches onError", async () => {
  const gateway = await gatewayOf();
  const one = await new Device(gateway, { onRefused: undefined }).live();
  gateway.tamper = (envelope) => ({ ...envelope, kind: "other" });
  gateway.publish(turn(1));
  await one.until(() => one.problems.some(({ code }) => code === "refused"));
});

test("a page put aside lets go and resumes without loss", async () => {
  const gateway = await gatewayOf();
  let signal;
  const one = await new Device(gateway, { environment: (listener) => ((signal = listener), () => (signal = null)) }).live();
  signal("frozen");
  assert.equal(one.client.state.name, "paused");
  gateway.publish(turn(1));
  signal("thawed");
  await one.until(() => one.events.length === 1);
  await one.client.close();
  assert.equal(signal, null, "a closed client listens no more");
});

test("a reconnect waits until what had arrived was handed on, so that it resumes where the application really is", async () => {
  const gateway = await gatewayOf();
  let free;
  const blocked = new Promise((resolve) => (free = resolve));
  const one = await new Device(gateway, { onEvent: () => blocked }).live();
  gateway.publish(...turns(1, 3));
  await one.until(() => one.client.pipeline_.queue_.length === 3);
  for (const connection of gateway.connections) connection.drop();
  await one.until(() => one.names("connecting") === 2);
  await one.until(() => one.asked.length === 2);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(gateway.connects.length, 1);
  free();
  await one.live(2);
  assert.equal(gateway.connects[1].cursor, gateway.head);
});

test("a live that comes late, after its connection ended, is not told", async () => {
  const gateway = await gatewayOf();
  gateway.publish(turn(1), turn(2));
  let free;
  const blocked = new Promise((resolve) => (free = resolve));
  const one = new Device(gateway, { cursorStore: memoryCursorStore(gateway.entries[0].cursor), onEvent: () => blocked });
  await one.until(() => one.names("replaying") === 1);
  await one.until(() => one.client.pipeline_.queue_.some(({ item }) => item.type === "call"));
  for (const connection of gateway.connections) connection.bye("drain");
  await one.until(() => one.names("waiting") === 1);
  free();
  await one.live();
  assert.deepEqual(one.states.map(({ name }) => name), ["connecting", "replaying", "waiting", "connecting", "replaying", "live"]);
});

test("what a callback causes comes after the actions that it interrupted", async () => {
  const gateway = await gatewayOf();
  const names = [];
  const one = new Device(gateway, { clockSource: { now: () => Date.now() + 3_600_000, set: setTimeout, clear: clearTimeout },
    onError: () => void one.client.close(), onState: ({ name }) => names.push(name) });
  await one.until(() => names.includes("closed"));
  assert.equal(names.at(-1), "closed");
  assert.equal(one.client.timers_.size, 0, "no timer of the interrupted welcome outlives the close");
});

test("close() inside onState stops for good and leaves no timer behind", async () => {
  const gateway = await gatewayOf();
  const timers = new Set();
  const clockSource = { now: Date.now, set: (run, ms) => { const t = setTimeout(() => (timers.delete(t), run()), ms); timers.add(t); return t; },
    clear: (t) => (timers.delete(t), clearTimeout(t)) };
  const one = new Device(gateway, { clockSource, onState: ({ name }) => { if (name === "live") one.client.close(); } });
  await one.until(() => one.client.state.name === "closed");
  assert.equal(timers.size, 0);
});

test("options that cannot work are refused at once", () => {
  for (const options of [{}, { url: "ftp://x" }, { url: "http://x", token: "text" }, { url: "http://x", transports: ["carrier pigeon"] }, { url: "http://x", transports: [] }])
    assert.throws(() => connect(options), TypeError);
});
