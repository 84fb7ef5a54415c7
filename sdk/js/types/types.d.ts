/**
 * Why an event was not handed on.
 */
export type RefusalReason = "malformed" | "unknown_kid" | "bad_path" | "bad_signature" | "foreign_issuer" | "foreign_user" | "foreign_session" | "clock_skew" | "stale" | "failed";
export type Verdict = "resume" | "reauthenticate" | "never";
export type TransportName = "websocket" | "sse";
/**
 * One event, verified and handed on once.
 */
export type PushEvent = {
    kind: string;
    /**
     * the payload's text as it was published; null when it is not UTF-8
     */
    payload: string | null;
    /**
     * the payload's bytes
     */
    bytes: Uint8Array;
    /**
     * parses the payload; throws what JSON.parse throws
     */
    json: () => any;
    event_id: string;
    cursor: string;
    user_id: string;
    /**
     * empty: meant for every session of the user
     */
    device_session_id: string;
    request_id: string;
    trace_id: string;
    issuer: string;
    /**
     * a replayed event is signed anew
     */
    signed_at_ms: number;
    /**
     * the key, the size of the signed batch and the place in it
     */
    proof: {
        kid: string;
        size: number;
        index: number;
    };
    /**
     * false only with `verify: false`
     */
    verified: boolean;
    /**
     * missed while away, delivered before `live`
     */
    replayed: boolean;
};
export type Gap = {
    /**
     * the gateway's word: evicted, unknown, future, malformed, …
     */
    reason: string;
    /**
     * events go on after this cursor
     */
    head: string;
    /**
     * the time over which the gateway asks its clients to spread their reloads
     */
    spread_ms: number;
    /**
     * this client's random part of it: reload your state after this long
     */
    wait_ms: number;
};
export type RefusedEvent = {
    reason: RefusalReason;
    detail: string;
    /**
     * as received; nothing in it may be believed
     */
    envelope: unknown;
    replayed: boolean;
};
export type State = {
    name: "idle" | "connecting" | "replaying" | "live" | "waiting" | "offline" | "paused" | "stopped" | "closed";
    transport?: TransportName | undefined;
    /**
     * failed attempts in a row
     */
    attempt?: number | undefined;
    /**
     * with replaying and live
     */
    user?: string | undefined;
    /**
     * with replaying and live
     */
    session?: string | undefined;
    /**
     * with replaying and live
     */
    resume?: "gap" | "fresh" | "resumed" | undefined;
    /**
     * close code of the last connection's end
     */
    code?: number | undefined;
    /**
     * its name, "session_revoked"
     */
    code_name?: string | undefined;
    /**
     * the gateway's own words, or what failed
     */
    reason?: string | undefined;
    /**
     * with waiting, offline and stopped; also while connecting again after an end
     */
    verdict?: Verdict | undefined;
    /**
     * with waiting and offline
     */
    retry_in_ms?: number | undefined;
};
/**
 * Something the application should know and the connection survives.
 */
export type Problem = {
    code: "clock_skew" | "handler_failed" | "token_failed" | "keys_unavailable" | "cursor_store_failed" | "bad_frame" | "bad_redirect" | "unsupported" | "refused";
    detail: string;
    cause?: unknown;
    /**
     * with clock_skew: the server's clock less this device's
     */
    offset_ms?: number | undefined;
};
export type CursorStore = {
    load: () => string | null | Promise<string | null>;
    save: (cursor: string) => void | Promise<void>;
};
export type TokenReason = "connect" | "reauthenticate" | "expiring";
export type Options = {
    /**
     * the gateway, "https://push.example"; a path in it is a prefix of /v1/events
     */
    url: string | URL;
    /**
     * the only issuer of envelopes accepted; default "galaxy"
     */
    plane?: string | undefined;
    /**
     * asked before every connect and before
     * the token expires; null: signed out, the client stops. Left out: the gateway's cookie is used
     */
    token?: ((why: TokenReason) => string | null | Promise<string | null>) | undefined;
    /**
     * trusted envelope keys or their address; default /.well-known/jwks.json of `url`
     */
    jwks?: string | URL | {
        keys: unknown[];
    } | undefined;
    /**
     * default memoryCursorStore()
     */
    cursorStore?: CursorStore | undefined;
    onEvent?: ((event: PushEvent) => void | Promise<void>) | undefined;
    onGap?: ((gap: Gap) => void | Promise<void>) | undefined;
    onState?: ((state: State) => void) | undefined;
    /**
     * default: onError with code "refused"
     */
    onRefused?: ((refused: RefusedEvent) => void) | undefined;
    /**
     * default: console.error
     */
    onError?: ((problem: Problem) => void) | undefined;
    /**
     * default true; false hands events on with verified = false
     */
    verify?: boolean | undefined;
    /**
     * what signed_at_ms is measured against; default "device"
     */
    clock?: "device" | "welcome" | undefined;
    /**
     * in order of preference; default ["websocket", "sse"]
     */
    transports?: TransportName[] | undefined;
    /**
     * default 500
     */
    backoffMinMs?: number | undefined;
    /**
     * default 30000
     */
    backoffMaxMs?: number | undefined;
    /**
     * from opening to welcome; default 15000
     */
    connectTimeoutMs?: number | undefined;
    /**
     * events waiting for onEvent before the connection is let go; default 10000
     */
    queueEventsMax?: number | undefined;
    /**
     * constructor to use; default globalThis.WebSocket
     */
    WebSocket?: any;
    /**
     * default globalThis.fetch
     */
    fetch?: typeof fetch | undefined;
    /**
     * where online/offline and page visibility come from; default the browser
     */
    environment?: Environment | undefined;
    /**
     * time and timers; default the real ones
     */
    clockSource?: Clock | undefined;
    /**
     * in [0, 1); default Math.random
     */
    random?: (() => number) | undefined;
};
export type Clock = {
    /**
     * milliseconds since 1970
     */
    now: () => number;
    set: (run: () => void, ms: number) => unknown;
    clear: (timer: any) => void;
};
export type Environment = (listener: (signal: "online" | "offline" | "visible" | "frozen" | "thawed") => void) => (() => void);
