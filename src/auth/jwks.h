#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "crypto/asymmetric.h"
#include "crypto/ed25519.h"

namespace galaxy::push {

// The signature algorithms of client tokens (semantics.md 10.2).
enum class TokenAlg : unsigned char { kRs256, kPs256, kEs256, kEdDsa };
std::string_view TokenAlgName(TokenAlg alg);  // as in a JWS header

// One public key that may verify tokens. Which algorithms it serves is fixed here, by the key: its
// `alg`, else its type. An RSA key without `alg` serves RS256 and PS256, the only case of two; both
// are SHA-256 signatures under the same key and neither can be passed off as the other.
struct VerificationKey {
  std::string kid;  // may be empty
  std::vector<TokenAlg> algs;
  std::variant<AsymmetricKey, Ed25519PublicKey> key;

  bool Serves(TokenAlg alg) const;
  bool Verify(TokenAlg alg, std::string_view message, std::string_view signature) const;
};

// Jwks is the set of keys of one issuer (RFC 7517 5).
//
//   Ownership   An immutable snapshot. Reload is: Load() again and hand it to the TokenVerifier; a
//               file that does not load leaves the old one in use.
//   Limits      1 MiB, 256 keys.
//   Errors      kInvalidArgument naming the member, as in `keys[2].n`, when the set is not what it
//               should be. A single key that nobody could use here (kty, crv, alg, use or key_ops
//               of another purpose, RSA below 2048 bits) is left out with a warning instead.
class Jwks {
 public:
  using Snapshot = std::shared_ptr<const Jwks>;

  static Result<Snapshot> Parse(std::string_view json);
  static Result<Snapshot> Load(const std::string& path);
  // The set of an issuer whose keys have not come yet: empty, and always the same object.
  static const Snapshot& NotYet();

  const std::vector<VerificationKey>& keys() const { return keys_; }
  // One sentence per key that was left out; no key material.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  Jwks() = default;
  std::vector<VerificationKey> keys_;
  std::vector<std::string> warnings_;
};

}  // namespace galaxy::push
