// The client of a Galaxy Push gateway: verified events, in order, for browsers and Node 20. README.md shows it in use.

import { Client } from "./client.js";

export { Client };
export { partitionOf } from "./partition.js";
export { localStorageCursorStore, memoryCursorStore } from "./stores.js";
export { KeyStore, missingCrypto, Verifier } from "./verify.js";

/**
 * Connects, and stays connected until close() or a verdict that ends it. Throws TypeError for options that cannot work;
 * everything later is told through onState and onError.
 * @param {import("./types.js").Options} options
 */
export function connect(options) {
  return new Client(options);
}
