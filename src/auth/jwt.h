#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/jwks.h"
#include "base/error.h"

namespace galaxy::push {

// Who a client is, after its token was verified.
struct ClientIdentity {
  std::string user_id;     // the issuer's user_prefix and the claim `sub`
  std::string session_id;  // the claim `sid`
  std::string issuer;
  uint64_t expires_ms = 0;  // the claim `exp`, without leeway
  // When the session began (semantics.md 8.5): `auth_time`, else `iat`, in unix seconds and
  // never later than now. Without either it counts as before every invalidation.
  std::optional<uint64_t> began_s;
};

// One issuer of client tokens.
struct TokenIssuer {
  std::string issuer;    // compared with `iss`
  std::string audience;  // must be, or be among, `aud`
  Jwks::Snapshot keys;
  std::string user_prefix;  // put in front of `sub`
  std::string user_claim = "sub";
  std::string session_claim = "sid";
};

struct TokenVerifierOptions {
  std::vector<TokenIssuer> issuers;
  uint64_t leeway_s = 30;
  uint64_t lifetime_max_s = 30 * 24 * 3600;  // the maximum session lifetime
};

// TokenVerifier turns a client's JWT into a ClientIdentity (semantics.md 10.2; RFC 7519, RFC 8725).
//
// Accepted is a signed token in compact form, `alg` RS256, PS256, ES256 or EdDSA as the issuer's
// key says. Its header may have `typ` JWT or at+jwt; `crit`, `b64`, `zip`, a `cty` and any other
// typ are refused, and keys or addresses of keys in the header are never used. With a `kid` the
// key must have it; without, the set must hold exactly one key for the algorithm. `exp`, `iss`,
// `aud`, the user and the session are required; `nbf`, `iat` and `auth_time` must not be in the
// future. A token that lives longer than lifetime_max_s, from now or from its `iat`, is refused
// (semantics.md 8.7): it could outlive the memory of its revocation.
//
//   Ownership   Holds snapshots of the issuers' key sets.
//   Threads     Verify() is const and may run on any thread; SetKeys() needs exclusion.
//   Limits      8 KiB a token, depth 16 in its JSON.
//   Errors      kTokenExpired for a token that is good but for `exp`; kUnavailable while its
//               issuer's keys have not come yet; else kUnauthenticated. `field` names the claim or
//               header member ("kid": a refetch of the key set may help). Messages hold nothing of
//               the token.
//   Cost        One signature check, 30-120 µs.
class TokenVerifier {
 public:
  static constexpr size_t kTokenBytesMax = 8192;

  // kInvalidArgument for no issuer, an issuer without name, audience or keys, two with the same
  // name or the same user_prefix, or a prefix that is not a good id.
  static Result<TokenVerifier> Create(TokenVerifierOptions options);

  Result<ClientIdentity> Verify(std::string_view token, uint64_t now_ms) const;

  // kNotFound when there is no such issuer.
  Status SetKeys(std::string_view issuer, Jwks::Snapshot keys);
  const TokenVerifierOptions& options() const { return options_; }

 private:
  explicit TokenVerifier(TokenVerifierOptions options) : options_(std::move(options)) {}
  TokenVerifierOptions options_;
};

}  // namespace galaxy::push
