// docs/envelope.md, "Verifier, in this order": every vector, and each step on its own.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { leafBytes, leafHash, readEnvelope, rootFromPath } from "../src/envelope.js";
import { KeyStore, missingCrypto, Verifier } from "../src/verify.js";
import { newKey, signBatch } from "./fake/signer.js";

const vectors = JSON.parse(readFileSync(new URL("../../../tests/conformance/envelope/vectors.json", import.meta.url), "utf8"));
const kSigned = 1763850000123;
const subtle = globalThis.crypto.subtle;
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const receiverOf = ({ user_id, device_session_id }) => ({ user: user_id, session: device_session_id || "another" });
const verifier = (over = {}) => new Verifier({ plane: vectors.issuer, jwks: vectors.jwks, now: () => kSigned, ...over });

for (const { name, envelope, payload_hex, leaf_hex, leaf_hash_hex, root_hex } of vectors.valid)
  test(`accepted: ${name}`, async () => {
    const read = readEnvelope(envelope);
    assert.equal(hex(leafBytes(read)), leaf_hex);
    const leaf = await leafHash(leafBytes(read), subtle);
    assert.equal(hex(leaf), leaf_hash_hex);
    assert.equal(hex(await rootFromPath(leaf, read.proof, subtle)), root_hex);
    const verdict = await verifier().verify(envelope, receiverOf(envelope));
    assert.ok(verdict.ok, verdict.detail);
    assert.equal(hex(verdict.payload), payload_hex);
  });

// A wrong path must fail by its shape, before any signature is asked.
const kBadPaths = ["index equals size", "size zero", "size over 256", "path one hash short", "path one hash long"];

for (const warm of [false, true])
  for (const { name, reason, envelope } of vectors.invalid)
    test(`refused${warm ? " with every good root remembered" : ""}: ${name} (${reason})`, async () => {
      const tried = verifier();
      if (warm) for (const good of vectors.valid) assert.ok((await tried.verify(good.envelope, receiverOf(good.envelope))).ok);
      const verdict = await tried.verify(envelope, receiverOf(envelope));
      assert.equal(verdict.ok, false);
      if (!verdict.ok) assert.notEqual(verdict.reason, "failed", verdict.detail);
      if (kBadPaths.includes(name)) assert.equal(verdict.reason, "bad_path");
      // The issuer is covered by the signature; the vector must not be refused only because it is not ours.
      if (name !== "issuer altered") assert.ok(!verdict.reason.startsWith("foreign"), verdict.reason);
    });

test("an altered issuer fails by its signature, not only by its name", async () => {
  const { envelope } = vectors.invalid.find(({ name }) => name === "issuer altered");
  const verdict = await verifier({ plane: envelope.issuer }).verify(envelope, receiverOf(envelope));
  assert.equal(verdict.reason, "bad_signature");
});

const key = newKey();
const ours = { user: "u-1", session: "s-1" };
const event = { user_id: "u-1", kind: "k", payload: "{}", cursor: "c-1", event_id: "e-1" };
const signed = (over = {}, at = kSigned) => signBatch(key, "galaxy", [{ ...event, ...over }], at)[0];
const own = (over = {}) => new Verifier({ plane: "galaxy", jwks: { keys: [key.jwk] }, now: () => kSigned, ...over });

test("step 4: issuer, user and session are the receiver's own", async () => {
  assert.ok((await own().verify(signed(), ours)).ok);
  assert.ok((await own().verify(signed({ device_session_id: "s-1" }), ours)).ok);
  assert.equal((await own().verify(signed({ device_session_id: "s-2" }), ours)).reason, "foreign_session");
  assert.equal((await own().verify(signed({ user_id: "u-2" }), ours)).reason, "foreign_user");
  assert.equal((await own({ plane: "other" }).verify(signed(), ours)).reason, "foreign_issuer");
});

test("step 5: five minutes either way, no more", async () => {
  const five = 300_000;
  for (const [at, ok] of [[kSigned - five, true], [kSigned + five, true], [kSigned - five - 1, false], [kSigned + five + 1, false]])
    assert.equal((await own().verify(signed({}, at), ours)).ok, ok, String(at - kSigned));
  assert.equal((await own().verify(signed({}, kSigned - five - 1), ours)).reason, "stale");
});

test("step 5: a wrong device clock is named as such, and trusted away only on request", async () => {
  const hour = 3_600_000;
  const ahead = own({ now: () => kSigned + hour });
  assert.equal((await ahead.verify(signed(), { ...ours, offset_ms: -hour })).reason, "clock_skew");
  assert.ok((await ahead.verify(signed(), { ...ours, offset_ms: -hour, trust_offset: true })).ok);
  assert.equal((await ahead.verify(signed({}, kSigned - hour), { ...ours, offset_ms: -hour, trust_offset: true })).reason, "stale");
});

