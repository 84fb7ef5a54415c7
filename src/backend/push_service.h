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
//   Lifetime  Loop, log and whoever routes calls here outlive it. Construct it before the log
//   thread
//             starts.
class PushService {
 public:
  struct Options {
    Subscriptions::Options subscriptions;
    uint64_t slow_ms = 10'000;   // docs/semantics.md 6.2
    uint64_t sweep_ms = 1'000;   // how often streams are checked for it
    uint64_t canary_ms = 5'000;  // told to gateways (4.9); 0: off
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
  void StopAccepting() { accepting_ = false; }
  void Drain();
  void EndAll();

  const Subscriptions& subscriptions() const { return subscriptions_; }
  size_t streams() const { return streams_.size(); }
  uint64_t wakeups() const { return wakeups_; }

 private:
  friend class PushStream;

  Status CheckGatewayId(const GrpcServerCall& call, std::string_view id) const;
  // Decides, registers, silences the predecessor and tells it its end (4.2, 5.1).
  Result<std::shared_ptr<Subscription>> Accept(const SubscribeRequest& request);
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
