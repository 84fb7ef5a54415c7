#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "backend/handle.h"
#include "backend/subscription_claims.h"
#include "base/error.h"
#include "log_nats/claim_bucket.h"
#include "log_nats/claim_watcher.h"
#include "log_nats/nats_connection.h"
#include "net/loop.h"

namespace galaxy::push {

// NatsClaims are claims in a JetStream key-value bucket that all backends of a plane use.
//
//     loop ──Claim()──▶ queue ──▶ claim thread ──▶ bucket ──▶ watch thread ──▶ listener, on the
//     loop
//       ◀────────── done ─────────────┘
//
//   Generation Above every one heard of, above the one that the claim goes over, and above the time
//              of day, as a log's numbers are (docs/semantics.md 1.2): it rises for each id, also
//              over a loss of the bucket, and is given once by this backend.
//   Threads    Its own two, since calls of libnats wait; all else on the loop.
//   Displaced  Other backends hear of a claim as soon as the servers deliver it; of one that an
//              outage kept from them as soon as that is over (ClaimWatcher).
//   Errors     Claim(): kUnavailable at once when `queue_max` wait; else after `claim_ms`, and the
//              time of a call that is under way by then (ClaimBucket::Options::put_ms). While the
//              claims of others do not become known here none is made.
//   Lifetime   `loop` outlives it. The destructor breaks off what is under way.
class NatsClaims final : public SubscriptionClaims {
 public:
  struct Options {
    ClaimBucket::Options bucket;
    std::string backend;  // whose claims these are, for who reads the bucket
    uint64_t claim_ms = 2'000;
    uint64_t check_ms = 200;
    size_t queue_max = 1'000;
  };

  // Does not wait for a server. The connection is one of its own: no claim waits behind entries.
  static Result<std::unique_ptr<NatsClaims>> Open(Loop& loop,
                                                  const NatsConnection::Options& connection,
                                                  Options options);
  ~NatsClaims() override;

  void SetListener(Listener listener) override { listener_ = std::move(listener); }
  Ticket Claim(std::string_view gateway_client_id, Done done) override;
  Statistics Stats() const override;

 private:
  struct Job {
    Hash id_hash;
    std::weak_ptr<const Done> ticket;
    std::chrono::steady_clock::time_point begun;
    std::chrono::steady_clock::time_point deadline;
    bool Wanted() const;
  };
  using Session = ClaimWatcher::Session;

  NatsClaims(Loop& loop, std::unique_ptr<NatsConnection> connection, Options options);
  ClaimWatcher::Calls Calls();
  void Run();
  std::optional<Job> Take();
  std::shared_ptr<Session> AwaitSession(const Job& job);
  Result<uint64_t> Carry(const Job& job);
  void Count(const Job& job, const Result<uint64_t>& claimed);
  void Answer(const Job& job, const Result<uint64_t>& claimed);
  uint64_t NextGeneration(uint64_t before);

  Loop& loop_;
  const Options options_;
  Listener listener_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool stopping_ = false;
  std::deque<Job> queue_;
  std::shared_ptr<Session> session_;  // null: the claims of others do not become known here
  Error trouble_;                     // why
  uint64_t newest_ = 0;               // the highest generation heard of or given
  Statistics statistics_;

  Handle<NatsClaims> handle_;
  const std::unique_ptr<NatsConnection> connection_;
  ClaimWatcher watcher_;
  std::thread thread_;
};

}  // namespace galaxy::push
