#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"

namespace galaxy::push {

// Where a backend is served: an address to connect to, and the configured host that led to it, by
// which the backend is addressed and which its certificate must prove.
struct BackendTarget {
  Address address;
  std::string host;
  bool operator==(const BackendTarget&) const = default;
};

// What was heard last of a backend, the best first.
enum class BackendHealth : uint8_t { kServing, kUnknown, kNotServing, kUnreachable };
inline constexpr size_t kBackendHealths = 4;
std::string_view BackendHealthName(BackendHealth health);  // "serving", "not_serving", …

// BackendPool answers one question: "which backend is subscribed to next?" (semantics.md 6.6)
//
// Each gateway has an order of its own of the addresses: by a hash of its id and the address, so
// that many gateways spread evenly, those of a backend that fails spread evenly over the others,
// and an address that comes or goes moves nobody else. The first of the order is its home.
//
//          Take()                 OnLeft()
//   (none) ───────▶ in use, tried ────────▶ tried ── all tried: HasNext() is false; after a pause
//      ▲                                      │       BeginRound() forgets who was tried
//      └─────── HasNext(): Take() the next ◀──┘
//
//   Round     Every address once, those that are well first. After a stream that lived the round
//             begins anew, and then one that is known not to be well is nowhere to go at once: it
//             has its turn after a pause.
//   Health    From checks and from attempts that failed; it orders a round and nothing more, so a
//             wrong word about a backend costs an attempt.
//   Threads   One loop. Sans I/O: times are monotonic milliseconds, passed in, and never fall.
//   Limits    kTargetsMax addresses; those that are too many are not used, and counted.
class BackendPool {
 public:
  static constexpr size_t kTargetsMax = 64;

  struct Backend {
    BackendTarget target;
    uint64_t place = 0;  // in the order: the smallest is the home
    BackendHealth health = BackendHealth::kUnknown;
    uint64_t since_ms = 0;  // when that began
    uint64_t heard_ms = 0;  // when it was heard last
    bool tried = false;     // in this round
    bool listed = true;     // false: only the stream that it carries keeps it
    bool wary = false;      // it refused us, or broke off at once: no reason to come back by choice
  };

  explicit BackendPool(std::string gateway_client_id) : id_(std::move(gateway_client_id)) {}

  // The addresses that there are now. What is known of those that stay is kept; the one in use
  // stays until it is left, listed or not.
  void SetTargets(const std::vector<BackendTarget>& targets, uint64_t now_ms);

  // The best one that was not tried in this round; it is in use from now on. Nothing when all were.
  std::optional<BackendTarget> Take();
  // Take() has something that is worth going to at once.
  bool HasNext() const;
  // After a pause: everybody may be tried again.
  void BeginRound();
  // The one in use has accepted a subscription.
  void OnAccepted(uint64_t now_ms);
  // The one in use is left. `seen`: what that tells of it, if anything. `lived`: the stream was a
  // good one (6.4), so that a new round begins.
  void OnLeft(std::optional<BackendHealth> seen, bool lived, uint64_t now_ms);
  // A health check of an address has ended.
  void OnCheck(const Address& address, BackendHealth health, uint64_t now_ms);

  // Another one than that in use is not known to be unwell; or has said since then that it serves.
  bool OtherWell() const;
  bool OtherServesSince(uint64_t ms) const;
  // One has been found to serve, that was not so at that time.
  bool RecoveredSince(uint64_t ms) const;
  // The home is not in use, and has been well for so long; not one that sent us away when we were
  // there last, unless it was down since.
  bool HomeServesFor(uint64_t ms, uint64_t now_ms) const;
  // There is a choice.
  bool several() const { return backends_.size() > 1; }

  const std::vector<Backend>& backends() const { return backends_; }  // in their order
  const Backend* in_use() const { return Find(in_use_); }
  const Backend* Find(const std::optional<Address>& address) const;
  size_t too_many() const { return too_many_; }

 private:
  Backend* Best();
  Backend* At(const std::optional<Address>& address);
  void Become(Backend& backend, BackendHealth health, uint64_t now_ms);
  bool IsOther(const Backend& one) const { return one.listed && one.target.address != in_use_; }
  bool MayGo(const Backend& backend) const;

  const std::string id_;
  std::vector<Backend> backends_;
  std::optional<Address> in_use_;
  bool whole_round_ = true;  // also those that are known not to be well
  size_t too_many_ = 0;
};

}  // namespace galaxy::push
