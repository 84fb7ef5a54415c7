export class Session {
    /**
     * @param {object} config
     * @param {import("./types.js").TransportName[]} config.transports those that this runtime has
     * @param {number} config.backoff_min_ms
     * @param {number} config.backoff_max_ms
     * @param {number} config.connect_timeout_ms
     * @param {boolean} config.trust_offset
     * @param {boolean} [config.plaintext] our own URL is http: a gateway may name another such
     * @param {() => number} config.random
     */
    constructor(config: {
        transports: import("./types.js").TransportName[];
        backoff_min_ms: number;
        backoff_max_ms: number;
        connect_timeout_ms: number;
        trust_offset: boolean;
        plaintext?: boolean | undefined;
        random: () => number;
    });
    config_: {
        transports: import("./types.js").TransportName[];
        backoff_min_ms: number;
        backoff_max_ms: number;
        connect_timeout_ms: number;
        trust_offset: boolean;
        plaintext?: boolean | undefined;
        random: () => number;
    };
    /** @type {"idle" | "preparing" | "connecting" | "open" | "waiting" | "frozen" | "stopped" | "closed"} */
    phase_: "idle" | "preparing" | "connecting" | "open" | "waiting" | "frozen" | "stopped" | "closed";
    epoch_: number;
    now_ms_: number;
    expires_ms_: number;
    attempt_: number;
    transport_at_: number;
    unopened_: number;
    /** @type {string | null} the origin that a gateway has named; null: our own URL */
    place_: string | null;
    redirects_: number;
    offline_: boolean;
    tried_ms_: number;
    not_before_ms_: number;
    heartbeat_ms_: number;
    heard_ms_: number;
    welcome_ms_: number;
    offset_ms_: number;
    presented_: string;
    replaying_: boolean;
    /** @type {{user: string, session: string} | null} */
    claims_: {
        user: string;
        session: string;
    } | null;
    /** @type {import("./verify.js").Receiver} who we are, for the verifier */
    receiver_: import("./verify.js").Receiver;
    /** @type {Partial<import("./types.js").State>} */
    last_end_: Partial<import("./types.js").State>;
    /** @type {Action[]} */
    actions_: Action[];
    /** Names the present connection or preparation; rises with each. */
    get epoch(): number;
    get transport(): import("./types.js").TransportName;
    /**
     * @param {Input} input
     * @param {number} now_ms
     * @returns {Action[]} to be carried out in this order
     */
    step(input: Input, now_ms: number): Action[];
    /** @param {Input} input */
    decide_(input: Input): void;
    /**
     * @param {import("./types.js").TokenReason} why
     * @param {string | null} [token] one that is already there
     */
    prepare_(why: import("./types.js").TokenReason, token?: string | null): void;
    /**
     * @param {string | null} token
     * @param {string} cursor
     */
    open_(token: string | null, cursor: string): void;
    /** @param {string} reason */
    unsupported_(reason: string): void;
    /** @param {Record<string, any>} frame */
    frame_(frame: Record<string, any>): void;
    /** @param {any} welcome */
    welcome_(welcome: any): void;
    /** @param {any} welcome */
    startStream_({ resume, reason, head, spread_ms }: any): void;
    /** @param {any} caught_up */
    caughtUp_({ cursor }: any): void;
    /** @param {any} gap */
    gap_({ reason, head, spread_ms }: any): void;
    /**
     * The token says who we are; a welcome for somebody else would make foreign events look like ours.
     * @param {any} welcome
     */
    wrongIdentity_({ user, session }: any): string | null;
    /** @param {number} server_now_ms */
    measureClock_(server_now_ms: number): void;
    /** @param {string} detail */
    badFrame_(detail: string): void;
    /** @param {End} end */
    ended_(end: End): void;
    /**
     * Another gateway serves our user, and this one says which. It was shown our token, and so is the one that it names:
     * never over a line that is less safe than ours. Any other end leads back to our own URL.
     * @param {End} end
     * @returns {boolean} whether we are on our way there
     */
    redirected_({ code, url, reason }: End): boolean;
    /** @param {boolean} heard whether the gateway spoke to us on this connection */
    chooseTransport_(heard: boolean): void;
    /**
     * @param {number} again_ms not earlier than this
     * @param {Partial<import("./types.js").State>} end
     */
    wait_(again_ms: number, end: Partial<import("./types.js").State>): void;
    disconnect_(): void;
    /**
     * @param {"stopped" | "closed"} name
     * @param {Partial<import("./types.js").State>} end
     */
    finish_(name: "stopped" | "closed", end: Partial<import("./types.js").State>): void;
    /** @param {TimerName} name */
    timer_(name: TimerName): void;
    retry_(): void;
    checkSilence_(): void;
    /** Something suggests that a retry may succeed now; a wait that the gateway asked for still counts. */
    wake_(): void;
    online_(): void;
    /** A hint only (loopback works offline): an open connection stays, a waiting one waits longest. */
    goOffline_(): void;
    visible_(): void;
    freeze_(): void;
    thaw_(): void;
    /** @param {number} expires_ms by the gateway's clock; 0 or missing: never */
    armRefresh_(expires_ms: number): void;
    /** @param {string | null} token null: none to be had now */
    refresh_(token: string | null): void;
    /** @param {Action} action */
    do_(action: Action): void;
    /** @param {import("./pipeline.js").Item} item */
    handOn_(item: import("./pipeline.js").Item): void;
    /** @param {import("./types.js").State} state */
    state_(state: import("./types.js").State): void;
    /**
     * @param {"replaying" | "live"} name
     * @param {"fresh" | "resumed" | "gap"} resume
     * @param {boolean} after_events told when everything before it has been handed on
     */
    openState_(name: "replaying" | "live", resume: "fresh" | "resumed" | "gap", after_events: boolean): void;
    cancelTimers_(): void;
}
/**
 * How a connection ended, as the transport saw it.
 */
