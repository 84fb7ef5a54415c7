#include "auth/jwk.h"

#include "base/base64.h"

namespace galaxy::push {

using nlohmann::json;

std::unexpected<Error> JwkReader::Refuse(const char* member, const std::string& problem) const {
  std::string field = where + member;
  return Fail(Code::kInvalidArgument, field + " " + problem, field);
}

Result<std::string> JwkReader::Text(const char* member) const {
  if (!jwk.contains(member)) return std::string();
  const std::string* text = FindString(jwk, member);
  if (text == nullptr) return Refuse(member, "is not a string");
  return *text;
}

Result<std::string> JwkReader::Bytes(const char* member) const {
  const std::string* text = FindString(jwk, member);
  if (text == nullptr) return Refuse(member, "is missing or not a string");
  Result<std::string> bytes = DecodeBase64Url(*text);
  if (!bytes) return Refuse(member, "is not canonical unpadded base64url");
  if (bytes->empty()) return Refuse(member, "is empty");
  return bytes;
}

Result<std::string> JwkReader::OptionalBytes(const char* member) const {
  if (!jwk.contains(member)) return std::string();
  return Bytes(member);
}

Result<AsymmetricKey> JwkReader::Rsa(bool with_private) const {
  RsaNumbers numbers;
  std::vector<std::pair<const char*, std::string*>> members = {{"n", &numbers.n},
                                                               {"e", &numbers.e}};
  if (with_private) {
    members.insert(members.end(), {{"d", &numbers.d},
                                   {"p", &numbers.p},
                                   {"q", &numbers.q},
                                   {"dp", &numbers.dp},
                                   {"dq", &numbers.dq},
                                   {"qi", &numbers.qi}});
  }
  for (const auto& [member, number] : members) {
    Result<std::string> bytes = Bytes(member);
    if (!bytes) return std::unexpected(bytes.error());
    *number = std::move(*bytes);
  }
  Result<AsymmetricKey> key = AsymmetricKey::FromRsa(numbers);
  if (!key) return Refuse(key.error().field.c_str(), "makes no key: " + key.error().message);
  return key;
}

Result<AsymmetricKey> JwkReader::P256(bool with_private) const {
  P256Numbers numbers;
  std::vector<std::pair<const char*, std::string*>> members = {{"x", &numbers.x},
                                                               {"y", &numbers.y}};
  if (with_private) members.emplace_back("d", &numbers.d);
  for (const auto& [member, number] : members) {
    Result<std::string> bytes = Bytes(member);
    if (!bytes) return std::unexpected(bytes.error());
    *number = std::move(*bytes);
  }
  Result<AsymmetricKey> key = AsymmetricKey::FromP256(numbers);
  if (!key) return Refuse(key.error().field.c_str(), "makes no key: " + key.error().message);
  return key;
}

Result<Ed25519PublicKey> JwkReader::Ed25519() const {
  Result<std::string> raw = Bytes("x");
  if (!raw) return std::unexpected(raw.error());
  auto key = Ed25519PublicKey::FromRaw(*raw);
  if (!key) return Refuse("x", "is not 32 bytes");
  return *key;
}

std::optional<TokenAlg> TokenAlgFromName(std::string_view name) {
  for (TokenAlg alg : {TokenAlg::kRs256, TokenAlg::kPs256, TokenAlg::kEs256, TokenAlg::kEdDsa}) {
    if (name == TokenAlgName(alg)) return alg;
  }
  return std::nullopt;
}

Result<json> ParseJwkSet(std::string_view text) {
  Result<json> set = ParseStrictObject(text);
  if (!set) return set;
  auto keys = set->find("keys");
  if (keys == set->end() || !keys->is_array()) {
    return Fail(Code::kInvalidArgument, "keys is missing or not an array", "keys");
  }
  return std::move(*keys);
}

}  // namespace galaxy::push
