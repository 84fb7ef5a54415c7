#pragma once

// For .cc files of auth/ only: a JWS in compact form, taken apart and judged by form (RFC 7515,
// RFC 8725), before any key is looked at.
#include <optional>
#include <string>
#include <string_view>

#include "auth/jwks.h"
#include "base/error.h"
#include "envelope/strict_json.h"

namespace galaxy::push {

struct JwtParts {
  TokenAlg alg = TokenAlg::kEdDsa;
  std::optional<std::string> kid;
  nlohmann::json claims;
  std::string_view signed_text;  // header.payload, into the token
  std::string signature;
};

// A claim is not trusted before the signature is. All refusals are kUnauthenticated.
Result<JwtParts> TakeJwtApart(std::string_view token);

inline std::unexpected<Error> RefuseToken(std::string message, std::string field = {}) {
  return Fail(Code::kUnauthenticated, std::move(message), std::move(field));
}

}  // namespace galaxy::push
