// Order, duplicates and the cursor, with a verifier that answers when the test says so.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CursorKeeper } from "../src/cursor_keeper.js";
import { Pipeline } from "../src/pipeline.js";
import { Recent } from "../src/recent.js";

const accepted = (fields) => ({ ok: true, fields: { event_id: "", kind: "k", ...fields }, payload: new Uint8Array(), text: "{}", signed_at_ms: 1, proof: { kid: "k", size: 1, index: 0 } });
const refused = { ok: false, reason: "bad_signature", detail: "d" };
const settle = () => new Promise((resolve) => setImmediate(resolve));

class Bench {
  constructor({ onEvent = () => {}, onGap = () => {}, events_max = 100 } = {}) {
    this.log = [];
    this.answers = [];
    this.pipeline = new Pipeline({
      verified: true,
      verify: () => new Promise((resolve) => this.answers.push(resolve)),
      onEvent: (event) => (this.log.push(`event ${event.cursor}`), onEvent(event)),
      onGap: (gap) => (this.log.push(`gap ${gap.reason}`), onGap(gap)),
      onRefused: ({ reason }) => this.log.push(`refused ${reason}`),
      onError: ({ code }) => this.log.push(code),
      onCursor: (cursor) => this.log.push(`cursor ${cursor}`),
    }, events_max);
  }

  event(answer) {
    const at = this.answers.length;
    const room = this.pipeline.push({ type: "event", envelope: {}, receiver: { user: "u", session: "s" }, replayed: false });
    if (answer) this.answers[at](answer);
    return room;
  }

  async events(...cursors) {
    for (const cursor of cursors) this.event(accepted({ cursor }));
    await this.pipeline.idle();
  }

  take() {
    return this.log.splice(0);
  }
}

test("events are handed on in the order of arrival, however the verifications finish", async () => {
  const b = new Bench();
  for (let i = 0; i < 4; i++) b.event();
  b.pipeline.push({ type: "cursor", cursor: "p" });
  for (const i of [3, 1, 2]) b.answers[i](accepted({ cursor: `c${i}` }));
  await settle();
  assert.deepEqual(b.take(), []);
  b.answers[0](accepted({ cursor: "c0" }));
  await b.pipeline.idle();
  assert.deepEqual(b.take(), [0, 1, 2, 3].flatMap((i) => [`event c${i}`, `cursor c${i}`]).concat("cursor p"));
});

test("at most 64 events are verified ahead", async () => {
  const b = new Bench({ events_max: 1000 });
  for (let i = 0; i < 200; i++) b.event();
  await settle();
  assert.equal(b.answers.length, 64);
  b.answers[0](accepted({ cursor: "c0" }));
  await settle();
  assert.equal(b.answers.length, 65);
});

test("the cursor moves only after a handler that takes its time", async () => {
  let done;
  const b = new Bench({ onEvent: () => new Promise((resolve) => (done = resolve)) });
  b.event(accepted({ cursor: "c1" }));
  b.pipeline.push({ type: "cursor", cursor: "p1" });
  await settle();
  assert.deepEqual(b.take(), ["event c1"]);
  done();
  await b.pipeline.idle();
  assert.deepEqual(b.take(), ["cursor c1", "cursor p1"]);
});

test("a handler that throws is told and does not stop the stream", async () => {
  const b = new Bench({ onEvent: ({ cursor }) => { if (cursor === "c1") throw new Error("no"); } });
  await b.events("c1", "c2");
  assert.deepEqual(b.take(), ["event c1", "handler_failed", "cursor c1", "event c2", "cursor c2"]);
});

test("a cursor or a non-empty event_id seen lately is a duplicate; an empty event_id never is", async () => {
  const b = new Bench();
  for (const fields of [{ cursor: "c1", event_id: "a" }, { cursor: "c1", event_id: "b" }, { cursor: "c2", event_id: "a" },
    { cursor: "c3" }, { cursor: "c4" }]) b.event(accepted(fields));
  await b.pipeline.idle();
  assert.deepEqual(b.take().filter((line) => line.startsWith("event")), ["event c1", "event c3", "event c4"]);
});

