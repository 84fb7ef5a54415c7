#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/jwt.h"
#include "base/error.h"

namespace galaxy::push {

// What a verified logout or security event token asks for: the end of one session, or of all
// sessions of the user when `session_id` is empty.
struct RevocationOrder {
  std::string user_id;
  std::string session_id;
  std::string reason;
  std::string issuer;
  std::string jti;
  uint64_t issued_s = 0;  // `iat`: later sign-ins are not meant (docs/semantics.md 8.5)
};

// RevocationTokens verifies the signed tokens by which identity providers report that a session has
// ended, and knows which of them were carried out already.
//
//   Logout tokens    OpenID Connect Back-Channel Logout 1.0, 2.4-2.6: `iss`, `aud`, `iat`, `exp`,
//                    `jti`, `events` with the logout member, `sub`; `sid` when one session is
//                    meant; no `nonce`. `sid` alone is refused: sessions belong to a user here.
//   Security events  RFC 8417, typ secevent+jwt, with the CAEP event session-revoked. The subject
//                    is `sub_id` (RFC 9493), or `subject` of the event in older transmitters:
//                    iss_sub or opaque, alone or as `user` of a complex subject, whose `session` is
//                    opaque.
//
//   Threads   One.
//   Limits    Tokens as TokenVerifier; `iat` at most `age_max_s` ago. The newest `remembered_max`
//             tokens are known again, for as long as they would be accepted.
//   Errors    kUnauthenticated; kPermissionDenied for a user of another issuer; kUnavailable while
//   the issuer's keys have not come yet. `field`
//             names the claim.
class RevocationTokens {
 public:
  struct Options {
    std::vector<TokenIssuer> issuers;
    uint64_t leeway_s = 30;
    uint64_t age_max_s = 3600;
    size_t remembered_max = 100'000;
  };
  static Result<RevocationTokens> Create(Options options);

  Result<RevocationOrder> VerifyLogout(std::string_view token, uint64_t now_ms) const;
  // Nothing: a good token that asks for nothing we do (another event, a verification).
  Result<std::optional<RevocationOrder>> VerifySecurityEvent(std::string_view token,
                                                             uint64_t now_ms) const;

  // A sender that got no answer sends again: what was carried out once is only answered. To be told
  // when the order is in the log. Goes with the process; what is sent again after a restart does no
  // harm, since it ends nothing that began after its `iat`.
  void Remember(const RevocationOrder& order, uint64_t now_ms);
  bool Remembers(const RevocationOrder& order) const;

  // kNotFound when there is no such issuer.
  Status SetKeys(std::string_view issuer, Jwks::Snapshot keys);

 private:
  using Id = std::pair<std::string, std::string>;  // issuer, jti
  explicit RevocationTokens(Options options) : options_(std::move(options)) {}
  struct Event;
  Result<RevocationOrder> OrderFor(const Event& event, const std::string& subject,
                                   std::string_view reason) const;
  Result<Event> Open(std::string_view token, bool logout, uint64_t now_ms) const;

  Options options_;
  std::map<Id, uint64_t> remembered_;  // until, ms
  std::deque<std::map<Id, uint64_t>::iterator> order_;
};

}  // namespace galaxy::push
