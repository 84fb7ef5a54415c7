/** @typedef {import("./session.js").Action} Action */
/** @typedef {import("./session.js").Input} Input */
export class Client {
    /** @param {import("./types.js").Options} options */
    constructor(options: import("./types.js").Options);
    options_: import("./types.js").Options;
    clock_: import("./types.js").Clock;
    url_: URL;
    /** @type {import("./types.js").State} */
    state_: import("./types.js").State;
    /** @type {Input[]} */
    inputs_: Input[];
    /** @type {Map<string, unknown>} */
    timers_: Map<string, unknown>;
    /** @type {import("./transport_websocket.js").Connection | null} */
    connection_: import("./transport_websocket.js").Connection | null;
    cursor_: CursorKeeper;
    keys_: KeyStore;
    pipeline_: Pipeline;
    session_: Session;
    stopListening_: () => void;
    /** What onState was told last. */
    get state(): import("./types.js").State;
    /** The cursor that the next connect resumes at; empty before the first. */
    get cursor(): string;
    /**
     * Ends the connection and hands on nothing more. Resolves when a handler that is running has finished and the cursor
     * is stored; so do not await it inside onEvent. Calling it twice does no harm.
     */
    close(): Promise<void>;
    fetch_(): typeof fetch;
    /** @returns {import("./pipeline.js").Handlers} */
    handlers_(): import("./pipeline.js").Handlers;
    /**
     * One input at a time: what a callback of the application causes (close() in onState) waits for the actions before it.
     * @param {Input} input
     */
    step_(input: Input): void;
    /** @param {Action} action */
    act_(action: Action): void;
    /** @param {Extract<Action, {do: "prepare"}>} action */
    prepare_({ epoch, why, token }: Extract<Action, {
        do: "prepare";
    }>): Promise<void>;
    /**
     * @param {number} epoch
     * @param {"keys_unavailable" | "token_failed"} code
     * @param {unknown} cause
     */
    prepareFailed_(epoch: number, code: "keys_unavailable" | "token_failed", cause: unknown): void;
    /**
     * @param {import("./types.js").TokenReason} why
     * @returns {Promise<string | null>} null: signed out, or no token is used
     */
    askToken_(why: import("./types.js").TokenReason): Promise<string | null>;
    /** @param {number} epoch */
    refreshToken_(epoch: number): Promise<void>;
    /** @param {Extract<Action, {do: "open"}>} action */
    open_({ epoch, transport, place, token, cursor }: Extract<Action, {
        do: "open";
    }>): void;
    disconnect_(): void;
    /** @param {import("./pipeline.js").Item} item */
    handOn_(item: import("./pipeline.js").Item): void;
    /** @param {Extract<Action, {do: "state"}>} action */
    tell_({ state, after_events, epoch }: Extract<Action, {
        do: "state";
    }>): void;
    /** @param {import("./types.js").RefusedEvent} refused */
    refused_(refused: import("./types.js").RefusedEvent): void;
    /** @param {import("./types.js").Problem} problem */
    report_(problem: import("./types.js").Problem): void;
    /**
     * @param {string} name
     * @param {() => void} run
     */
    guard_(name: string, run: () => void): void;
    /**
     * @param {import("./session.js").TimerName} name
     * @param {number} ms
     */
    setTimer_(name: import("./session.js").TimerName, ms: number): void;
    /** @param {string} name */
    cancelTimer_(name: string): void;
}
export type Action = import("./session.js").Action;
export type Input = import("./session.js").Input;
import { CursorKeeper } from "./cursor_keeper.js";
import { KeyStore } from "./keys.js";
import { Pipeline } from "./pipeline.js";
import { Session } from "./session.js";
