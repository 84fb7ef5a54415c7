#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "auth/jwks.h"
#include "base/error.h"

namespace galaxy::push {

// A private key that signs tokens, for development and tests: `galaxy-push token`, `demo`. It has
// no print operator; ToPrivateJwk() is for writing key files.
class TokenKey {
 public:
  static TokenKey Generate(TokenAlg alg);
  // A private JWK (RFC 7517). Without `alg` an RSA key signs RS256. A JWK set with exactly one key
  // is accepted as well.
  static Result<TokenKey> ParsePrivateJwk(std::string_view json);
  static Result<TokenKey> Load(const std::string& path);

  std::string ToPrivateJwk() const;
  // A JWK set with the one public key.
  std::string ToPublicJwks() const;

  TokenAlg alg() const { return alg_; }
  const std::string& kid() const { return kid_; }  // RFC 7638 thumbprint unless the JWK had one

  std::string Sign(std::string_view message) const;

 private:
  using Secret = std::variant<AsymmetricKey, Ed25519SecretKey>;
  TokenKey(TokenAlg alg, std::string kid, Secret secret)
      : alg_(alg), kid_(std::move(kid)), secret_(std::move(secret)) {}
  TokenAlg alg_;
  std::string kid_;
  Secret secret_;
};

struct TokenClaims {
  std::string issuer;
  std::string audience;
  std::string user_id;
  std::string session_id;
  uint64_t issued_s = 0;
  uint64_t expires_s = 0;
  std::optional<uint64_t> auth_time_s;
};

// A signed JWT in compact form.
std::string MintToken(const TokenClaims& claims, const TokenKey& key);

// A JWS in compact form over any header and payload text, right or wrong: for tests.
std::string SignCompact(std::string_view header, std::string_view payload, const TokenKey& key);

}  // namespace galaxy::push
