#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/resume.h"
#include "backend/subscription.h"
#include "backend/subscription_admission.h"
#include "base/error.h"
#include "log/log.h"

namespace galaxy::push {

// Subscriptions is the registry of gateways: at most one live subscription per gateway_client_id
// (docs/semantics.md 5), each decided, registered and put in the place of its predecessor in one
// step (4.2).
//
//   Threads     The loop's only. Sans I/O: times are passed in.
//   Lifetime    `log` outlives it.
//   Limits      `count_max` ids at once, beyond that kResourceExhausted; a known id is always let
//               in.
//   Generations What was claimed, where several backends claim ids (SubscriptionClaims). Else one
//               counter for all ids, begun where the log's numbers begin at this start (1.2).
//               Thus the generation of an id rises across restarts as cursors do: also when the
//               clock steps back, unless the start before had more subscriptions than entries,
//               canaries (4.9) included. Nothing is remembered of ids that are gone.
class Subscriptions {
 public:
  struct Options {
    size_t count_max = 1'000;
  };
  struct Accepted {
    std::shared_ptr<Subscription> subscription;
    // The one that this one displaced, silent already; null when there was none.
    std::shared_ptr<Subscription> displaced;
  };
  struct Statistics {
    std::array<uint64_t, 3> accepted{};         // by Resume
    std::map<std::string_view, uint64_t> gaps;  // by reason
    std::map<Code, uint64_t> ended;             // by cause; kCancelled: the gateway went
    uint64_t refused = 0;
  };

  Subscriptions(Options options, const Log& log)
      : options_(options),
        ring_(log.ring()),
        retained_(log.retained()),
        generation_(log.begun_after()) {}

  // Whether Accept() would take it now: for those that wait before it.
  Status Check(const SubscribeRequest& request);
  // kSuperseded when the id has a newer subscription than `claimed`.
  Result<Accepted> Accept(const SubscribeRequest& request, uint64_t now_ms, uint64_t wall_ms,
                          const SubscriptionAdmission::Admitted& claimed = {});
  // A claim has become known. The subscription that it displaces, silent already; null when there
  // is none.
  std::shared_ptr<Subscription> OnClaimed(const Hash& id_hash, uint64_t generation);
  // `subscription` has ended. Its id is free, unless a newer one has it.
  void Remove(const Subscription& subscription, Code cause);

  bool Current(const Subscription& subscription) const;
  size_t size() const { return current_.size(); }
  std::vector<SubscriptionInfo> List() const;  // by id
  const Statistics& stats() const { return stats_; }

 private:
  const Options options_;
  const Ring& ring_;
  const Retained& retained_;
  uint64_t generation_;
  std::map<std::string, std::shared_ptr<Subscription>, std::less<>> current_;
  std::map<Hash, std::string> claimed_ids_;  // of those in current_ that were claimed
  Statistics stats_;
};

}  // namespace galaxy::push
