#include "envelope/keys.h"

#include <algorithm>

#include "base/base64.h"
#include "base/file.h"
#include "crypto/sha256.h"
#include "envelope/strict_json.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

constexpr size_t kKeysMax = 64;
constexpr uint64_t kSecondsMax = 1ull << 43;  // milliseconds of it stay below 2^53

std::unexpected<Error> Refuse(const std::string& where, const char* member, const char* message) {
  std::string field = where + member;
  return Fail(Code::kInvalidArgument, field + " " + message, field);
}

Result<json> ParseSet(std::string_view text) {
  Result<json> set = ParseStrictObject(text);
  if (!set) return set;
  auto keys = set->find("keys");
  if (keys == set->end() || !keys->is_array()) return Refuse("", "keys", "is not an array");
  return std::move(*keys);
}

bool IsEd25519(const json& jwk) {
  const std::string* kty = FindString(jwk, "kty");
  const std::string* crv = FindString(jwk, "crv");
  return kty != nullptr && *kty == "OKP" && crv != nullptr && *crv == "Ed25519";
}

Result<SigningKey> ParseSigningKey(const json& jwk, const std::string& where) {
  if (!jwk.is_object() || !IsEd25519(jwk)) {
    return Refuse(where, "kty", "and crv are not those of an Ed25519 key");
  }
  const std::string* d = FindString(jwk, "d");
  Result<std::string> seed = d ? DecodeBase64Url(*d) : Fail(Code::kInvalidArgument, "");
  auto secret = seed ? Ed25519SecretKey::FromSeed(*seed) : std::nullopt;
  if (!secret) return Refuse(where, "d", "is not 32 bytes of unpadded base64url");
  std::string kid = KeyThumbprint(secret->PublicKey());
  if (jwk.contains("x")) {
    const std::string* x = FindString(jwk, "x");
    if (!x || *x != Base64Url(secret->PublicKey().raw())) {
      return Refuse(where, "x", "is not the public key of d");
    }
  }
  if (jwk.contains("kid")) {
    const std::string* given = FindString(jwk, "kid");
    if (!given || *given != kid) return Refuse(where, "kid", "is not the RFC 7638 thumbprint");
  }
  uint64_t not_before_s = 0;
  if (auto nbf = jwk.find("nbf"); nbf != jwk.end()) {
    if (!nbf->is_number_unsigned() || nbf->get<uint64_t>() > kSecondsMax) {
      return Refuse(where, "nbf", "is not a time in unix seconds");
    }
    not_before_s = nbf->get<uint64_t>();
  }
  return SigningKey{std::move(*secret), std::move(kid), not_before_s};
}

json PublicJwk(const SigningKey& key) {
  return {{"kty", "OKP"},   {"crv", "Ed25519"}, {"use", "sig"},
          {"alg", "EdDSA"}, {"kid", key.kid},   {"x", Base64Url(key.secret.PublicKey().raw())}};
}

}  // namespace

std::string KeyThumbprint(const Ed25519PublicKey& key) {
  std::string text = R"({"crv":"Ed25519","kty":"OKP","x":")" + Base64Url(key.raw()) + "\"}";
  return Base64Url(AsBytes(Sha256Of(text)));
}

SigningKey SigningKey::Generate(uint64_t not_before_s) {
  Ed25519SecretKey secret = Ed25519SecretKey::Generate();
  std::string kid = KeyThumbprint(secret.PublicKey());
  return {std::move(secret), std::move(kid), not_before_s};
}

Result<SigningKeys::Snapshot> SigningKeys::Parse(std::string_view text) {
  Result<json> set = ParseSet(text);
  if (!set) return std::unexpected(set.error());
  std::vector<SigningKey> keys;
  for (size_t i = 0; i < set->size() && i <= kKeysMax; ++i) {
    Result<SigningKey> key = ParseSigningKey((*set)[i], "keys[" + std::to_string(i) + "].");
    if (!key) return std::unexpected(key.error());
    keys.push_back(std::move(*key));
  }
  return FromKeys(std::move(keys));
}

