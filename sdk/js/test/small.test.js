// The small parts: SSE parsing, frames, base64, and that what is checked in as types is what the source says.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { partitionOf } from "../src/partition.js";
import { fromBase64, fromBase64Url, toBase64Url } from "../src/bytes.js";
import { readFrame } from "../src/frames.js";
import { SseParser } from "../src/sse_parser.js";
import { localStorageCursorStore } from "../src/stores.js";

test("the partition of a user is what the gateways take it for (4.11)", () => {
  // 38: the check value of CRC-32/ISO-HDLC, 0xcbf43926.
  const known = { "123456789": 38, alice: 71, bob: 64, "Jürgen": 73, "": 0, "0190f3a2-7c11-7e55-9d4e-0a1b2c3d4e5f": 160 };
  for (const [user, partition] of Object.entries(known)) assert.equal(partitionOf(user), partition, user);
});

const parse = (pieces) => {
  const data = [];
  const parser = new SseParser((text) => data.push(text));
  for (const piece of pieces) parser.push(piece);
  return { data, retry_ms: parser.retry_ms };
};

const kStream = "\ufeff: hello\r\nid: c-1\r\ndata: {\"a\":1}\r\n\r\nretry: 250\ndata:x\ndata: y\n\ndata\r\rretry: soon\nevent: e\n\n: only\n\ndata: half";
test("a stream parses the same however it is cut", () => {
  const want = { data: ['{"a":1}', "x\ny", ""], retry_ms: 250 };
  assert.deepEqual(parse([kStream]), want);
  assert.deepEqual(parse([...kStream]), want);
  for (let at = 1; at < kStream.length; at++) assert.deepEqual(parse([kStream.slice(0, at), kStream.slice(at)]), want, `cut at ${at}`);
});

test("an event without end is cut off", () => {
  assert.throws(() => parse(Array(9).fill("x".repeat(1 << 20))), RangeError);
  assert.throws(() => parse(Array(9).fill(`data: ${"x".repeat(1 << 20)}\n`)), RangeError);
});

test("a frame is an object with exactly one object in it", () => {
  assert.deepEqual(readFrame('{"position":{"cursor":"c"}}'), { frame: { position: { cursor: "c" } } });
  for (const bad of ["", "x", "[]", "null", "7", "{}", '{"a":{},"b":{}}', '{"a":null}', '{"a":"text"}', new ArrayBuffer(2), "\u0000"])
    assert.ok("bad" in readFrame(bad), String(bad));
});

test("base64 has one text for each byte string", () => {
  for (let size = 0; size < 70; size++) {
    const bytes = Buffer.from(Array.from({ length: size }, (_, i) => (i * 37 + size * 11) & 255));
    assert.equal(toBase64Url(bytes), bytes.toString("base64url"));
    assert.deepEqual(Buffer.from(fromBase64Url(bytes.toString("base64url"))), bytes);
    assert.deepEqual(Buffer.from(fromBase64(bytes.toString("base64"))), bytes);
  }
  for (const bad of ["A", "AB", "AA==", "A+", "A/", "A A", "\u0141A", "AAB"]) assert.throws(() => fromBase64Url(bad), bad);
  for (const bad of ["A", "AA", "AA=", "AA===", "====", "A===", "AB==", "AAB=", "A-==", "AA==AA==", "=AAA"]) assert.throws(() => fromBase64(bad), bad);
});

test("localStorage keeps cursors apart by name", () => {
  const items = new Map();
  const storage = { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value) };
  const [one, two] = [localStorageCursorStore("one", storage), localStorageCursorStore("two", storage)];
  one.save("c-1");
  assert.deepEqual([one.load(), two.load()], ["c-1", null]);
});

test("the types that are checked in are those of the source", () => {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const out = mkdtempSync(join(tmpdir(), "galaxy-push-types-"));
  try {
    execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", root, "--outDir", out], { stdio: "pipe" });
    const read = (folder) => Object.fromEntries(readdirSync(folder).sort().map((name) => [name, readFileSync(join(folder, name), "utf8")]));
    assert.deepEqual(read(join(root, "types")), read(out));
  } finally {
    rmSync(out, { recursive: true });
  }
});
