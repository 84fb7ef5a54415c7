#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/backend_pool.h"
#include "gateway/config.h"
#include "gateway/gateway.h"
#include "grpc/client.h"
#include "grpc/health_check.h"
#include "net/loop.h"
#include "net/resolver.h"

namespace galaxy::push {

struct BackendsStats {
  std::array<uint64_t, 4> checks{};  // by HealthAnswer
  uint64_t lookups = 0;
  uint64_t lookup_failures = 0;
};

// Backends does what BackendPool needs done (semantics.md 6.6): looks names up, keeps a channel to
// each address, and asks those that are not in use for their health. With a single address there is
// nothing to choose and no check is made.
//
//   Names     Looked up at the start, at each attempt (waited for after a pause) and every
//             kLookupMs. Of one that cannot be looked up the addresses of last time go on counting.
//   Channels  One for each address, kept open between checks, so that a move finds a connection
//             with its TLS handshake behind it. One that is not trusted any more is made anew.
//   Threads   One loop; what is passed in outlives it.
class Backends {
 public:
  static constexpr uint64_t kLookupMs = 30'000;

  // `on_news`: a check or a lookup has ended; called from a timer's or a posted function's place,
  // never from within a call of the owner's.
  Backends(Loop& loop, const GatewayConfig& config, std::function<void()> on_news);
  ~Backends();

  // Calls `then` once it is known where to go: at once while the round has somewhere, or when there
  // are no names to look up. A later call takes the place of one that waits.
  void Prepare(std::function<void()> then);
  // The channel to the next one, in use from now on; null when there is no address at all.
  GrpcChannel* Take();
  // That one's subscription was accepted.
  void OnAccepted();
  // It is left; `seen` and `lived` as in BackendPool. With `renew` its connection is not trusted
  // any more. The call on it may be on the stack.
  void Leave(std::optional<BackendHealth> seen, bool lived, bool renew);
  void Stop();

  // Of the one in use.
  GrpcChannel& channel() { return *links_.at(Key(pool_.in_use()->target.address)).channel; }
  const BackendPool& pool() const { return pool_; }
  const BackendsStats& stats() const { return stats_; }
  // Why there is no address, when that is so.
  const std::string& trouble() const { return trouble_; }
  // The one in use has said that it does not serve, or says nothing at all any more, and another
  // one that was asked then says that it serves: what befalls all of them is no reason to leave.
  bool ShouldLeave() const { return unwell_ms_ && pool_.OtherServesSince(*unwell_ms_); }
  // To be told: the stream says something.
  void OnBytes(uint64_t mono_ms) { bytes_ms_ = mono_ms; }
  std::vector<GatewayBackendInfo> List() const;

 private:
  struct Name {
    Address address;  // as configured
    bool known;       // needs no lookup
    std::vector<Address> found;
    std::unique_ptr<Resolver> lookup;
  };
  struct Link {
    BackendTarget target;
    std::unique_ptr<GrpcChannel> channel;
    std::unique_ptr<HealthCheck> check;
    Timer next;
    uint64_t asked_ms = 0;
    std::string message;  // what stood in the way last
    int unanswered = 0;   // checks in a row
  };
  static std::string Key(const Address& address) { return address.ToString(); }
  uint64_t NowMs() const { return loop_.clock().MonoMs(); }
  std::unique_ptr<GrpcChannel> NewChannel(const BackendTarget& target) const;

  bool HasNames() const;
  bool LooksUp() const;
  void LookUp();
  void LookedUp(Name& name, Result<std::vector<Address>> result);
  void Renew();
  void ArmLookup();
  void ArmCheck(const std::string& key, uint64_t delay_ms);
  void Check(const std::string& key);
  void Checked(const std::string& key, HealthAnswer answer, const std::string& message);
  uint64_t CheckDelay() const;
  bool UsedIsUnwell() const;
  void WatchUsed();
  // After this turn: what is on the stack may belong to it.
  void Drop(std::unique_ptr<GrpcChannel> channel);
  void TellNews();

  Loop& loop_;
  const GatewayConfig& config_;
  const std::function<void()> on_news_;
  BackendPool pool_;
  BackendsStats stats_;
  std::vector<Name> names_;
  std::map<std::string, Link> links_;
  std::function<void()> then_;  // waits for the lookups
  std::string trouble_;
  uint64_t bytes_ms_ = 0;
  std::optional<uint64_t> unwell_ms_;  // since when the one in use is
  bool stopped_ = false;
  Timer lookup_, news_;
};

}  // namespace galaxy::push
