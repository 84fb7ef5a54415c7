// A second implementation of docs/envelope.md, on node:crypto, so that the tests do not check src/ against itself.
import { createHash, generateKeyPairSync, createPublicKey, randomBytes, sign } from "node:crypto";

const lp = (bytes) => {
  const data = Buffer.from(bytes);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(data.length);
  return Buffer.concat([size, data]);
};
const sha = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const node = (left, right) => sha(Buffer.of(1), left, right);
const kText = ["user_id", "device_session_id", "kind", "event_id", "request_id", "trace_id", "cursor"];

const split = (n) => {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
};
const root = (hashes) => hashes.length === 1 ? hashes[0] : node(root(hashes.slice(0, split(hashes.length))), root(hashes.slice(split(hashes.length))));
const path = (hashes, index) => {
  if (hashes.length === 1) return [];
  const k = split(hashes.length);
  return index < k ? [...path(hashes.slice(0, k), index), root(hashes.slice(k))]
                   : [...path(hashes.slice(k), index - k), root(hashes.slice(0, k))];
};

/** A fresh Ed25519 key with its JWK and RFC 7638 thumbprint. */
export function newKey() {
  const { privateKey } = generateKeyPairSync("ed25519");
  const { x } = createPublicKey(privateKey).export({ format: "jwk" });
  const kid = createHash("sha256").update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest("base64url");
  return { privateKey, kid, jwk: { kty: "OKP", crv: "Ed25519", use: "sig", alg: "EdDSA", kid, x } };
}

/** Signs events ({user_id, kind, payload: text, cursor, …}) as one batch; the envelopes come back in order. */
export function signBatch(key, issuer, events, signed_at_ms = Date.now()) {
  const salts = events.map(() => randomBytes(16));
  const hashes = events.map((event, i) => sha(Buffer.of(0), lp("galaxy-push-event-v1"), lp(salts[i]), lp(issuer),
      ...kText.map((name) => lp(event[name] ?? "")), lp(event.payload ?? "")));
  const numbers = Buffer.alloc(12);
  numbers.writeBigUInt64BE(BigInt(signed_at_ms));
  numbers.writeUInt32BE(events.length, 8);
  const sig = sign(null, Buffer.concat([lp("galaxy-push-root-v1"), lp(key.kid), numbers, root(hashes)]), key.privateKey);
  return events.map((event, index) => ({
    issuer,
    ...Object.fromEntries(kText.map((name) => [name, event[name] ?? ""])),
    payload: event.payload ?? "",
    proof: {
      kid: key.kid, salt: salts[index].toString("base64url"), signed_at_ms, size: events.length, index,
      path: Buffer.concat(path(hashes, index)).toString("base64url"), sig: sig.toString("base64url"),
    },
  }));
}

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** An EdDSA JWT. */
export function signToken(key, claims) {
  const body = `${part({ alg: "EdDSA", typ: "JWT", kid: key.kid })}.${part(claims)}`;
  return `${body}.${sign(null, Buffer.from(body), key.privateKey).toString("base64url")}`;
}

