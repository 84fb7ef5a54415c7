#pragma once

// For .cc files of auth/ only: what tokens of every kind are checked for.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/jwt.h"
#include "auth/jwt_parts.h"

namespace galaxy::push {

// See TokenVerifier::Create().
Status CheckIssuers(const std::vector<TokenIssuer>& issuers);

// kNotFound when there is no such issuer.
Status SetIssuerKeys(std::vector<TokenIssuer>& issuers, std::string_view name, Jwks::Snapshot keys);

// The issuer that `iss` names, once the signature by one of its keys and `aud` are right.
Result<const TokenIssuer*> CheckOrigin(const JwtParts& parts,
                                       const std::vector<TokenIssuer>& issuers);

// A NumericDate (RFC 7519 2) in whole seconds, rounded down; nullopt when it is missing.
Result<std::optional<uint64_t>> FindTime(const nlohmann::json& claims, const char* name);

// A string claim that must be there and be a good id.
Result<std::string> RequiredId(const nlohmann::json& claims, const std::string& name);

// The user id of an issuer's subject. Refused when it is reserved or lies in the name space of
// another issuer.
Result<std::string> UserIdOf(const std::string& subject, const TokenIssuer& issuer,
                             const std::vector<TokenIssuer>& issuers);

}  // namespace galaxy::push
