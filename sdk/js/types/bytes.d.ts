/**
 * UTF-8 bytes of a well-formed string. A lone surrogate has no UTF-8 form (TextEncoder would quietly write U+FFFD).
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function utf8(text: string): Uint8Array<ArrayBuffer>;
/**
 * Unpadded, canonical base64url (RFC 4648 section 5).
 * @param {string} text
 */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer>;
/**
 * Padded, canonical base64 (RFC 4648 section 4).
 * @param {string} text
 */
export function fromBase64(text: string): Uint8Array<ArrayBuffer>;
/** @param {Uint8Array} bytes */
export function toBase64Url(bytes: Uint8Array): string;
/** @param {Uint8Array[]} parts */
export function concat(parts: Uint8Array[]): Uint8Array<ArrayBuffer>;
/**
 * LP(x) of docs/envelope.md for each part, one after the other: u32 big-endian length, then the bytes.
 * @param {Uint8Array[]} parts
 */
export function lengthPrefixed(parts: Uint8Array[]): Uint8Array<ArrayBuffer>;
