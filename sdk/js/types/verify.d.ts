/**
 * Whether this runtime's WebCrypto can verify Ed25519: an explanation when it cannot, else null. Never rejects.
 * @param {SubtleCrypto | undefined} [subtle]
 * @returns {Promise<string | null>}
 */
export function missingCrypto(subtle?: SubtleCrypto | undefined): Promise<string | null>;
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
export function accepted({ fields, payload, text, proof }: import("./envelope.js").ReadEnvelopeResult): Accepted;
export { KeyStore } from "./keys.js";
export { Refusal } from "./envelope.js";
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
    constructor({ plane, jwks, keys, toleranceMs, now, subtle }: {
        plane: string;
        jwks?: string | URL | {
            keys: unknown[];
        } | undefined;
        keys?: Pick<KeyStore, "find"> | undefined;
        toleranceMs?: number | undefined;
        now?: (() => number) | undefined;
        subtle?: SubtleCrypto | undefined;
    });
    plane_: string;
    keys_: Pick<KeyStore, "find">;
    tolerance_ms_: number;
    now_: () => number;
    subtle_: SubtleCrypto;
    /** @type {Map<string, Promise<boolean>>} */
    roots_: Map<string, Promise<boolean>>;
    /**
     * @param {unknown} envelope what JSON.parse gave
     * @param {Receiver} receiver
     * @returns {Promise<Accepted | Refused>}
     */
    verify(envelope: unknown, receiver: Receiver): Promise<Accepted | Refused>;
    /** @param {import("./envelope.js").ReadEnvelopeResult} read */
    checkSignature_(read: import("./envelope.js").ReadEnvelopeResult): Promise<void>;
    /**
     * @param {CryptoKey} key
     * @param {import("./envelope.js").Proof} proof
     * @param {Uint8Array} root
     * @returns {Promise<boolean>}
     */
    rootVerifies_(key: CryptoKey, proof: import("./envelope.js").Proof, root: Uint8Array): Promise<boolean>;
    /**
     * @param {{issuer: string, user_id: string, device_session_id: string}} fields
     * @param {Receiver} receiver
     */
    checkReceiver_(fields: {
        issuer: string;
        user_id: string;
        device_session_id: string;
    }, receiver: Receiver): void;
    /**
     * @param {number} signed_at_ms
     * @param {Receiver} receiver
     */
    checkTime_(signed_at_ms: number, { offset_ms, trust_offset }: Receiver): void;
}
export type Receiver = {
    /**
     * the only user_id accepted
     */
    user: string;
    /**
     * the only device_session_id accepted, beside an empty one
     */
    session: string;
    /**
     * the server's clock less ours (from welcome.now_ms): lets a refusal tell a wrong device
     *  clock from an old signature
     */
    offset_ms?: number | undefined;
    /**
     * measure signed_at_ms against the server's clock (see `clock` in README.md)
     */
    trust_offset?: boolean | undefined;
};
export type Accepted = {
    ok: true;
    fields: import("./envelope.js").ReadEnvelopeResult["fields"];
    payload: Uint8Array;
    text: string | null;
    signed_at_ms: number;
    proof: {
        kid: string;
        size: number;
        index: number;
    };
};
export type Refused = {
    ok: false;
    reason: import("./types.js").RefusalReason;
    detail: string;
};
