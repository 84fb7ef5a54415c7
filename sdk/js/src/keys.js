// KeyStore holds the trusted envelope keys: a JWKS given as an object, or fetched from its address.
//
//   Errors   load() and a refetch reject when the document cannot be had; find() never does, it answers null.
//   Limits   Refetch for an unknown kid at most once in 30 s; a load older than 10 minutes is renewed on connect;
//            a fetch is given up after 10 s; at most 64 keys and 256 KiB.
//
// A key counts only when it is kty=OKP, crv=Ed25519, use=sig and 32 bytes long. No key is ever taken from an envelope.

import { fromBase64Url } from "./bytes.js";

const kRefetchMs = 30_000;
const kCacheMs = 600_000;
const kFetchTimeoutMs = 10_000;
const kKeysMax = 64;
const kDocumentCharsMax = 256 * 1024;

/** @param {unknown} jwk */
function keyBytes(jwk) {
  const { kty, crv, use, kid, x } = /** @type {Record<string, unknown>} */ (jwk ?? {});
  if (kty !== "OKP" || crv !== "Ed25519" || use !== "sig" || typeof kid !== "string" || typeof x !== "string") return null;
  try {
    const raw = fromBase64Url(x);
    return raw.length === 32 ? { kid, raw } : null;
  } catch {
    return null;
  }
}

export class KeyStore {
  /**
   * @param {object} config
   * @param {string | URL | {keys: unknown[]}} config.jwks
   * @param {typeof fetch} [config.fetch]
   * @param {() => number} [config.now] milliseconds
   * @param {SubtleCrypto} [config.subtle]
   */
  constructor({ jwks, fetch = globalThis.fetch, now = Date.now, subtle = globalThis.crypto?.subtle }) {
    this.source_ = jwks;
    this.fetch_ = fetch;
    this.now_ = now;
    this.subtle_ = subtle;
    /** @type {Map<string, CryptoKey>} */
    this.keys_ = new Map();
    this.tried_ms_ = -Infinity;
    this.loaded_ms_ = -Infinity;
    /** @type {Promise<void> | null} */
    this.loading_ = null;
  }

  /** Makes sure that there are keys; renews old ones in the background. Rejects when there are none. */
  async load() {
    const age_ms = this.now_() - this.loaded_ms_;
    if (age_ms < kCacheMs) return;
    if (this.loaded_ms_ === -Infinity) return this.reload_();
    this.reload_().catch(() => {});  // the old keys still serve; an unknown kid asks again and reports
  }

  /**
   * The key of `kid`, after a refetch when it is unknown and the cooldown allows one; null when it stays unknown.
   * @param {string} kid
   * @returns {Promise<CryptoKey | null>}
   */
  async find(kid) {
    const known = this.keys_.get(kid);
    if (known) return known;
    if (this.loading_ || this.now_() - this.tried_ms_ >= kRefetchMs) await this.reload_().catch(() => {});
    return this.keys_.get(kid) ?? null;
  }

  reload_() {
    this.loading_ ??= this.fetchKeys_().finally(() => (this.loading_ = null));
    return this.loading_;
  }

  async fetchKeys_() {
    this.tried_ms_ = this.now_();
    const document = await this.document_();
    if (!Array.isArray(document?.keys)) throw new Error("the JWKS has no list of keys");
    /** @type {Map<string, CryptoKey>} */
    const keys = new Map();
    for (const jwk of document.keys.slice(0, kKeysMax)) {
      const key = keyBytes(jwk);
      if (key) keys.set(key.kid, await this.subtle_.importKey("raw", key.raw, { name: "Ed25519" }, false, ["verify"]));
    }
    if (keys.size === 0) throw new Error("the JWKS has no Ed25519 signing key");
    this.keys_ = keys;
    this.loaded_ms_ = this.now_();
  }

  async document_() {
    if (typeof this.source_ === "object" && "keys" in this.source_) return this.source_;
    const response = await this.fetch_(this.source_, {
      headers: { accept: "application/jwk-set+json, application/json" },
      cache: "no-cache",
      credentials: "omit",
      signal: AbortSignal.timeout(kFetchTimeoutMs),
    });
    if (!response.ok) throw new Error(`the JWKS answered ${response.status}`);
    const text = await response.text();
    if (text.length > kDocumentCharsMax) throw new Error("the JWKS is too long");
    return JSON.parse(text);
  }
}
