#include "auth/mint.h"

#include "auth/jwk.h"
#include "base/base64.h"
#include "base/check.h"
#include "base/file.h"
#include "crypto/sha256.h"

namespace galaxy::push {
namespace {

using nlohmann::json;
using Secret = std::variant<AsymmetricKey, Ed25519SecretKey>;

// The members of the public JWK that identify the key (RFC 7638 3.2).
json RequiredMembers(const Secret& secret) {
  if (const auto* ed25519 = std::get_if<Ed25519SecretKey>(&secret)) {
    return {{"crv", "Ed25519"}, {"kty", "OKP"}, {"x", Base64Url(ed25519->PublicKey().raw())}};
  }
  const AsymmetricKey& key = std::get<AsymmetricKey>(secret);
  if (key.is_rsa()) {
    RsaNumbers numbers = key.ToRsaNumbers();
    return {{"e", Base64Url(numbers.e)}, {"kty", "RSA"}, {"n", Base64Url(numbers.n)}};
  }
  P256Numbers numbers = key.ToP256Numbers();
  return {
      {"crv", "P-256"}, {"kty", "EC"}, {"x", Base64Url(numbers.x)}, {"y", Base64Url(numbers.y)}};
}

// nlohmann json keeps members in the order of their names and writes no space: the form that
// RFC 7638 3.3 hashes.
std::string Thumbprint(const Secret& secret) {
  return Base64Url(AsBytes(Sha256Of(RequiredMembers(secret).dump())));
}

json PublicJwk(const Secret& secret, TokenAlg alg, const std::string& kid) {
  json jwk = RequiredMembers(secret);
  jwk["alg"] = TokenAlgName(alg);
  jwk["use"] = "sig";
  jwk["kid"] = kid;
  return jwk;
}

Result<Secret> ReadEd25519(const JwkReader& reader) {
  Result<std::string> seed = reader.Bytes("d");
  if (!seed) return std::unexpected(seed.error());
  auto key = Ed25519SecretKey::FromSeed(*seed);
  if (!key) return reader.Refuse("d", "is not 32 bytes");
  Result<Ed25519PublicKey> given = reader.Ed25519();
  if (!given) return std::unexpected(given.error());
  if (given->raw() != key->PublicKey().raw()) return reader.Refuse("x", "is not the key of d");
  return Secret(*key);
}

// The secret and the algorithm that its type serves without an `alg`.
Result<std::pair<Secret, TokenAlg>> ReadSecret(const JwkReader& reader) {
  Result<std::string> kty = reader.Text("kty");
  if (!kty) return std::unexpected(kty.error());
  if (*kty == "OKP") {
    Result<Secret> secret = ReadEd25519(reader);
    if (!secret) return std::unexpected(secret.error());
    return std::pair(std::move(*secret), TokenAlg::kEdDsa);
  }
  if (*kty != "RSA" && *kty != "EC") return reader.Refuse("kty", "is none of RSA, EC, OKP");
  bool rsa = *kty == "RSA";
  Result<AsymmetricKey> key = rsa ? reader.Rsa(true) : reader.P256(true);
  if (!key) return std::unexpected(key.error());
  return std::pair(Secret(std::move(*key)), rsa ? TokenAlg::kRs256 : TokenAlg::kEs256);
}

bool Fits(TokenAlg alg, TokenAlg by_type) {
  return alg == by_type || (alg == TokenAlg::kPs256 && by_type == TokenAlg::kRs256);
}

Secret GenerateSecret(TokenAlg alg) {
  switch (alg) {
    case TokenAlg::kEdDsa:
      return Ed25519SecretKey::Generate();
    case TokenAlg::kEs256:
      return AsymmetricKey::GenerateP256();
    default:
      return AsymmetricKey::GenerateRsa();
  }
}

}  // namespace

TokenKey TokenKey::Generate(TokenAlg alg) {
  Secret secret = GenerateSecret(alg);
  std::string kid = Thumbprint(secret);
  return TokenKey(alg, std::move(kid), std::move(secret));
}

Result<TokenKey> TokenKey::ParsePrivateJwk(std::string_view text) {
  Result<json> object = ParseStrictObject(text);
  if (!object) return std::unexpected(object.error());
  if (object->contains("keys")) {
    const json& keys = (*object)["keys"];
    if (!keys.is_array() || keys.size() != 1 || !keys[0].is_object()) {
      return Fail(Code::kInvalidArgument, "keys does not hold exactly one key", "keys");
    }
    json only = keys[0];
    *object = std::move(only);
  }
  JwkReader reader{*object, ""};
  auto read = ReadSecret(reader);
  if (!read) return std::unexpected(read.error());
  TokenAlg alg = read->second;
  if (object->contains("alg")) {
    const std::string* name = FindString(*object, "alg");
    std::optional<TokenAlg> named = name ? TokenAlgFromName(*name) : std::nullopt;
    if (!named || !Fits(*named, alg)) return reader.Refuse("alg", "does not fit the key");
    alg = *named;
  }
  Result<std::string> kid = reader.Text("kid");
  if (!kid) return std::unexpected(kid.error());
  if (kid->empty()) *kid = Thumbprint(read->first);
  return TokenKey(alg, std::move(*kid), std::move(read->first));
}

Result<TokenKey> TokenKey::Load(const std::string& path) {
  Result<std::string> text = ReadFile(path);
  if (!text) return std::unexpected(text.error());
  Result<TokenKey> key = ParsePrivateJwk(*text);
  if (!key) key.error().message = path + ": " + key.error().message;
  return key;
}

std::string TokenKey::ToPrivateJwk() const {
  json jwk = PublicJwk(secret_, alg_, kid_);
  if (const auto* ed25519 = std::get_if<Ed25519SecretKey>(&secret_)) {
    jwk["d"] = Base64Url(ed25519->seed());
    return jwk.dump(1) + "\n";
  }
  const AsymmetricKey& key = std::get<AsymmetricKey>(secret_);
  if (!key.is_rsa()) {
    jwk["d"] = Base64Url(key.ToP256Numbers().d);
    return jwk.dump(1) + "\n";
  }
  RsaNumbers numbers = key.ToRsaNumbers();
  jwk["d"] = Base64Url(numbers.d);
  jwk["p"] = Base64Url(numbers.p);
  jwk["q"] = Base64Url(numbers.q);
  jwk["dp"] = Base64Url(numbers.dp);
  jwk["dq"] = Base64Url(numbers.dq);
  jwk["qi"] = Base64Url(numbers.qi);
  return jwk.dump(1) + "\n";
}

std::string TokenKey::ToPublicJwks() const {
  return json{{"keys", json::array({PublicJwk(secret_, alg_, kid_)})}}.dump(1) + "\n";
}

std::string TokenKey::Sign(std::string_view message) const {
  if (const auto* ed25519 = std::get_if<Ed25519SecretKey>(&secret_)) {
    Ed25519Signature signature = ed25519->Sign(message);
    return std::string(signature.begin(), signature.end());
  }
  SignatureScheme scheme = alg_ == TokenAlg::kEs256   ? SignatureScheme::kEs256
                           : alg_ == TokenAlg::kPs256 ? SignatureScheme::kPs256
                                                      : SignatureScheme::kRs256;
  Result<std::string> signature = std::get<AsymmetricKey>(secret_).Sign(scheme, message);
  CHECK(signature);  // a TokenKey is private and its alg fits its type
  return *signature;
}

std::string MintToken(const TokenClaims& claims, const TokenKey& key) {
  json payload = {{"iss", claims.issuer},     {"aud", claims.audience}, {"sub", claims.user_id},
                  {"sid", claims.session_id}, {"iat", claims.issued_s}, {"exp", claims.expires_s}};
  if (claims.auth_time_s) payload["auth_time"] = *claims.auth_time_s;
  json header = {{"alg", TokenAlgName(key.alg())}, {"kid", key.kid()}, {"typ", "JWT"}};
  // Text that is not UTF-8 would make dump() throw; it yields a token that names nobody real.
  constexpr auto kReplace = json::error_handler_t::replace;
  return SignCompact(header.dump(), payload.dump(-1, ' ', false, kReplace), key);
}

std::string SignCompact(std::string_view header, std::string_view payload, const TokenKey& key) {
  std::string out = Base64Url(header) + "." + Base64Url(payload);
  return out + "." + Base64Url(key.Sign(out));
}

}  // namespace galaxy::push
