#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "gateway/config.h"
#include "gateway/freshness.h"
#include "gateway/gateway.h"
#include "net/loop.h"

namespace galaxy::push {

class Shard;

// Vouching does what Freshness says (docs/semantics.md 9): STALE, it stops admission and closes
// open connections spread over `stale_spread_ms`; fresh again, it lets in and stops closing, by
// itself. With `fail_open` STALE is only said, in log and metric, and not from the start: before
// its first barrier the gateway could answer nobody.
//
//   Threads   One loop, whose clock it reads.
//   Lifetime  Everything passed in outlives it.
//   Cost      OnEntry(): no timer is touched while it is FRESH.
class Vouching {
 public:
  struct Stats {
    std::array<uint64_t, 3> changes{};  // by the state that it became
    uint64_t stuck = 0;
    uint64_t confirmations = 0;
  };

  // `on_stuck`: the stream is of no use, end it (Freshness::StuckAt); `on_silent`: leave it if
  // there is another backend (SilentAt). Called from a timer.
  Vouching(Loop& loop, const GatewayConfig& config, Shard& shard, Gateway::LogSink& log,
           std::function<void()> on_stuck, std::function<void()> on_silent);

  void OnConnect();
  void OnOpen(uint64_t canary_ms, const std::optional<Cursor>& head);
  void OnBytes();
  void OnBarrier();
  void OnEntry(const Cursor& cursor, uint64_t now_ms);
  void OnEnd();
  // 9.3, `on-unknown = refuse`: STALE until an operator confirms.
  void Hold();
  void Confirm();
  // The gateway drains: nothing changes any more.
  void Stop();

  FreshState state() const { return state_; }
  bool held() const { return freshness_.held(); }
  bool silent() const { return freshness_.SilentAt(NowMs()); }
  const Freshness& freshness() const { return freshness_; }
  const Stats& stats() const { return stats_; }

 private:
  uint64_t NowMs() const { return loop_.clock().MonoMs(); }
  void Update();
  void Become(FreshState state);
  void Arm();

  Loop& loop_;
  const GatewayConfig& config_;
  Shard& shard_;
  Gateway::LogSink& log_;
  const std::function<void()> on_stuck_;
  const std::function<void()> on_silent_;
  Freshness freshness_;
  FreshState state_ = FreshState::kStale;
  bool catching_up_ = false;
  bool stopped_ = false;
  Stats stats_;
  Timer timer_;
};

}  // namespace galaxy::push
