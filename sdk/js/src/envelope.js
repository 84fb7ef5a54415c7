// The signed envelope of docs/envelope.md as values: reading its JSON form, the signing input of one event (LEAF)
// and of a batch (ROOT), and the walk from leaf to root. Nothing here knows keys, clocks or receivers.
//
//   Errors   ReadEnvelope(), RootFromPath(): throw Refusal with the reason.
//   Cost     One SHA-256 for the leaf and one per path element (at most 8).

import { concat, fromBase64, fromBase64Url, lengthPrefixed, utf8 } from "./bytes.js";

/** Why an envelope was refused; `reason` is one of the words listed in README.md. */
export class Refusal extends Error {
  /**
   * @param {import("./types.js").RefusalReason} reason
   * @param {string} detail
   */
  constructor(reason, detail) {
    super(`${reason}: ${detail}`);
    this.name = "Refusal";
    this.reason = reason;
    this.detail = detail;
  }
}

const kFields = /** @type {const} */ ([
  "issuer", "user_id", "device_session_id", "kind", "event_id", "request_id", "trace_id", "cursor",
]);
const kProofMembers = ["kid", "salt", "signed_at_ms", "size", "index", "path", "sig"];
const kBatchMax = 256;
const kHashBytes = 32;
const kLeafTag = utf8("galaxy-push-event-v1");
const kRootTag = utf8("galaxy-push-root-v1");

/**
 * @typedef {object} Proof
 * @property {string} kid
 * @property {Uint8Array} salt
 * @property {number} signed_at_ms
 * @property {number} size
 * @property {number} index
 * @property {Uint8Array} path
 * @property {Uint8Array<ArrayBuffer>} sig
 */

/**
 * An envelope whose members all have their type and length; nothing about its signature is known yet.
 * @typedef {object} ReadEnvelopeResult
 * @property {Record<typeof kFields[number], string>} fields missing strings are empty
 * @property {Uint8Array} payload
 * @property {string | null} text the payload's text, null when it is not UTF-8
 * @property {Proof} proof
 */

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * @template T
 * @param {string} name
 * @param {() => T} make
 * @returns {T}
 */
function member(name, make) {
  try {
    return make();
  } catch (error) {
    throw new Refusal("malformed", `${name}: ${/** @type {Error} */ (error).message}`);
  }
}

/** @param {Record<string, unknown>} envelope */
function readPayload(envelope) {
  const { payload, payload_b64 } = envelope;
  if ((payload === undefined) === (payload_b64 === undefined))
    throw new Refusal("malformed", "exactly one of payload and payload_b64 is required");
  if (typeof payload === "string")
    return { text: payload, payload: member("payload", () => utf8(payload)) };
  if (typeof payload_b64 === "string")
    return { text: null, payload: member("payload_b64", () => fromBase64(payload_b64)) };
  throw new Refusal("malformed", "payload is not a string");
}

/**
 * @param {unknown} proof
 * @returns {Proof}
 */
function readProof(proof) {
  if (!isObject(proof)) throw new Refusal("malformed", "no proof");
  for (const name of kProofMembers)
    if (!Object.hasOwn(proof, name)) throw new Refusal("malformed", `proof lacks ${name}`);
  for (const name of ["kid", "salt", "path", "sig"])
    if (typeof proof[name] !== "string") throw new Refusal("malformed", `${name} is not a string`);
  for (const name of ["signed_at_ms", "size", "index"]) {
    const value = proof[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
      throw new Refusal("malformed", `${name} is not a whole number below 2^53`);
  }
  const { kid, signed_at_ms, size, index } =
      /** @type {{kid: string, signed_at_ms: number, size: number, index: number}} */ (/** @type {unknown} */ (proof));
  const [salt, path, sig] = ["salt", "path", "sig"].map(
      (name) => member(name, () => fromBase64Url(/** @type {string} */ (proof[name]))));
  if (salt.length !== 16) throw new Refusal("malformed", "salt is not 16 bytes");
  if (sig.length !== 64) throw new Refusal("malformed", "sig is not 64 bytes");
  if (path.length % kHashBytes !== 0) throw new Refusal("malformed", "path is not whole hashes");
  return { kid, salt, signed_at_ms, size, index, path, sig };
}

/**
 * @param {unknown} envelope what JSON.parse gave
 * @returns {ReadEnvelopeResult}
 */
export function readEnvelope(envelope) {
  if (!isObject(envelope)) throw new Refusal("malformed", "not an object");
  const fields = /** @type {ReadEnvelopeResult["fields"]} */ ({});
  for (const name of kFields) {
    const value = Object.hasOwn(envelope, name) ? envelope[name] : "";
    if (typeof value !== "string") throw new Refusal("malformed", `${name} is not a string`);
    fields[name] = value;
  }
  const proof = readProof(envelope.proof);
  return { fields, ...readPayload(envelope), proof };
}

/**
 * LEAF of docs/envelope.md.
 * @param {ReadEnvelopeResult} read
 */
export function leafBytes({ fields, payload, proof }) {
  const text = kFields.map((name) => member(name, () => utf8(fields[name])));
  return lengthPrefixed([kLeafTag, proof.salt, ...text, payload]);
}

/**
 * @param {number} prefix 0 for a leaf, 1 for a node
 * @param {Uint8Array[]} parts
 * @param {SubtleCrypto} subtle
 */
async function hash(prefix, parts, subtle) {
  return new Uint8Array(await subtle.digest("SHA-256", concat([Uint8Array.of(prefix), ...parts])));
}

/**
 * @param {Uint8Array} leaf
 * @param {SubtleCrypto} subtle
 */
export function leafHash(leaf, subtle) {
  return hash(0, [leaf], subtle);
}

/**
 * The root that `proof` claims for a leaf hash (RFC 9162 section 2.1.3.2).
 * @param {Uint8Array} leaf_hash
 * @param {Proof} proof
 * @param {SubtleCrypto} subtle
 */
export async function rootFromPath(leaf_hash, { index, size, path }, subtle) {
  if (size < 1 || size > kBatchMax || index >= size) throw new Refusal("bad_path", "index or size out of range");
  let node = leaf_hash, fn = index, sn = size - 1;
  for (let at = 0; at < path.length; at += kHashBytes) {
    if (sn === 0) throw new Refusal("bad_path", "path too long");
    const sibling = path.subarray(at, at + kHashBytes);
    if (fn & 1 || fn === sn) {
      node = await hash(1, [sibling, node], subtle);
      while (fn !== 0 && !(fn & 1)) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      node = await hash(1, [node, sibling], subtle);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn !== 0) throw new Refusal("bad_path", "path too short");
  return node;
}

/**
 * ROOT of docs/envelope.md: what the signature covers.
 * @param {Proof} proof
 * @param {Uint8Array} root
 */
export function rootBytes({ kid, signed_at_ms, size }, root) {
  const numbers = new DataView(new ArrayBuffer(12));
  numbers.setBigUint64(0, BigInt(signed_at_ms));
  numbers.setUint32(8, size);
  return concat([lengthPrefixed([kRootTag, utf8(kid)]), new Uint8Array(numbers.buffer), root]);
}