test("a refused event is told, not handed on, is no duplicate of its good self, and holds the cursor", async () => {
  const b = new Bench();
  await b.events("c1");
  b.event(refused);
  b.event(accepted({ cursor: "c3" }));
  b.pipeline.push({ type: "cursor", cursor: "p3" });
  await b.pipeline.idle();
  assert.deepEqual(b.take(), ["event c1", "cursor c1", "refused bad_signature", "event c3"]);
  b.pipeline.push({ type: "resumed" });  // at c1: the gateway sends both again
  await b.events("c2", "c3", "c4");
  assert.deepEqual(b.take(), ["event c2", "cursor c2", "cursor c3", "event c4", "cursor c4"]);
});

test("a gap lets go of the held cursor and of the duplicates, and moves the cursor after onGap", async () => {
  let done;
  const b = new Bench({ onGap: () => new Promise((resolve) => (done = resolve)) });
  b.event(refused);
  b.event(accepted({ cursor: "c1" }));
  b.pipeline.push({ type: "gap", gap: { reason: "evicted", head: "h", spread_ms: 0, wait_ms: 0 } });
  await settle();
  assert.deepEqual(b.take(), ["refused bad_signature", "event c1", "gap evicted"]);
  done();
  await b.events("c1");
  assert.deepEqual(b.take(), ["cursor h", "event c1", "cursor c1"]);
});

test("a fresh start forgets the duplicates", async () => {
  const b = new Bench();
  await b.events("c1");
  b.pipeline.push({ type: "fresh", head: "h" });
  await b.events("c1");
  assert.deepEqual(b.take(), ["event c1", "cursor c1", "cursor h", "event c1", "cursor c1"]);
});

test("push says when too much waits, and loses nothing", async () => {
  let release;
  const b = new Bench({ events_max: 3, onEvent: () => release === undefined && new Promise((resolve) => (release = resolve)) });
  assert.deepEqual([1, 2, 3, 4].map((n) => b.event(accepted({ cursor: `c${n}` }))), [true, true, true, false]);
  await settle();
  release();
  await b.pipeline.idle();
  assert.equal(b.take().filter((line) => line.startsWith("event")).length, 4);
});

test("stop hands on nothing more", async () => {
  const b = new Bench();
  b.event();
  b.event();
  b.pipeline.stop();
  for (const answer of b.answers) answer(accepted({ cursor: "c" }));
  await b.pipeline.idle();
  assert.deepEqual(b.take(), []);
});

test("the window of duplicates is 1,024 events long", () => {
  const recent = new Recent();
  for (let i = 0; i <= 1024; i++) recent.add({ cursor: `c${i}`, event_id: `e${i}` });
  assert.equal(recent.has({ cursor: "c0", event_id: "e0" }), false);
  assert.equal(recent.has({ cursor: "c1", event_id: "" }), true);
  assert.equal(recent.has({ cursor: "new", event_id: "e1" }), true);
  assert.equal(recent.cursors_.size, 1024);
});

test("the store gets one save at a time and always ends with the newest cursor", async () => {
  const saves = [], pending = [];
  const keeper = new CursorKeeper({ load: async () => "c0", save: (cursor) => (saves.push(cursor), new Promise((resolve) => pending.push(resolve))) }, assert.fail);
  await keeper.load();
  assert.equal(keeper.cursor, "c0");
  for (const cursor of ["c1", "c2", "c3"]) keeper.move(cursor);
  assert.deepEqual(saves, ["c1"]);
  pending[0]();
  await settle();
  assert.deepEqual(saves, ["c1", "c3"]);
  const flushed = keeper.flush();
  pending[1]();
  await flushed;
});

test("a store that fails is told and the stream goes on", async () => {
  const problems = [];
  const fail = () => { throw new Error("quota"); };
  const keeper = new CursorKeeper({ load: fail, save: fail }, ({ code }) => problems.push(code));
  await keeper.load();
  keeper.move("c1");
  await keeper.flush();
  assert.equal(keeper.cursor, "c1");
  assert.deepEqual(problems, ["cursor_store_failed", "cursor_store_failed"]);
});
