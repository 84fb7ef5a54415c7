#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "backend/handle.h"
#include "backend/subscription_claims.h"
#include "base/error.h"
#include "base/histogram.h"
#include "crypto/sha256.h"
#include "net/loop.h"

namespace galaxy::push {

// SubscriptionAdmission holds what a checked subscription waits for before it can be decided and
// registered, where several backends share one log:
//
//     Wait ──▶ the true head is in the ring ──▶ the id is claimed ──▶ done(generation)
//                          └─ unavailable, too late, overtaken, not allowed any more: done(error)
//
// One at most waits for an id: a newer one takes its place, here and, by claims that become known
// meanwhile, at another backend; the older ends kSuperseded (docs/semantics.md 5.4).
//
//   Threads   The loop's only.
//   Lifetime  Outlives what waits. `claims` outlives it.
//   Limits    `waiting_max` at once and `wait_ms` each, then kUnavailable: the gateway tries
//             another backend.
class SubscriptionAdmission {
 public:
  using AwaitHead = std::function<void(std::function<void(Status)>)>;
  struct Options {
    // Calls back, on the loop, once the ring holds everything that was committed before; null: it
    // always does.
    AwaitHead await_head;
    // Null: this backend is the only one.
    SubscriptionClaims* claims = nullptr;
    uint64_t wait_ms = 3'000;
    size_t waiting_max = 1'000;
  };
  // What a subscription has claimed.
  struct Claimed {
    Hash id_hash;
    uint64_t generation;
  };
  // No value where there are no claims.
  using Admitted = std::optional<Claimed>;
  struct Request {
    std::string gateway_client_id;
    // Whether it still may: asked before the claim, before the end, and by Recheck().
    std::function<Status()> check;
    // Called once, not from within Wait().
    std::function<void(Result<Admitted>)> done;
  };
  struct Statistics {
    std::map<Code, uint64_t> refused;  // what waiting ended with
    LatencyHistogram time;             // of those that were admitted
  };

  // One that waits. Destroying it ends that, without a call.
  class Waiting {
   public:
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    friend class SubscriptionAdmission;
    Waiting(SubscriptionAdmission& admission, Request request);
    void Begin();
    void OnHead(const Status& known);
    void OnClaim(Result<uint64_t> generation);
    // May destroy this.
    void End(Result<Admitted> result);

    SubscriptionAdmission& admission_;
    Request request_;
    const Hash id_hash_;
    const uint64_t began_ms_;
    uint64_t newest_ = 0;  // the newest claim of the id that became known
    bool ended_ = false;
    SubscriptionClaims::Ticket claim_;
    Timer deadline_;
    Handle<Waiting> handle_;
  };

  SubscriptionAdmission(Loop& loop, Options options) : loop_(loop), options_(std::move(options)) {}

  // False: there is nothing to wait for.
  bool needed() const { return options_.await_head != nullptr || options_.claims != nullptr; }
  Result<std::unique_ptr<Waiting>> Wait(Request request);
  void OnClaimed(const Hash& id_hash, uint64_t generation);
  // Ends those that may not any more.
  void Recheck();
  // Ends all.
  void Refuse(const Error& error);

  size_t waiting() const { return waiting_.size(); }
  const Statistics& stats() const { return stats_; }

 private:
  template <typename Tell>
  void ForEach(Tell tell);

  Loop& loop_;
  const Options options_;
  std::map<Hash, Waiting*> waiting_;
  Statistics stats_;
};

}  // namespace galaxy::push
