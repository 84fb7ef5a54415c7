#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "crypto/ed25519.h"

namespace galaxy::push {

// RFC 7638 thumbprint of an Ed25519 key: the `kid` of envelopes, 43 characters.
std::string KeyThumbprint(const Ed25519PublicKey& key);

// One key that signs envelopes, from `not_before_s` (unix seconds) on.
struct SigningKey {
  Ed25519SecretKey secret;
  std::string kid;
  uint64_t not_before_s = 0;

  static SigningKey Generate(uint64_t not_before_s);
};

// SigningKeys is the set of keys that all gateways of a plane sign with: a private JWK set in a
// file, {"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":…,"x":…,"d":…,
// "nbf":unix seconds}]}.
//
//   Ownership   An immutable snapshot. Reload is: Load() again, swap the shared_ptr; a file that
//               does not load leaves the old snapshot in use.
//   Limits      1 to 64 keys, a file of at most 1 MiB.
//   Errors      kNotFound, kInvalidArgument with the member at fault; never a key's content.
//
// Rotation (docs/envelope.md, Keys): add a key with an `nbf` at least one cache lifetime ahead; it
// is published at once and signs from `nbf` on. Drop the old one when its envelopes have aged out.
class SigningKeys {
 public:
  using Snapshot = std::shared_ptr<const SigningKeys>;

  static Result<Snapshot> Parse(std::string_view json);
  static Result<Snapshot> Load(const std::string& path);
  // Loads the file, or creates it (0600) with one key that signs from now on. Two processes that
  // race end up with the same key.
  static Result<Snapshot> LoadOrCreate(const std::string& path, uint64_t now_ms);
  static Result<Snapshot> FromKeys(std::vector<SigningKey> keys);

  // The newest key whose `nbf` has passed; null when there is none yet.
  const SigningKey* ActiveAt(uint64_t now_ms) const;
  const std::vector<SigningKey>& keys() const { return keys_; }
  // All public keys, also those that are not active yet: the body of /.well-known/jwks.json.
  const std::string& public_jwks() const { return public_jwks_; }
  // Replaces the file atomically, mode 0600.
  Status Save(const std::string& path) const;

 private:
  SigningKeys() = default;
  std::string PrivateJson() const;
  std::vector<SigningKey> keys_;
  std::string public_jwks_;
};

// PublicKeys is what a verifier trusts: the Ed25519 signing keys of a JWKS. Other keys in the set
// are passed over, and so is a key whose `kid` is not its thumbprint. Immutable.
class PublicKeys {
 public:
  using Snapshot = std::shared_ptr<const PublicKeys>;

  static Result<Snapshot> Parse(std::string_view jwks);
  static Result<Snapshot> Load(const std::string& path);

  // Null when the kid is not known.
  const Ed25519PublicKey* Find(std::string_view kid) const;
  size_t size() const { return keys_.size(); }

 private:
  struct Entry {
    std::string kid;
    Ed25519PublicKey key;
  };
  std::vector<Entry> keys_;
};

}  // namespace galaxy::push
