/**
 * @typedef {{type: "event", envelope: unknown, receiver: import("./verify.js").Receiver, replayed: boolean}
 *   | {type: "cursor", cursor: string}
 *   | {type: "resumed"}
 *   | {type: "fresh", head: string}
 *   | {type: "gap", gap: import("./types.js").Gap}
 *   | {type: "call", run: () => unknown}} Item
 */
/**
 * @typedef {object} Handlers
 * @property {(envelope: unknown, receiver: import("./verify.js").Receiver) => Promise<import("./verify.js").Accepted | import("./verify.js").Refused>} verify
 * @property {boolean} verified what PushEvent.verified says
 * @property {(event: import("./types.js").PushEvent) => unknown} onEvent
 * @property {(gap: import("./types.js").Gap) => unknown} onGap
 * @property {(refused: import("./types.js").RefusedEvent) => unknown} onRefused
 * @property {(problem: import("./types.js").Problem) => void} onError
 * @property {(cursor: string) => void} onCursor
 */
export class Pipeline {
    /**
     * @param {Handlers} handlers
     * @param {number} events_max
     */
    constructor(handlers: Handlers, events_max: number);
    handlers_: Handlers;
    events_max_: number;
    recent_: Recent;
    /** @type {{item: Item, verdict?: ReturnType<Handlers["verify"]>}[]} */
    queue_: {
        item: Item;
        verdict?: ReturnType<Handlers["verify"]>;
    }[];
    held_: boolean;
    stopped_: boolean;
    /** @type {Promise<void>} */
    idle_: Promise<void>;
    running_: boolean;
    /** @param {Item} item */
    push(item: Item): boolean;
    /** Resolves when everything pushed so far has been handed on. */
    idle(): Promise<void>;
    /** Hands on nothing more; what is in a handler now still finishes. */
    stop(): void;
    /** @param {number} at */
    startVerifying_(at: number): void;
    run_(): Promise<void>;
    /**
     * @param {Item} item
     * @param {ReturnType<Handlers["verify"]>} [verdict]
     */
    handOn_(item: Item, verdict?: ReturnType<Handlers["verify"]>): Promise<void>;
    restart_(): void;
    /**
     * @param {Extract<Item, {type: "event"}>} item
     * @param {import("./verify.js").Accepted | import("./verify.js").Refused} verdict
     */
    handOnEvent_({ envelope, replayed }: Extract<Item, {
        type: "event";
    }>, verdict: import("./verify.js").Accepted | import("./verify.js").Refused): Promise<void>;
    /** @param {string} cursor */
    moveCursor_(cursor: string): void;
    /**
     * @param {string} name
     * @param {() => unknown} run
     */
    call_(name: string, run: () => unknown): Promise<void>;
}
export type Item = {
    type: "event";
    envelope: unknown;
    receiver: import("./verify.js").Receiver;
    replayed: boolean;
} | {
    type: "cursor";
    cursor: string;
} | {
    type: "resumed";
} | {
    type: "fresh";
    head: string;
} | {
    type: "gap";
    gap: import("./types.js").Gap;
} | {
    type: "call";
    run: () => unknown;
};
export type Handlers = {
    verify: (envelope: unknown, receiver: import("./verify.js").Receiver) => Promise<import("./verify.js").Accepted | import("./verify.js").Refused>;
    /**
     * what PushEvent.verified says
     */
    verified: boolean;
    onEvent: (event: import("./types.js").PushEvent) => unknown;
    onGap: (gap: import("./types.js").Gap) => unknown;
    onRefused: (refused: import("./types.js").RefusedEvent) => unknown;
    onError: (problem: import("./types.js").Problem) => void;
    onCursor: (cursor: string) => void;
};
import { Recent } from "./recent.js";
