#include "gateway/vouching.h"

#include <string>
#include <utility>

#include "gateway/shard.h"

namespace galaxy::push {

Vouching::Vouching(Loop& loop, const GatewayConfig& config, Shard& shard, Gateway::LogSink& log,
                   std::function<void()> on_stuck, std::function<void()> on_silent)
    : loop_(loop),
      config_(config),
      shard_(shard),
      log_(log),
      on_stuck_(std::move(on_stuck)),
      on_silent_(std::move(on_silent)),
      freshness_(config.stale_after_ms) {}

void Vouching::OnConnect() {
  freshness_.OnConnect(NowMs());
  Arm();
}

void Vouching::OnOpen(uint64_t canary_ms, const std::optional<Cursor>& head) {
  catching_up_ = true;
  freshness_.OnOpen(canary_ms, head, NowMs());
  Update();
}

void Vouching::OnBytes() {
  if (catching_up_) freshness_.OnProgress(NowMs());
}

void Vouching::OnBarrier() {
  catching_up_ = false;
  freshness_.OnBarrier(NowMs());
  Update();
}

void Vouching::OnEntry(const Cursor& cursor, uint64_t now_ms) {
  freshness_.OnEntry(cursor, now_ms);
  if (freshness_.At(now_ms) != state_) Update();
}

void Vouching::OnEnd() {
  catching_up_ = false;
  freshness_.OnEnd(NowMs());
  Update();
}

void Vouching::Hold() {
  freshness_.Hold();
  Update();
}

void Vouching::Confirm() {
  ++stats_.confirmations;
  freshness_.Confirm();
  Update();
}

void Vouching::Stop() {
  stopped_ = true;
  timer_.Cancel();
}

void Vouching::Update() {
  if (stopped_) return;
  FreshState state = freshness_.At(NowMs());
  if (state != state_) Become(state);
  Arm();
}

// The timer is not moved with each entry: when it finds that nothing has changed, it sets itself
// anew.
void Vouching::Arm() {
  if (stopped_) return;
  uint64_t now = NowMs();
  auto at = freshness_.ChangesAt(now);
  if (!at) return timer_.Cancel();
  timer_ = loop_.RunAfter(*at - now, [this] {
    Update();
    if (freshness_.StuckAt(NowMs())) {
      ++stats_.stuck;
      on_stuck_();
    } else if (silent()) {
      on_silent_();
    }
  });
}

void Vouching::Become(FreshState state) {
  FreshState before = std::exchange(state_, state);
  ++stats_.changes[static_cast<size_t>(state)];
  bool stale = state == FreshState::kStale;
  if (log_) {
    bool worse = state < before;
    log_(worse ? Gateway::LogLevel::kWarning : Gateway::LogLevel::kInfo,
         "The gateway's freshness has changed.",
         {{"from", std::string(FreshStateName(before))},
          {"to", std::string(FreshStateName(state))},
          {"fail_open", config_.fail_open ? "yes" : "no"},
          {"held", held() ? "yes" : "no"},
          {"close_spread_ms", std::to_string(stale ? config_.stale_spread_ms : 0)}});
  }
  shard_.SetVouching(!stale, /*admit_anyway=*/config_.fail_open);
  if (!stale) {
    shard_.StopSpread(Code::kStale);
  } else if (!config_.fail_open) {
    shard_.CloseSpread(Code::kStale, config_.stale_spread_ms);
  }
}

}  // namespace galaxy::push
