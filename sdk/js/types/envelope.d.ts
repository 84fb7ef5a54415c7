/**
 * @param {unknown} envelope what JSON.parse gave
 * @returns {ReadEnvelopeResult}
 */
export function readEnvelope(envelope: unknown): ReadEnvelopeResult;
/**
 * LEAF of docs/envelope.md.
 * @param {ReadEnvelopeResult} read
 */
export function leafBytes({ fields, payload, proof }: ReadEnvelopeResult): Uint8Array<ArrayBuffer>;
/**
 * @param {Uint8Array} leaf
 * @param {SubtleCrypto} subtle
 */
export function leafHash(leaf: Uint8Array, subtle: SubtleCrypto): Promise<Uint8Array<ArrayBuffer>>;
/**
 * The root that `proof` claims for a leaf hash (RFC 9162 section 2.1.3.2).
 * @param {Uint8Array} leaf_hash
 * @param {Proof} proof
 * @param {SubtleCrypto} subtle
 */
export function rootFromPath(leaf_hash: Uint8Array, { index, size, path }: Proof, subtle: SubtleCrypto): Promise<Uint8Array<ArrayBufferLike>>;
/**
 * ROOT of docs/envelope.md: what the signature covers.
 * @param {Proof} proof
 * @param {Uint8Array} root
 */
export function rootBytes({ kid, signed_at_ms, size }: Proof, root: Uint8Array): Uint8Array<ArrayBuffer>;
/** Why an envelope was refused; `reason` is one of the words listed in README.md. */
export class Refusal extends Error {
    /**
     * @param {import("./types.js").RefusalReason} reason
     * @param {string} detail
     */
    constructor(reason: import("./types.js").RefusalReason, detail: string);
    reason: import("./types.js").RefusalReason;
    detail: string;
}
export type Proof = {
    kid: string;
    salt: Uint8Array;
    signed_at_ms: number;
    size: number;
    index: number;
    path: Uint8Array;
    sig: Uint8Array<ArrayBuffer>;
};
/**
 * An envelope whose members all have their type and length; nothing about its signature is known yet.
 */
export type ReadEnvelopeResult = {
    /**
     * missing strings are empty
     */
    fields: Record<(typeof kFields)[number], string>;
    payload: Uint8Array;
    /**
     * the payload's text, null when it is not UTF-8
     */
    text: string | null;
    proof: Proof;
};
declare const kFields: readonly ["issuer", "user_id", "device_session_id", "kind", "event_id", "request_id", "trace_id", "cursor"];
export {};
