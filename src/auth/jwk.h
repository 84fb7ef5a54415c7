#pragma once

// For .cc files of auth/ only: reading the members of a JWK (RFC 7517, 7518 6, 8037).
#include <string>
#include <vector>

#include "auth/jwks.h"
#include "envelope/strict_json.h"

namespace galaxy::push {

// `where` stands in front of member names in errors, e.g. "keys[2].".
struct JwkReader {
  const nlohmann::json& jwk;
  std::string where;

  std::unexpected<Error> Refuse(const char* member, const std::string& problem) const;
  // The text of a member; empty when it is missing, an error when it is no string.
  Result<std::string> Text(const char* member) const;
  // A required member in unpadded base64url, decoded.
  Result<std::string> Bytes(const char* member) const;
  // As Bytes(), empty when it is missing.
  Result<std::string> OptionalBytes(const char* member) const;

  // The key, with its private part when `with_private`.
  Result<AsymmetricKey> Rsa(bool with_private) const;
  Result<AsymmetricKey> P256(bool with_private) const;
  Result<Ed25519PublicKey> Ed25519() const;
};

// nullopt for an algorithm that no token of ours may have.
std::optional<TokenAlg> TokenAlgFromName(std::string_view name);

// The array `keys` of a JWK set.
Result<nlohmann::json> ParseJwkSet(std::string_view text);

}  // namespace galaxy::push
