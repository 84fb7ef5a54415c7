/**
 * Connects, and stays connected until close() or a verdict that ends it. Throws TypeError for options that cannot work;
 * everything later is told through onState and onError.
 * @param {import("./types.js").Options} options
 */
export function connect(options: import("./types.js").Options): Client;
export { Client };
export { partitionOf } from "./partition.js";
import { Client } from "./client.js";
export { localStorageCursorStore, memoryCursorStore } from "./stores.js";
export { KeyStore, missingCrypto, Verifier } from "./verify.js";
