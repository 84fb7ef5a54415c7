#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/histogram.h"
#include "crypto/sha256.h"

namespace galaxy::push {

// SubscriptionClaims is where several backends agree who serves a gateway_client_id: the newest
// claim of an id has the highest generation, whichever backend made it (docs/semantics.md 5.4).
//
//   Threads   The loop's; the listener and what a claim ends with are called there, never from
//             within a call. None of them after the object is gone.
//   Order     Generations of one id rise with every claim of it, at all backends together. The
//             listener may hear of a claim before or after that claim's own end.
//   Errors    A claim fails with kUnavailable when the store does not answer in time. It may have
//             been made all the same: then its generation is nobody's.
//   Limits    Bounded by the implementation in number and time; beyond it kUnavailable.
class SubscriptionClaims {
 public:
  using Done = std::function<void(Result<uint64_t> generation)>;
  using Listener = std::function<void(const Hash& id_hash, uint64_t generation)>;
  // A claim under way. Dropping it means that nobody waits for it any more: `done` is not called,
  // and what has not been sent to the store yet is not sent.
  using Ticket = std::shared_ptr<const void>;
  struct Statistics {
    uint64_t claimed = 0;
    uint64_t failed = 0;
    uint64_t conflicts = 0;       // another claim of the id came first; tried again
    uint64_t watches_begun = 0;   // times the others' claims became known here; above 1: outages
    bool watching = false;        // the others' claims become known here
    LatencyHistogram claim_time;  // of those that succeeded
  };

  virtual ~SubscriptionClaims() = default;

  // Hears of every claim, those of this backend included; after an outage, of the newest of each id
  // that was claimed meanwhile.
  virtual void SetListener(Listener listener) = 0;
  [[nodiscard]] virtual Ticket Claim(std::string_view gateway_client_id, Done done) = 0;
  virtual Statistics Stats() const = 0;
};

}  // namespace galaxy::push