export type End = {
    code?: number | undefined;
    code_name?: string | undefined;
    reason?: string | undefined;
    verdict?: unknown;
    retry_after_ms?: number | undefined;
    /**
     * where to come instead, with code 4307
     */
    url?: unknown;
    /**
     * the gateway itself said so, in a bye, a close code or an HTTP answer
     */
    said?: boolean | undefined;
};
export type Input = {
    type: "start" | "close" | "online" | "offline" | "visible" | "frozen" | "thawed" | "overflow";
} | {
    type: "prepared";
    epoch: number;
    token: string | null;
    cursor: string;
} | {
    type: "prepare_failed";
    epoch: number;
    reason: string;
} | {
    type: "signed_out";
    epoch: number;
} | {
    type: "refresh_token";
    epoch: number;
    token: string | null;
} | {
    type: "frame";
    epoch: number;
    frame: Record<string, any>;
} | {
    type: "bad_frame";
    epoch: number;
    detail: string;
} | {
    type: "ended";
    epoch: number;
    end: End;
} | {
    type: "unsupported";
    reason: string;
} | {
    type: "timer";
    name: TimerName;
};
export type TimerName = "retry" | "welcome" | "silence" | "refresh";
export type Action = {
    do: "prepare";
    epoch: number;
    why: import("./types.js").TokenReason;
    token?: string | null;
} | {
    do: "refresh_token";
    epoch: number;
} | {
    do: "open";
    epoch: number;
    transport: import("./types.js").TransportName;
    place: string | null;
    token: string | null;
    cursor: string;
} | {
    do: "send";
    frame: object;
} | {
    do: "disconnect";
} | {
    do: "timer";
    name: TimerName;
    ms: number;
} | {
    do: "cancel";
    name: TimerName;
} | {
    do: "hand_on";
    item: import("./pipeline.js").Item;
} | {
    do: "state";
    state: import("./types.js").State;
    after_events: boolean;
    epoch: number;
} | {
    do: "problem";
    problem: import("./types.js").Problem;
};
