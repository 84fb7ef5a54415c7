// Which partition a user is in (docs/load-balancing.md): for a URL's `?partition=`, by which a load balancer finds the
// user's gateway where it cannot see the token, as with a browser's WebSocket. It is no secret.

export const kPartitions = 256;

const kTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/**
 * CRC-32 (ISO-HDLC, zlib's) of the UTF-8 bytes, modulo 256.
 * @param {string} user_id as events are published for it: the token's `sub`, behind the issuer's user_prefix
 * @returns {number} 0 to 255
 */
export function partitionOf(user_id) {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(user_id)) crc = (crc >>> 8) ^ kTable[(crc ^ byte) & 0xff];
  return (crc ^ 0xffffffff) & 0xff;
}
