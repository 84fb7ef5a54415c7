export class CursorKeeper {
    /**
     * @param {import("./types.js").CursorStore} store
     * @param {(problem: import("./types.js").Problem) => void} onError
     */
    constructor(store: import("./types.js").CursorStore, onError: (problem: import("./types.js").Problem) => void);
    store_: import("./types.js").CursorStore;
    onError_: (problem: import("./types.js").Problem) => void;
    cursor: string;
    /** @type {Promise<void> | null} */
    loading_: Promise<void> | null;
    /** @type {Promise<void> | null} */
    saving_: Promise<void> | null;
    saved_: string;
    /** Loads once, before the first connect. */
    load(): Promise<void>;
    load_(): Promise<void>;
    /** @param {string} cursor */
    move(cursor: string): void;
    /** Resolves when the newest cursor is in the store, or could not be put there. */
    flush(): Promise<void>;
    save_(): Promise<void>;
}
