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

// RFC 8725 3.11: a token of one kind by the same issuer is none of another kind. The media types
// that `typ` may have, lower case, without "application/".
struct JwtKind {
  std::string_view types[2];
  bool required;  // a header without typ is refused
  const char* said;
};
inline constexpr JwtKind kClientToken{{"jwt", "at+jwt"}, false, "JWT or at+jwt"};
// OpenID Connect Back-Channel Logout 1.0, 2.4: typed by recommendation only.
inline constexpr JwtKind kLogoutToken{{"logout+jwt", "jwt"}, false, "logout+jwt"};
// RFC 8417 2.3.
inline constexpr JwtKind kSecurityEvent{{"secevent+jwt", ""}, true, "secevent+jwt"};

struct JwtParts {
  TokenAlg alg = TokenAlg::kEdDsa;
  std::optional<std::string> kid;
  nlohmann::json claims;
  std::string_view signed_text;  // header.payload, into the token
  std::string signature;
};

// A claim is not trusted before the signature is. All refusals are kUnauthenticated.
Result<JwtParts> TakeJwtApart(std::string_view token, const JwtKind& kind = kClientToken);

inline std::unexpected<Error> RefuseToken(std::string message, std::string field = {}) {
  return Fail(Code::kUnauthenticated, std::move(message), std::move(field));
}

}  // namespace galaxy::push
