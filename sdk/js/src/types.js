// The shapes that callers meet, as JSDoc types. Members named as on the wire keep their snake_case.

/**
 * Why an event was not handed on.
 * @typedef {"malformed" | "unknown_kid" | "bad_path" | "bad_signature" | "foreign_issuer" | "foreign_user"
 *   | "foreign_session" | "clock_skew" | "stale" | "failed"} RefusalReason
 */

/** @typedef {"resume" | "reauthenticate" | "never"} Verdict */
/** @typedef {"websocket" | "sse"} TransportName */

/**
 * One event, verified and handed on once.
 * @typedef {object} PushEvent
 * @property {string} kind
 * @property {string | null} payload   the payload's text as it was published; null when it is not UTF-8
 * @property {Uint8Array} bytes        the payload's bytes
 * @property {() => any} json          parses the payload; throws what JSON.parse throws
 * @property {string} event_id
 * @property {string} cursor
 * @property {string} user_id
 * @property {string} device_session_id empty: meant for every session of the user
 * @property {string} request_id
 * @property {string} trace_id
 * @property {string} issuer
 * @property {number} signed_at_ms     a replayed event is signed anew
 * @property {{kid: string, size: number, index: number}} proof the key, the size of the signed batch and the place in it
 * @property {boolean} verified        false only with `verify: false`
 * @property {boolean} replayed        missed while away, delivered before `live`
 */

/**
 * @typedef {object} Gap
 * @property {string} reason    the gateway's word: evicted, unknown, future, malformed, …
 * @property {string} head      events go on after this cursor
 * @property {number} spread_ms the time over which the gateway asks its clients to spread their reloads
 * @property {number} wait_ms   this client's random part of it: reload your state after this long
 */

/**
 * @typedef {object} RefusedEvent
 * @property {RefusalReason} reason
 * @property {string} detail
 * @property {unknown} envelope as received; nothing in it may be believed
 * @property {boolean} replayed
 */

/**
 * @typedef {object} State
 * @property {"idle" | "connecting" | "replaying" | "live" | "waiting" | "offline" | "paused" | "stopped" | "closed"} name
 * @property {TransportName} [transport]
 * @property {number} [attempt]        failed attempts in a row
 * @property {string} [user]           with replaying and live
 * @property {string} [session]        with replaying and live
 * @property {"fresh" | "resumed" | "gap"} [resume] with replaying and live
 * @property {number} [code]           close code of the last connection's end
 * @property {string} [code_name]      its name, "session_revoked"
 * @property {string} [reason]         the gateway's own words, or what failed
 * @property {Verdict} [verdict]       with waiting, offline and stopped; also while connecting again after an end
 * @property {number} [retry_in_ms]    with waiting and offline
 */

/**
 * Something the application should know and the connection survives.
 * @typedef {object} Problem
 * @property {"clock_skew" | "handler_failed" | "token_failed" | "keys_unavailable" | "cursor_store_failed" | "bad_frame"
 *   | "bad_redirect" | "unsupported" | "refused"} code
 * @property {string} detail
 * @property {unknown} [cause]
 * @property {number} [offset_ms] with clock_skew: the server's clock less this device's
 */

/**
 * @typedef {object} CursorStore
 * @property {() => string | null | Promise<string | null>} load
 * @property {(cursor: string) => void | Promise<void>} save
 */

/** @typedef {"connect" | "reauthenticate" | "expiring"} TokenReason */

/**
 * @typedef {object} Options
 * @property {string | URL} url the gateway, "https://push.example"; a path in it is a prefix of /v1/events
 * @property {string} [plane]   the only issuer of envelopes accepted; default "galaxy"
 * @property {(why: TokenReason) => string | null | Promise<string | null>} [token] asked before every connect and before
 *   the token expires; null: signed out, the client stops. Left out: the gateway's cookie is used
 * @property {string | URL | {keys: unknown[]}} [jwks] trusted envelope keys or their address; default /.well-known/jwks.json of `url`
 * @property {CursorStore} [cursorStore] default memoryCursorStore()
 * @property {(event: PushEvent) => void | Promise<void>} [onEvent]
 * @property {(gap: Gap) => void | Promise<void>} [onGap]
 * @property {(state: State) => void} [onState]
 * @property {(refused: RefusedEvent) => void} [onRefused] default: onError with code "refused"
 * @property {(problem: Problem) => void} [onError] default: console.error
 * @property {boolean} [verify] default true; false hands events on with verified = false
 * @property {"device" | "welcome"} [clock] what signed_at_ms is measured against; default "device"
 * @property {TransportName[]} [transports] in order of preference; default ["websocket", "sse"]
 * @property {number} [backoffMinMs] default 500
 * @property {number} [backoffMaxMs] default 30000
 * @property {number} [connectTimeoutMs] from opening to welcome; default 15000
 * @property {number} [queueEventsMax] events waiting for onEvent before the connection is let go; default 10000
 * @property {any} [WebSocket] constructor to use; default globalThis.WebSocket
 * @property {typeof fetch} [fetch] default globalThis.fetch
 * @property {Environment} [environment] where online/offline and page visibility come from; default the browser
 * @property {Clock} [clockSource] time and timers; default the real ones
 * @property {() => number} [random] in [0, 1); default Math.random
 */

/**
 * @typedef {object} Clock
 * @property {() => number} now milliseconds since 1970
 * @property {(run: () => void, ms: number) => unknown} set
 * @property {(timer: any) => void} clear
 */

/** @typedef {(listener: (signal: "online" | "offline" | "visible" | "frozen" | "thawed") => void) => (() => void)} Environment */

export {};
