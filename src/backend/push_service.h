#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "auth/roles.h"
#include "backend/handle.h"
#include "backend/subscription_admission.h"
#include "backend/subscriptions.h"
#include "base/error.h"
#include "grpc/server.h"
#include "log/log.h"
#include "net/loop.h"

namespace galaxy::push {

class PushStream;

// PushService serves galaxy.backend.push.v1.Push/SubscribePush: it accepts gateways (registry:
// Subscriptions), writes the log to them straight from the ring, and ends streams by the rules of
// docs/semantics.md 4-6.
//
//   Threads   The loop's only, but for the log's listener, which posts to it: at most one wake-up
//   is
//             under way, however fast the log grows.
//   Limits    A stream costs its HTTP/2 state and a Subscription; nothing grows with lag (6.1).
//             What waits to be accepted is bounded by SubscriptionAdmission.
//   Lifetime  Loop, log, claims and whoever routes calls here outlive it. Construct it before the
//             log thread starts.
//   Several   Where backends share a log, a subscription waits for the true head, then claims its
//   backends  id; then it is decided and registered like any other. A newer claim, wherever it was
//             made, ends what is here of that id as `superseded` (5.4).
class PushService {
 public:
  struct Options {
    Subscriptions::Options subscriptions;
    SubscriptionAdmission::Options admission;  // nothing to wait for: accepted at once
    uint64_t slow_ms = 10'000;                 // docs/semantics.md 6.2
    uint64_t sweep_ms = 1'000;                 // how often streams are checked for it
    uint64_t canary_ms = 5'000;                // told to gateways (4.9); 0: off
    // Whether who subscribes may have that gateway_client_id (5.3); none: anybody any.
    std::function<Status(const PeerProof&, std::string_view id)> check_id;
  };

  // `on_accepted` runs after each accepted subscription: a canary is to follow (4.9).
  PushService(Loop& loop, Log& log, Options options, std::function<void()> on_accepted);
  ~PushService();

  void AddTo(GrpcRouter& router);

  // Ends streams whose peers may not have their id any more (Options::check_id).
  void RecheckRoles();

  // The steps of a drain (6.5): refuses new subscriptions; ends each stream once it has written
  // everything up to the ring's present head; ends those that are left.
  void StopAccepting();
  void Drain();
  void EndAll();

  const Subscriptions& subscriptions() const { return subscriptions_; }
  const SubscriptionAdmission& admission() const { return admission_; }
  size_t streams() const { return streams_.size(); }
  uint64_t wakeups() const { return wakeups_; }

 private:
  friend class PushStream;

  Status CheckGatewayId(const GrpcServerCall& call, std::string_view id) const;
  // Whether `request` may go on to admission and Accept().
  Status Check(const GrpcServerCall& call, const SubscribeRequest& request);
  // Decides, registers, silences the predecessor and tells it its end (4.2, 5.1).
  Result<std::shared_ptr<Subscription>> Accept(const SubscribeRequest& request,
                                               const SubscriptionAdmission::Admitted& claimed);
  void OnClaimed(const Hash& id_hash, uint64_t generation);
  void EndDisplaced(const Subscription* displaced);
  void OnLogGrowth();
  void WakeAll();
  void Sweep();
  // Whatever a stream is told may end it, or others.
  template <typename Tell>
  void ForEachStream(Tell tell);

  Loop& loop_;
  const Log& log_;
  const Options options_;
  std::function<void()> on_accepted_;
  Subscriptions subscriptions_;
  SubscriptionAdmission admission_;
  std::map<uint64_t, PushStream*> streams_;  // by generation
  bool accepting_ = true;
  bool draining_ = false;
  Cursor drain_head_;
  uint64_t wakeups_ = 0;
  std::atomic<bool> wake_posted_{false};
  Timer sweep_timer_;
  Handle<PushService> handle_;
};

}  // namespace galaxy::push