test("step 3: the events of one batch cost one signature check, whichever comes first", async () => {
  let checks = 0;
  const counting = new Proxy(subtle, { get: (target, name) => (name === "verify" && checks++, target[name].bind(target)) });
  const batch = signBatch(key, "galaxy", [1, 2, 3, 4, 5].map((n) => ({ ...event, cursor: `c-${n}` })), kSigned);
  const one = own({ subtle: counting });
  for (const verdict of await Promise.all(batch.map((envelope) => one.verify(envelope, ours)))) assert.ok(verdict.ok);
  assert.equal(checks, 1);
});

test("step 2: an index beyond the batch and a batch beyond 256 are refused though the signature covers them", async () => {
  const alone = signed();
  assert.equal((await own().verify({ ...alone, proof: { ...alone.proof, index: 1 } }, ours)).reason, "bad_path");
  const crowd = signBatch(key, "galaxy", Array.from({ length: 257 }, (_, n) => ({ ...event, cursor: `c-${n}` })), kSigned);
  assert.equal((await own().verify(crowd[7], ours)).reason, "bad_path");
  assert.ok((await own().verify(signBatch(key, "galaxy", Array(256).fill(event), kSigned)[255], ours)).ok);
});

test("step 1: keys of another type or use are not keys", async () => {
  for (const change of [{ kty: "EC" }, { crv: "X25519" }, { use: "enc" }, { use: undefined }, { x: key.jwk.x.slice(2) }])
    await assert.rejects(new KeyStore({ jwks: { keys: [{ ...key.jwk, ...change }] } }).load(), /no Ed25519 signing key/);
});

test("text that has no UTF-8 form is refused, not repaired", async () => {
  const repaired = signed({ payload: "\ufffd" });
  assert.equal((await own().verify({ ...repaired, payload: "\ud800" }, ours)).reason, "malformed");
  const kind = signed({ kind: "\ufffd" });
  assert.equal((await own().verify({ ...kind, kind: "\udfff" }, ours)).reason, "malformed");
});

test("whatever comes instead of an envelope is refused, never thrown", async () => {
  const { proof } = signed();
  for (const odd of [null, undefined, 7, "x", [], {}, { proof: null }, { proof: [] }, { proof }, { ...signed(), payload: null },
    { ...signed(), payload: undefined, payload_b64: "e30" }, { ...signed(), user_id: null }, { ...signed(), proof: { ...proof, kid: 7 } },
    { ...signed(), proof: { ...proof, index: 1.5 } }, { ...signed(), proof: { ...proof, size: Infinity } }]) {
    const verdict = await own().verify(odd, ours);
    assert.equal(verdict.ok, false);
    assert.equal(verdict.reason, "malformed", JSON.stringify(odd));
  }
});

// Keys: "A client that meets an unknown kid refetches, at most once in 30 seconds."
test("an unknown kid refetches the keys, once in 30 seconds however many ask", async () => {
  const newer = newKey();
  let now = 1_000_000, fetches = 0, published = [key.jwk];
  const fetch = async () => (fetches++, new Response(JSON.stringify({ keys: published })));
  const keys = new KeyStore({ jwks: "https://push.example/jwks", fetch, now: () => now });
  await keys.load();
  assert.equal(fetches, 1);
  now += 29_999;
  assert.equal(await keys.find(newer.kid), null);
  assert.equal(fetches, 1, "within the cooldown of the first load");
  published = [key.jwk, newer.jwk];
  now += 1;
  const found = await Promise.all([keys.find(newer.kid), keys.find(newer.kid), keys.find("nobody")]);
  assert.ok(found[0] && found[1]);
  assert.equal(found[2], null);
  assert.equal(fetches, 2);
  assert.ok(await keys.find(key.kid));
  now += 15_000;
  assert.equal(await keys.find("nobody"), null);
  assert.equal(fetches, 2);
});

test("keys that cannot be fetched reject the load; the known ones outlive a failed refetch", async () => {
  let now = 0, answer = () => new Response("no", { status: 503 });
  const keys = new KeyStore({ jwks: "https://push.example/jwks", fetch: async () => answer(), now: () => now });
  await assert.rejects(keys.load(), /503/);
  answer = () => new Response(JSON.stringify({ keys: [key.jwk] }));
  await keys.load();
  answer = () => { throw new Error("offline"); };
  now += 700_000;
  await keys.load();
  assert.ok(await keys.find(key.kid));
  assert.equal(await keys.find("nobody"), null);
});

test("a runtime without WebCrypto or Ed25519 says so", async () => {
  assert.equal(await missingCrypto(), null);
  assert.match(await missingCrypto(/** @type {any} */ (null)), /HTTPS/);
  assert.match(await missingCrypto(/** @type {any} */ ({ importKey: async () => { throw new Error("NotSupported"); } })), /no Ed25519/);
});
