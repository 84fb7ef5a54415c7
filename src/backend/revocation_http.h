#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "auth/key_waits.h"
#include "auth/revocation_token.h"
#include "backend/publish_intake.h"
#include "base/clock.h"
#include "base/error.h"
#include "http/exchange.h"

namespace galaxy::push {

inline constexpr std::string_view kBackChannelLogoutPath = "/v1/backchannel-logout";
inline constexpr std::string_view kSecurityEventsPath = "/v1/security-events";

// RevocationEndpoints is where identity providers report that sessions have ended; what they say
// becomes an invalidation of the log like any other (docs/publishing.md, "Ways to revoke"):
//
//   POST /v1/backchannel-logout   OpenID Connect Back-Channel Logout 1.0: a form with logout_token.
//                                 200, or 400 with {"error":…,"error_description":…}.
//   POST /v1/security-events      RFC 8935 push of a SET (application/secevent+jwt) with the CAEP
//                                 event session-revoked. 202, or 400 with
//                                 {"err":…,"description":…}.
//
//   Threads   The loop's only.
//   Limits    Bodies of 16 KiB.
//   Errors    As the two standards have them. What the log does not take, and what cannot be judged
//             because its issuer's keys have not come yet, is answered with 503, or, as
//             Back-Channel Logout wants it, with 400 `temporarily_unavailable`; it is not
//             remembered, so that it can be sent again.
//   Lifetime  Everything passed in outlives it, and it the servers that route to it.
class RevocationEndpoints {
 public:
  static constexpr size_t kBodyBytesMax = 16 * 1024;
  enum class Standard : uint8_t { kBackChannelLogout, kSecurityEvent };
  struct Statistics {
    uint64_t accepted = 0;  // became an invalidation
    uint64_t repeated = 0;  // were carried out before
    uint64_t ignored = 0;   // good, and asked for nothing we do
    uint64_t refused = 0;
    uint64_t failed = 0;  // the log did not take them
  };

  // A token named a key that is not there: keys may have been rotated. As IssuerKeys::Await().
  using AwaitKeys = std::function<bool(KeyWaits::Ticket& ticket, KeyWaits::Again again)>;
  RevocationEndpoints(PublishIntake& intake, RevocationTokens& tokens, const Clock& clock,
                      AwaitKeys await_keys = {})
      : intake_(intake), tokens_(tokens), clock_(clock), await_keys_(std::move(await_keys)) {}

  void OnRequest(Exchange& exchange, Standard standard);
  const Statistics& stats(Standard standard) const { return stats_[static_cast<size_t>(standard)]; }
  const std::array<Statistics, 2>& stats() const { return stats_; }

 private:
  friend class RevocationCall;
  PublishIntake& intake_;
  RevocationTokens& tokens_;
  const Clock& clock_;
  const AwaitKeys await_keys_;
  std::array<Statistics, 2> stats_;
};

}  // namespace galaxy::push
