// Where the resume cursor is kept between runs. A store of your own has the same two functions; both may be async.

/** @returns {import("./types.js").CursorStore} for this run of the program only */
export function memoryCursorStore(cursor = "") {
  return { load: () => cursor, save: (newer) => void (cursor = newer) };
}

/**
 * Survives a reload of the page. Two sessions of one origin need two names.
 * @param {string} name
 * @param {Pick<Storage, "getItem" | "setItem">} [storage] default localStorage
 * @returns {import("./types.js").CursorStore}
 */
export function localStorageCursorStore(name, storage = globalThis.localStorage) {
  const key = `galaxy-push.cursor.${name}`;
  return { load: () => storage.getItem(key), save: (cursor) => storage.setItem(key, cursor) };
}
