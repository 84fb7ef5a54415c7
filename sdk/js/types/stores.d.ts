/** @returns {import("./types.js").CursorStore} for this run of the program only */
export function memoryCursorStore(cursor?: string): import("./types.js").CursorStore;
/**
 * Survives a reload of the page. Two sessions of one origin need two names.
 * @param {string} name
 * @param {Pick<Storage, "getItem" | "setItem">} [storage] default localStorage
 * @returns {import("./types.js").CursorStore}
 */
export function localStorageCursorStore(name: string, storage?: Pick<Storage, "getItem" | "setItem">): import("./types.js").CursorStore;