Result<SigningKeys::Snapshot> SigningKeys::FromKeys(std::vector<SigningKey> keys) {
  if (keys.empty() || keys.size() > kKeysMax) return Refuse("", "keys", "holds not 1 to 64 keys");
  for (size_t i = 0; i < keys.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (keys[i].kid == keys[j].kid) return Refuse("", "keys", "holds a key twice");
    }
  }
  std::shared_ptr<SigningKeys> out(new SigningKeys);
  out->keys_ = std::move(keys);
  json published = json::array();
  for (const SigningKey& key : out->keys_) published.push_back(PublicJwk(key));
  out->public_jwks_ = json{{"keys", std::move(published)}}.dump();
  return Snapshot(std::move(out));
}

Result<SigningKeys::Snapshot> SigningKeys::Load(const std::string& path) {
  Result<std::string> text = ReadFile(path);
  if (!text) return std::unexpected(text.error());
  Result<Snapshot> keys = Parse(*text);
  if (!keys) keys.error().message = path + ": " + keys.error().message;
  return keys;
}

Result<SigningKeys::Snapshot> SigningKeys::LoadOrCreate(const std::string& path, uint64_t now_ms) {
  Result<Snapshot> found = Load(path);
  if (found || found.error().code != Code::kNotFound) return found;
  std::vector<SigningKey> keys;
  keys.push_back(SigningKey::Generate(now_ms / 1000));
  Result<Snapshot> made = FromKeys(std::move(keys));
  Status written = WriteFileAtomic(path, (*made)->PrivateJson(), 0600, WhenFileExists::kFail);
  if (written) return made;
  // Another process was faster: its key is the one.
  if (written.error().code == Code::kAlreadyExists) return Load(path);
  return std::unexpected(written.error());
}

const SigningKey* SigningKeys::ActiveAt(uint64_t now_ms) const {
  const SigningKey* best = nullptr;
  for (const SigningKey& key : keys_) {
    if (key.not_before_s * 1000 > now_ms) continue;
    // Equal times are settled by kid, so that every gateway chooses alike.
    if (best == nullptr ||
        std::tie(key.not_before_s, key.kid) > std::tie(best->not_before_s, best->kid)) {
      best = &key;
    }
  }
  return best;
}

std::string SigningKeys::PrivateJson() const {
  json set = json::array();
  for (const SigningKey& key : keys_) {
    json jwk = PublicJwk(key);
    jwk["d"] = Base64Url(key.secret.seed());
    jwk["nbf"] = key.not_before_s;
    set.push_back(std::move(jwk));
  }
  return json{{"keys", std::move(set)}}.dump(1) + "\n";
}

Status SigningKeys::Save(const std::string& path) const {
  return WriteFileAtomic(path, PrivateJson(), 0600);
}

Result<PublicKeys::Snapshot> PublicKeys::Parse(std::string_view text) {
  Result<json> set = ParseSet(text);
  if (!set) return std::unexpected(set.error());
  auto out = std::make_shared<PublicKeys>();
  for (const json& jwk : *set) {
    if (!jwk.is_object() || !IsEd25519(jwk)) continue;
    const std::string* use = FindString(jwk, "use");
    const std::string* x = FindString(jwk, "x");
    const std::string* kid = FindString(jwk, "kid");
    if (!use || *use != "sig" || !x || !kid) continue;
    Result<std::string> raw = DecodeBase64Url(*x);
    auto key = raw ? Ed25519PublicKey::FromRaw(*raw) : std::nullopt;
    if (!key || KeyThumbprint(*key) != *kid || out->Find(*kid)) continue;
    if (out->keys_.size() == kKeysMax) return Refuse("", "keys", "holds over 64 keys");
    out->keys_.push_back({*kid, *key});
  }
  return Snapshot(std::move(out));
}

Result<PublicKeys::Snapshot> PublicKeys::Load(const std::string& path) {
  Result<std::string> text = ReadFile(path);
  if (!text) return std::unexpected(text.error());
  Result<Snapshot> keys = Parse(*text);
  if (!keys) keys.error().message = path + ": " + keys.error().message;
  return keys;
}

const Ed25519PublicKey* PublicKeys::Find(std::string_view kid) const {
  for (const Entry& entry : keys_) {
    if (entry.kid == kid) return &entry.key;
  }
  return nullptr;
}

}  // namespace galaxy::push
