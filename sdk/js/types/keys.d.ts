export class KeyStore {
    /**
     * @param {object} config
     * @param {string | URL | {keys: unknown[]}} config.jwks
     * @param {typeof fetch} [config.fetch]
     * @param {() => number} [config.now] milliseconds
     * @param {SubtleCrypto} [config.subtle]
     */
    constructor({ jwks, fetch, now, subtle }: {
        jwks: string | URL | {
            keys: unknown[];
        };
        fetch?: typeof globalThis.fetch | undefined;
        now?: (() => number) | undefined;
        subtle?: SubtleCrypto | undefined;
    });
    source_: string | URL | {
        keys: unknown[];
    };
    fetch_: typeof fetch;
    now_: () => number;
    subtle_: SubtleCrypto;
    /** @type {Map<string, CryptoKey>} */
    keys_: Map<string, CryptoKey>;
    tried_ms_: number;
    loaded_ms_: number;
    /** @type {Promise<void> | null} */
    loading_: Promise<void> | null;
    /** Makes sure that there are keys; renews old ones in the background. Rejects when there are none. */
    load(): Promise<void>;
    /**
     * The key of `kid`, after a refetch when it is unknown and the cooldown allows one; null when it stays unknown.
     * @param {string} kid
     * @returns {Promise<CryptoKey | null>}
     */
    find(kid: string): Promise<CryptoKey | null>;
    reload_(): Promise<void>;
    fetchKeys_(): Promise<void>;
    document_(): Promise<any>;
}
