/**
 * CRC-32 (ISO-HDLC, zlib's) of the UTF-8 bytes, modulo 256.
 * @param {string} user_id as events are published for it: the token's `sub`, behind the issuer's user_prefix
 * @returns {number} 0 to 255
 */
export function partitionOf(user_id: string): number;
export const kPartitions: 256;
