#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// The signatures of JOSE tokens (RFC 7518 3.3-3.5). Ed25519 has a header of its own.
enum class SignatureScheme : unsigned char {
  kRs256,  // RSASSA-PKCS1-v1_5, SHA-256
  kPs256,  // RSASSA-PSS, SHA-256, salt of 32 bytes
  kEs256,  // ECDSA, P-256, SHA-256; r || s, 64 bytes
};

// The numbers of a JWK, big-endian, decoded. Private ones are empty in a public key.
struct RsaNumbers {
  std::string n, e, d, p, q, dp, dq, qi;
};
struct P256Numbers {
  std::string x, y, d;  // 32 bytes each
};

// Limits on RSA moduli: below it is weak (RFC 7518 3.3), above it costs too much to check.
inline constexpr int kRsaBitsMin = 2048;
inline constexpr int kRsaBitsMax = 8192;

// An RSA or P-256 key, public or private, immutable and safe to use from several threads.
// Construction refuses weak or oversized moduli, even or tiny exponents and points off the curve.
class AsymmetricKey {
 public:
  static Result<AsymmetricKey> FromRsa(const RsaNumbers& numbers);
  static Result<AsymmetricKey> FromP256(const P256Numbers& numbers);
  static AsymmetricKey GenerateRsa(int bits = kRsaBitsMin);
  static AsymmetricKey GenerateP256();

  // False for a signature of the wrong length and for a scheme that is not of the key's type.
  bool Verify(SignatureScheme scheme, std::string_view message, std::string_view signature) const;
  // Needs a private key and a scheme of its type, else kInvalidArgument.
  Result<std::string> Sign(SignatureScheme scheme, std::string_view message) const;

  bool is_rsa() const;
  bool is_private() const;
  // The numbers, the private ones only where the key has them.
  RsaNumbers ToRsaNumbers() const;
  P256Numbers ToP256Numbers() const;

 private:
  struct Impl;
  explicit AsymmetricKey(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace galaxy::push
