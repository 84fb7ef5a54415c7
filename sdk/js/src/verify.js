// Verifier decides whether an envelope may be handed on: steps 1 to 5 of docs/envelope.md (step 6, duplicates, needs
// the order of the stream and is in recent.js). It can be used alone, in browsers and Node 20:
//
//   const verifier = new Verifier({ jwks: "https://push.example/.well-known/jwks.json", plane: "galaxy" });
//   const verdict = await verifier.verify(envelope, { user: "u-1", session: "s-1" });
//   if (verdict.ok) use(verdict.text); else report(verdict.reason, verdict.detail);
//
//   Errors   verify() never rejects: what cannot be verified is refused with a reason.
//   Limits   The last 256 verified roots are remembered, so the other events of a batch cost hashes only.

import { toBase64Url } from "./bytes.js";
import { leafBytes, leafHash, readEnvelope, Refusal, rootBytes, rootFromPath } from "./envelope.js";
import { KeyStore } from "./keys.js";

export { KeyStore } from "./keys.js";
export { Refusal } from "./envelope.js";

const kToleranceMs = 5 * 60_000;
const kRootsMax = 256;

/**
 * Whether this runtime's WebCrypto can verify Ed25519: an explanation when it cannot, else null. Never rejects.
 * @param {SubtleCrypto | undefined} [subtle]
 * @returns {Promise<string | null>}
 */
export async function missingCrypto(subtle = globalThis.crypto?.subtle) {
  if (!subtle) return "WebCrypto is missing: a page needs HTTPS or a loopback address for it";
  try {
    // The public key of RFC 8032 section 7.1, test 1.
    const key = Uint8Array.from(
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".match(/../g) ?? [], (hex) => parseInt(hex, 16));
    await subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
    return null;
  } catch {
    return "this runtime's WebCrypto has no Ed25519 (Chrome 137, Firefox 129, Safari 17 and Node 20 have it)";
  }
}

/**
 * @typedef {object} Receiver
 * @property {string} user        the only user_id accepted
 * @property {string} session     the only device_session_id accepted, beside an empty one
 * @property {number} [offset_ms] the server's clock less ours (from welcome.now_ms): lets a refusal tell a wrong device
 *                                clock from an old signature
 * @property {boolean} [trust_offset] measure signed_at_ms against the server's clock (see `clock` in README.md)
 */

/**
 * @typedef {object} Accepted
 * @property {true} ok
 * @property {import("./envelope.js").ReadEnvelopeResult["fields"]} fields
 * @property {Uint8Array} payload
 * @property {string | null} text
 * @property {number} signed_at_ms
 * @property {{kid: string, size: number, index: number}} proof
 */

/** @typedef {{ok: false, reason: import("./types.js").RefusalReason, detail: string}} Refused */

/**
 * @param {import("./envelope.js").ReadEnvelopeResult} read
 * @returns {Accepted}
 */
export function accepted({ fields, payload, text, proof }) {
  const { kid, size, index, signed_at_ms } = proof;
  return { ok: true, fields, payload, text, signed_at_ms, proof: { kid, size, index } };
}

export class Verifier {
  /**
   * @param {object} config
   * @param {string} config.plane the only issuer accepted
   * @param {string | URL | {keys: unknown[]}} [config.jwks] or `keys`
   * @param {Pick<KeyStore, "find">} [config.keys]
   * @param {number} [config.toleranceMs]
   * @param {() => number} [config.now]
   * @param {SubtleCrypto} [config.subtle]
   */
  constructor({ plane, jwks, keys, toleranceMs = kToleranceMs, now = Date.now, subtle = globalThis.crypto?.subtle }) {
    if (!keys && !jwks) throw new TypeError("a Verifier needs jwks or keys");
    this.plane_ = plane;
    this.keys_ = keys ?? new KeyStore({ jwks: /** @type {string} */ (jwks), now, subtle });
    this.tolerance_ms_ = toleranceMs;
    this.now_ = now;
    this.subtle_ = subtle;
    /** @type {Map<string, Promise<boolean>>} */
    this.roots_ = new Map();
  }

  /**
   * @param {unknown} envelope what JSON.parse gave
   * @param {Receiver} receiver
   * @returns {Promise<Accepted | Refused>}
   */
  async verify(envelope, receiver) {
    try {
      const read = readEnvelope(envelope);
      await this.checkSignature_(read);
      this.checkReceiver_(read.fields, receiver);
      this.checkTime_(read.proof.signed_at_ms, receiver);
      return accepted(read);
    } catch (error) {
      if (error instanceof Refusal) return { ok: false, reason: error.reason, detail: error.detail };
      return { ok: false, reason: "failed", detail: String(error) };
    }
  }

  /** @param {import("./envelope.js").ReadEnvelopeResult} read */
  async checkSignature_(read) {
    const key = await this.keys_.find(read.proof.kid);
    if (!key) throw new Refusal("unknown_kid", `no trusted key is named ${read.proof.kid}`);
    const leaf = await leafHash(leafBytes(read), this.subtle_);
    const root = await rootFromPath(leaf, read.proof, this.subtle_);
    if (!(await this.rootVerifies_(key, read.proof, root))) throw new Refusal("bad_signature", "the signature does not cover it");
  }

  /**
   * @param {CryptoKey} key
   * @param {import("./envelope.js").Proof} proof
   * @param {Uint8Array} root
   * @returns {Promise<boolean>}
   */
  rootVerifies_(key, proof, root) {
    // The signature is part of the name: an event never verifies on the strength of a neighbour's good one.
    const name = [proof.kid, proof.signed_at_ms, proof.size, toBase64Url(root), toBase64Url(proof.sig)].join(" ");
    const known = this.roots_.get(name);
    if (known) return known;
    const verifying = this.subtle_.verify({ name: "Ed25519" }, key, proof.sig, rootBytes(proof, root));
    this.roots_.set(name, verifying);
    const forget = () => this.roots_.delete(name);
    verifying.then((good) => good || forget(), forget);
    if (this.roots_.size > kRootsMax) this.roots_.delete(/** @type {string} */ (this.roots_.keys().next().value));
    return verifying;
  }

  /**
   * @param {{issuer: string, user_id: string, device_session_id: string}} fields
   * @param {Receiver} receiver
   */
  checkReceiver_(fields, receiver) {
    if (fields.issuer !== this.plane_) throw new Refusal("foreign_issuer", `issued by ${fields.issuer}`);
    if (fields.user_id !== receiver.user) throw new Refusal("foreign_user", `meant for user ${fields.user_id}`);
    if (fields.device_session_id !== "" && fields.device_session_id !== receiver.session)
      throw new Refusal("foreign_session", `meant for session ${fields.device_session_id}`);
  }

  /**
   * @param {number} signed_at_ms
   * @param {Receiver} receiver
   */
  checkTime_(signed_at_ms, { offset_ms = 0, trust_offset = false }) {
    const by_device_ms = signed_at_ms - this.now_();
    const by_server_ms = by_device_ms - offset_ms;
    if (Math.abs(trust_offset ? by_server_ms : by_device_ms) <= this.tolerance_ms_) return;
    const seconds = Math.round(by_device_ms / 1000);
    if (Math.abs(by_server_ms) <= this.tolerance_ms_)
      throw new Refusal("clock_skew", `signed ${seconds} s from this device's clock, but right by the server's: the device clock is wrong`);
    throw new Refusal("stale", `signed ${seconds} s from now`);
  }
}
