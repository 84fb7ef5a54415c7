#!/usr/bin/python3
"""Writes fixtures.json: client tokens made by Python's `cryptography`, an implementation that shares
no code with the one under test. Keys are fresh on each run and only their public halves are kept.

    src/auth/testdata/make_fixtures.py > src/auth/testdata/fixtures.json
"""
import base64, hashlib, hmac, json
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW, ISSUER, AUDIENCE = 1763850000, "https://id.example", "galaxy"
GOOD = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u-1", "sid": "s-1", "iat": NOW - 60, "exp": NOW + 600}


def b64u(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def number(n):
    return b64u(n.to_bytes((n.bit_length() + 7) // 8, "big"))


rsa_key = rsa.generate_private_key(65537, 2048)
rsa_weak = rsa.generate_private_key(65537, 1024)
ec_key = ec.generate_private_key(ec.SECP256R1())
ec_384 = ec.generate_private_key(ec.SECP384R1())
ed_key = ed25519.Ed25519PrivateKey.generate()
stranger = ed25519.Ed25519PrivateKey.generate()


def rsa_jwk(key, **more):
    n = key.public_key().public_numbers()
    return {"kty": "RSA", "n": number(n.n), "e": number(n.e), **more}


def ec_jwk(key, crv, size, **more):
    n = key.public_key().public_numbers()
    return {"kty": "EC", "crv": crv, "x": b64u(n.x.to_bytes(size, "big")), "y": b64u(n.y.to_bytes(size, "big")), **more}


def raw(key):
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


ed_jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64u(raw(ed_key))}
JWKS = {"keys": [
    rsa_jwk(rsa_key, kid="rsa"), rsa_jwk(rsa_key, kid="rsa-rs256", alg="RS256", use="sig"),
    rsa_jwk(rsa_key, kid="rsa-ps256", alg="PS256", key_ops=["verify"]),
    ec_jwk(ec_key, "P-256", 32, kid="ec", alg="ES256"), {**ed_jwk, "kid": "ed", "alg": "EdDSA"},
    rsa_jwk(rsa_weak, kid="weak"), ec_jwk(ec_384, "P-384", 48, kid="p384", alg="ES384"),
    rsa_jwk(rsa_key, kid="enc", use="enc"), {"kty": "oct", "kid": "oct", "k": b64u(b"secret"), "alg": "HS256"},
]}

PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


def es(key, message, digest, size):
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


SIGN = {
    "RS256": lambda m: rsa_key.sign(m, padding.PKCS1v15(), hashes.SHA256()),
    "PS256": lambda m: rsa_key.sign(m, PSS, hashes.SHA256()),
    "ES256": lambda m: es(ec_key, m, hashes.SHA256(), 32),
    "EdDSA": lambda m: ed_key.sign(m),
}


def token(header, claims, sign):
    text = lambda o: o if isinstance(o, str) else json.dumps(o, ensure_ascii=False)
    message = b64u(text(header).encode()) + "." + b64u(text(claims).encode())
    return message + "." + b64u(sign(message.encode()))


def ed(claims=GOOD, **header):
    return token({"alg": "EdDSA", "kid": "ed", **header}, claims, SIGN["EdDSA"])


def claims(**over):
    out = {**GOOD, **over}
    return {k: v for k, v in out.items() if v is not None}


def mac(secret, digest=hashlib.sha256):
    return lambda m: hmac.new(secret, m, digest).digest()


pem = rsa_key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
der = rsa_key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
text = json.dumps(GOOD)
good = ed()
head, body, sig = good.split(".")
order = 2**252 + 27742317777372353535851937790883648493
ed_sig = SIGN["EdDSA"]((head + "." + body).encode())
high_s = ed_sig[:32] + (int.from_bytes(ed_sig[32:], "little") + order).to_bytes(32, "little")

valid = [(alg + " by key " + kid, token({"alg": alg, "kid": kid, "typ": "JWT"}, GOOD, SIGN[alg]))
         for alg, kid in (("RS256", "rsa"), ("PS256", "rsa"), ("RS256", "rsa-rs256"), ("PS256", "rsa-ps256"), ("ES256", "ec"), ("EdDSA", "ed"))]
valid += [
    ("no kid, one key for the algorithm", token({"alg": "EdDSA"}, GOOD, SIGN["EdDSA"])),
    ("typ at+jwt", ed(typ="at+jwt")), ("typ application/JWT", ed(typ="application/JWT")),
    ("aud is an array that names us", ed(claims(aud=["other", AUDIENCE]))),
    ("expired within the leeway", ed(claims(exp=NOW - 29))), ("issued ahead within the leeway", ed(claims(iat=NOW + 30))),
    ("not before now", ed(claims(nbf=NOW))), ("fractional times", ed(claims(exp=NOW + 10.5, iat=NOW - 0.5))),
    ("no iat", ed(claims(iat=None))), ("auth_time", ed(claims(auth_time=NOW - 3600))),
    ("unknown claims and header members", ed(claims(roles=["x"], deep={"a": {"b": 1}}), jku="https://evil.example", jwk={"kty": "oct"}, x5u="https://evil.example")),
    ("the longest life", ed(claims(iat=NOW, exp=NOW + 30 * 86400))),
]

U, E = "unauthenticated", "token_expired"
invalid = [
    # RFC 8725 2.1, 3.1: algorithms
    ("alg none, no signature", U, "alg", b64u(b'{"alg":"none"}') + "." + b64u(text.encode()) + "."),
    ("alg None", U, "alg", b64u(b'{"alg":"None","kid":"ed"}') + "." + body + "."),
    ("alg nOnE with a signature", U, "alg", ed(alg="nOnE")),
    ("empty signature", U, "signature", head + "." + body + "."),
    ("HS256 with the PEM of the RSA key as secret", U, "alg", token({"alg": "HS256", "kid": "rsa"}, GOOD, mac(pem))),
    ("HS256 with the DER of the RSA key as secret", U, "alg", token({"alg": "HS256", "kid": "rsa"}, GOOD, mac(der))),
    ("HS256 with the bytes of the Ed25519 key as secret", U, "alg", token({"alg": "HS256", "kid": "ed"}, GOOD, mac(raw(ed_key)))),
    ("HS256 with a symmetric key of the set", U, "alg", token({"alg": "HS256", "kid": "oct"}, GOOD, mac(b"secret"))),
    ("RS256 header over an HMAC", U, "signature", token({"alg": "RS256", "kid": "rsa"}, GOOD, mac(pem))),
    ("RS512", U, "alg", token({"alg": "RS512", "kid": "rsa"}, GOOD, lambda m: rsa_key.sign(m, padding.PKCS1v15(), hashes.SHA512()))),
    ("ES384", U, "alg", token({"alg": "ES384", "kid": "p384"}, GOOD, lambda m: es(ec_384, m, hashes.SHA384(), 48))),
    ("ES256 by a P-384 key", U, "kid", token({"alg": "ES256", "kid": "p384"}, GOOD, SIGN["ES256"])),
    ("PS256 by a key of RS256", U, "kid", token({"alg": "PS256", "kid": "rsa-rs256"}, GOOD, SIGN["PS256"])),
    ("RS256 by a key of PS256", U, "kid", token({"alg": "RS256", "kid": "rsa-ps256"}, GOOD, SIGN["RS256"])),
    ("PS256 header over an RS256 signature", U, "signature", token({"alg": "PS256", "kid": "rsa"}, GOOD, SIGN["RS256"])),
    ("PS256 with an empty salt", U, "signature", token({"alg": "PS256", "kid": "rsa"}, GOOD, lambda m: rsa_key.sign(m, padding.PSS(padding.MGF1(hashes.SHA256()), 0), hashes.SHA256()))),
    ("ES256 signature in DER", U, "signature", token({"alg": "ES256", "kid": "ec"}, GOOD, lambda m: ec_key.sign(m, ec.ECDSA(hashes.SHA256())))),
    ("ES256 signature of zeros", U, "signature", token({"alg": "ES256", "kid": "ec"}, GOOD, lambda m: bytes(64))),
    ("EdDSA signature with S not reduced", U, "signature", head + "." + body + "." + b64u(high_s)),
    ("alg missing", U, "alg", token({"kid": "ed"}, GOOD, SIGN["EdDSA"])),
    ("alg a number", U, "alg", ed(alg=1)),
    ("alg in lower case", U, "alg", ed(alg="eddsa")),
    # keys
    ("weak RSA key of the set", U, "kid", token({"alg": "RS256", "kid": "weak"}, GOOD, lambda m: rsa_weak.sign(m, padding.PKCS1v15(), hashes.SHA256()))),
    ("encryption key of the set", U, "kid", token({"alg": "RS256", "kid": "enc"}, GOOD, SIGN["RS256"])),
    ("unknown kid", U, "kid", ed(kid="other")),
    ("empty kid", U, "kid", ed(kid="")),
    ("kid a number", U, "kid", ed(kid=1)),
    ("no kid and several keys", U, "kid", token({"alg": "RS256"}, GOOD, SIGN["RS256"])),
    ("signed by a stranger", U, "signature", token({"alg": "EdDSA", "kid": "ed"}, GOOD, stranger.sign)),
    ("signed by a stranger whose key is in the header", U, "signature", token({"alg": "EdDSA", "kid": "ed", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64u(raw(stranger))}}, GOOD, stranger.sign)),
    # header
    ("unknown crit", U, "crit", ed(crit=["x"], x=1)),
    ("empty crit", U, "crit", ed(crit=[])),
    ("crit of b64", U, "crit", ed(crit=["b64"], b64=False)),
    ("b64 false without crit", U, "b64", ed(b64=False)),
    ("zip", U, "zip", ed(zip="DEF")),
    ("nested token", U, "cty", token({"alg": "EdDSA", "kid": "ed", "cty": "JWT"}, good, SIGN["EdDSA"])),
    ("logout token", U, "typ", ed(typ="logout+jwt")),
    ("DPoP proof", U, "typ", ed(typ="dpop+jwt")),
    ("typ a number", U, "typ", ed(typ=1)),
    ("doubled alg", U, "", token('{"alg":"none","alg":"EdDSA","kid":"ed"}', GOOD, SIGN["EdDSA"])),
    ("header not an object", U, "", token('["EdDSA"]', GOOD, SIGN["EdDSA"])),
    ("header not JSON", U, "", token("EdDSA", GOOD, SIGN["EdDSA"])),
    # form
    ("JWE", U, "", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"),
    ("enc in a header of three parts", U, "enc", ed(enc="A256GCM")),
    ("empty", U, "", ""), ("two parts", U, "", head + "." + body), ("four parts", U, "", good + ".AAAA"), ("only dots", U, "", ".."),
    ("JSON serialisation", U, "", json.dumps({"payload": body, "protected": head, "signature": sig})),
    ("padded base64url", U, "", head + "=." + body + "." + sig), ("padded signature", U, "", good + "=="),
    ("white space", U, "", good + " "), ("spare bits in the signature", U, "", good[:-1] + chr(ord(good[-1]) + 1) if good[-1] in "AQgw" else good[:-1] + "B"),
    ("standard alphabet", U, "", head + "." + body + ".+" + sig[1:]),
    ("payload altered", U, "signature", head + "." + b64u(text.replace("u-1", "u-2").encode()) + "." + sig),
    ("payload not an object", U, "", token({"alg": "EdDSA", "kid": "ed"}, "[1]", SIGN["EdDSA"])),
    ("doubled sub", U, "", token({"alg": "EdDSA", "kid": "ed"}, text[:-1] + ',"sub":"u-2"}', SIGN["EdDSA"])),
    ("too deep", U, "", token({"alg": "EdDSA", "kid": "ed"}, text[:-1] + ',"x":' + "[" * 100 + "]" * 100 + "}", SIGN["EdDSA"])),
    ("over 8 KiB", U, "", ed(claims(pad="x" * 8192))),
    # claims
    ("no sub", U, "sub", ed(claims(sub=None))), ("empty sub", U, "sub", ed(claims(sub=""))), ("sub a number", U, "sub", ed(claims(sub=7))),
    ("sub of the plane's own", U, "sub", ed(claims(sub="galaxy:canary"))), ("sub with a line feed", U, "sub", ed(claims(sub="a\nb"))),
    ("sub with NUL", U, "sub", ed(claims(sub="a\0b"))), ("sub of 257 bytes", U, "sub", ed(claims(sub="x" * 257))),
    ("no sid", U, "sid", ed(claims(sid=None))), ("empty sid", U, "sid", ed(claims(sid=""))), ("sid an array", U, "sid", ed(claims(sid=["s-1"]))),
    ("sid with CR", U, "sid", ed(claims(sid="a\rb"))),
    ("no iss", U, "iss", ed(claims(iss=None))), ("foreign iss", U, "iss", ed(claims(iss="https://evil.example"))), ("iss with a slash", U, "iss", ed(claims(iss=ISSUER + "/"))),
    ("no aud", U, "aud", ed(claims(aud=None))), ("foreign aud", U, "aud", ed(claims(aud="other"))), ("empty aud array", U, "aud", ed(claims(aud=[]))),
    ("aud array of others", U, "aud", ed(claims(aud=["a", "b"]))), ("aud array with a number", U, "aud", ed(claims(aud=[AUDIENCE, 1]))), ("aud an object", U, "aud", ed(claims(aud={AUDIENCE: 1}))),
    ("no exp", U, "exp", ed(claims(exp=None))), ("exp a string", U, "exp", ed(claims(exp=str(NOW + 600)))), ("exp negative", U, "exp", ed(claims(exp=-1))),
    ("exp huge", U, "exp", token({"alg": "EdDSA", "kid": "ed"}, text.replace(str(NOW + 600), "1e300"), SIGN["EdDSA"])),
    ("exp null", U, "exp", token({"alg": "EdDSA", "kid": "ed"}, text.replace(str(NOW + 600), "null"), SIGN["EdDSA"])),
    ("expired", E, "exp", ed(claims(exp=NOW - 30))), ("expired long ago", E, "exp", ed(claims(exp=NOW - 86400, iat=NOW - 90000))),
    ("not valid yet", U, "nbf", ed(claims(nbf=NOW + 31))), ("nbf a string", U, "nbf", ed(claims(nbf="now"))),
    ("issued in the future", U, "iat", ed(claims(iat=NOW + 31))), ("iat a boolean", U, "iat", ed(claims(iat=True))),
    ("sign-in in the future", U, "auth_time", ed(claims(auth_time=NOW + 31))),
    ("lives too long from now", U, "exp", ed(claims(exp=NOW + 30 * 86400 + 1, iat=None))),
    ("lives too long from its iat", U, "exp", ed(claims(iat=NOW - 40 * 86400, exp=NOW + 86400))),
    ("expired and signed by a stranger", U, "signature", token({"alg": "EdDSA", "kid": "ed"}, claims(exp=NOW - 86400), stranger.sign)),
    ("security event token", U, "events", ed(claims(events={"http://schemas.openid.net/event/backchannel-logout": {}}))),
]

print(json.dumps({"now_s": NOW, "issuer": ISSUER, "audience": AUDIENCE, "jwks": JWKS,
                  "valid": [{"name": n, "token": t} for n, t in valid],
                  "invalid": [{"name": n, "code": c, "field": f, "token": t} for n, c, f, t in invalid]}, indent=1))
