"""SipHash-2-4 with 128-bit results (Aumasson, Bernstein 2012), after the paper."""
import struct

MASK = (1 << 64) - 1


def siphash128(key, data):
    """16 bytes: the two words of the result, little-endian. `key` is 16 bytes."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        _rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xEE
    _rounds(v, 4)
    first = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    _rounds(v, 4)
    return struct.pack("<QQ", first, v[0] ^ v[1] ^ v[2] ^ v[3])


def _rounds(v, count):
    v0, v1, v2, v3 = v
    for _ in range(count):
        v0 = (v0 + v1) & MASK
        v1 = (v1 << 13 | v1 >> 51) & MASK ^ v0
        v0 = (v0 << 32 | v0 >> 32) & MASK
        v2 = (v2 + v3) & MASK
        v3 = (v3 << 16 | v3 >> 48) & MASK ^ v2
        v0 = (v0 + v3) & MASK
        v3 = (v3 << 21 | v3 >> 43) & MASK ^ v0
        v2 = (v2 + v1) & MASK
        v1 = (v1 << 17 | v1 >> 47) & MASK ^ v2
        v2 = (v2 << 32 | v2 >> 32) & MASK
    v[:] = v0, v1, v2, v3


# The first two vectors of the paper's reference code (vectors_sip128): key 00..0f, data of 0 and 1 byte.
assert siphash128(bytes(range(16)), b"").hex() == "a3817f04ba25a8e66df67214c7550293"
assert siphash128(bytes(range(16)), b"\0").hex() == "da87c1d86b99af44347659119b22fc45"
