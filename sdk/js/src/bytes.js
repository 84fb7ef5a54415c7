// Bytes and their text forms. Decoders are strict: one text for each byte string, everything else is refused with
// an Error, since a lenient decoder would let two different envelopes verify as one.

const encoder = new TextEncoder();
const kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** @param {string} alphabet */
function lookup(alphabet) {
  const table = new Int8Array(128).fill(-1);
  for (let i = 0; i < 64; i++) table[alphabet.charCodeAt(i)] = i;
  return table;
}
const kUrlTable = lookup(kUrl);
const kStandardTable = lookup(kStandard);

/**
 * UTF-8 bytes of a well-formed string. A lone surrogate has no UTF-8 form (TextEncoder would quietly write U+FFFD).
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function utf8(text) {
  if (/[\ud800-\udfff]/u.test(text)) throw new Error("text with a lone surrogate");
  return /** @type {Uint8Array<ArrayBuffer>} */ (encoder.encode(text));
}

/**
 * @param {string} text without padding
 * @param {Int8Array} table
 */
function decode(text, table) {
  if (text.length % 4 === 1) throw new Error("not whole bytes");
  const out = new Uint8Array((text.length * 3) >> 2);
  let bits = 0, have = 0, at = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const value = code < 128 ? table[code] : -1;
    if (value < 0) throw new Error("not in the base64 alphabet");
    bits = (bits << 6) | value;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out[at++] = (bits >> have) & 255;
      bits &= (1 << have) - 1;
    }
  }
  if (bits !== 0) throw new Error("spare bits are set");
  return out;
}

/**
 * Unpadded, canonical base64url (RFC 4648 section 5).
 * @param {string} text
 */
export function fromBase64Url(text) {
  return decode(text, kUrlTable);
}

/**
 * Padded, canonical base64 (RFC 4648 section 4).
 * @param {string} text
 */
export function fromBase64(text) {
  const bare = text.replace(/={1,2}$/, "");
  if (text.length % 4 !== 0 || bare.length + ((4 - (bare.length % 4)) % 4) !== text.length)
    throw new Error("wrong base64 padding");
  return decode(bare, kStandardTable);
}

/** @param {Uint8Array} bytes */
export function toBase64Url(bytes) {
  let text = "", bits = 0, have = 0;
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    for (have += 8; have >= 6; bits &= (1 << have) - 1) {
      have -= 6;
      text += kUrl[(bits >> have) & 63];
    }
  }
  return have === 0 ? text : text + kUrl[(bits << (6 - have)) & 63];
}

/** @param {Uint8Array[]} parts */
export function concat(parts) {
  let size = 0;
  for (const part of parts) size += part.length;
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/**
 * LP(x) of docs/envelope.md for each part, one after the other: u32 big-endian length, then the bytes.
 * @param {Uint8Array[]} parts
 */
export function lengthPrefixed(parts) {
  let size = 0;
  for (const part of parts) size += 4 + part.length;
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length);
    out.set(part, at + 4);
    at += 4 + part.length;
  }
  return out;
}
