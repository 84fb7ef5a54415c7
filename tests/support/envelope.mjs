// Verifies a galaxy.gateway.v1.SignedEvent that a protobuf library read (names kept, bytes as bytes), by docs/envelope.md and node:crypto alone.
import { createHash, createPublicKey, verify } from 'node:crypto';

const FIELDS = ['user_id', 'device_session_id', 'kind', 'event_id', 'request_id', 'trace_id', 'cursor'];
const lp = (x) => { const b = Buffer.from(x); const n = Buffer.alloc(4); n.writeUInt32BE(b.length); return Buffer.concat([n, b]); };
const sha = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();

// RFC 9162 section 2.1.3.2.
function rootOf(hash, index, size, path) {
  let [fn, sn, root] = [index, size - 1, hash];
  for (const node of path) {
    if (sn === 0) return null;
    if (fn % 2 === 1 || fn === sn) {
      root = sha(Buffer.from([1]), node, root);
      while (fn % 2 === 0 && fn !== 0) { fn >>= 1; sn >>= 1; }
    } else {
      root = sha(Buffer.from([1]), root, node);
    }
    fn >>= 1;
    sn >>= 1;
  }
  return sn === 0 ? root : null;
}

/** Fetches the gateway's keys; resolves with a function that says whether an event verifies. */
export async function verifierOf(gateway) {
  const { keys } = await (await fetch(`http://${gateway.addresses.listen}/.well-known/jwks.json`)).json();
  return (event) => {
    const p = event.proof;
    const leaf = Buffer.concat([lp('galaxy-push-event-v1'), lp(p.salt), lp(event.issuer),
      ...FIELDS.map((name) => lp(event[name] ?? '')), lp(event.payload)]);
    const path = Buffer.from(p.path);
    const nodes = Array.from({ length: path.length / 32 }, (_, i) => path.subarray(32 * i, 32 * i + 32));
    const root = rootOf(sha(Buffer.from([0]), leaf), p.index, p.size, nodes);
    const key = keys.find((k) => k.kid === p.kid);
    if (!root || !key) return false;
    const tail = Buffer.alloc(12);
    tail.writeBigUInt64BE(BigInt(p.signed_at_ms));
    tail.writeUInt32BE(p.size, 8);
    const signed = Buffer.concat([lp('galaxy-push-root-v1'), lp(p.kid), tail, root]);
    return verify(null, signed, createPublicKey({ key, format: 'jwk' }), Buffer.from(p.sig));
  };
}
