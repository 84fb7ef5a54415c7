// How a stream of FeedClient ends, and where it goes on (docs/semantics.md 6.4, 6.6).
#include <optional>
#include <utility>

#include "base/random.h"
#include "gateway/feed_client.h"

namespace galaxy::push {
namespace {

// What the end says of the backend itself; of a slow reader or an overrun it says nothing.
std::optional<BackendHealth> HealthBy(const GrpcEnd& end) {
  if (!end.from_server) return BackendHealth::kUnreachable;
  if (end.status == GrpcStatus::kUnavailable) return BackendHealth::kNotServing;
  return {};
}

}  // namespace

void FeedClient::Fault(const Error& error) {
  ++stats_.faults;
  ignoring_ = true;
  // Not here: this is the stream's own callback.
  retry_ = loop_.RunAfter(0, [this, message = error.message] {
    EndCall();
    backends_.Leave({}, /*lived=*/false, /*renew=*/false);
    Retry(feed_.OnFault(loop_.clock().MonoMs()), message);
  });
}

void FeedClient::OnEnd(const GrpcEnd& end) {
  if (ignoring_ || stopped_) return;
  uint64_t now_ms = loop_.clock().MonoMs();
  // It is on the stack.
  loop_.Defer([over = std::move(call_)] {});
  backends_.Leave(HealthBy(end), feed_.LivesLong(now_ms), /*renew=*/false);
  Retry(feed_.OnEnd(end, now_ms, backends_.pool().HasNext()), end.message);
}

// The stream is over for the backend before another one is asked.
void FeedClient::EndCall() {
  ignoring_ = true;
  probe_.reset();
  call_.reset();
}

// PINGs are answered, and yet nothing comes: neither this stream nor its connection is trusted any
// more.
void FeedClient::Stuck() {
  uint64_t now_ms = loop_.clock().MonoMs();
  EndCall();
  backends_.Leave(BackendHealth::kNotServing, feed_.LivesLong(now_ms), /*renew=*/true);
  Retry(feed_.OnStuck(now_ms, backends_.pool().HasNext()), "nothing young has come for too long");
}

void FeedClient::Leave(std::string_view cause, BackendHealth seen, std::string_view message,
                       bool alarm) {
  uint64_t now_ms = loop_.clock().MonoMs();
  EndCall();
  backends_.Leave(seen, feed_.LivesLong(now_ms), /*renew=*/seen != BackendHealth::kServing);
  Retry(feed_.OnLeft(cause, alarm, now_ms, backends_.pool().HasNext()), message);
}

// 6.6
void FeedClient::Reconsider() {
  const BackendPool& pool = backends_.pool();
  if (stopped_ || !pool.several()) return;
  if (paused_ms_ && pool.RecoveredSince(*paused_ms_)) return Hurry();
  if (!stats_.connected || ignoring_) return;
  if (pool.OtherWell() && vouching_.silent()) {
    return Leave("suspect", BackendHealth::kNotServing, "no young entry has come", true);
  }
  if (backends_.ShouldLeave()) return LeaveUnwell();
  GoHomeIfDue();
}

void FeedClient::Hurry() {
  paused_ms_.reset();
  retry_ = loop_.RunAfter(RandomU64() % (config_.move_spread_ms + 1), [this] { Connect(); });
}

// One that says so itself drains, as a rule, or has alarms of its own.
void FeedClient::LeaveUnwell() {
  if (backends_.pool().in_use()->health == BackendHealth::kNotServing) {
    return Leave("not_serving", BackendHealth::kNotServing, "the backend does not serve", false);
  }
  Leave("silent", BackendHealth::kUnreachable, "the backend neither answers nor sends", true);
}

// So that gateways spread evenly again some time after a backend was away.
void FeedClient::GoHomeIfDue() {
  uint64_t now_ms = loop_.clock().MonoMs();
  bool settled = vouching_.state() == FreshState::kFresh && feed_.LivesLong(now_ms);
  if (return_ms_ == 0 || !settled || !backends_.pool().HomeServesFor(return_ms_, now_ms)) return;
  Leave("home", BackendHealth::kServing, "the backend of our choice is well again", false);
}

void FeedClient::Retry(const FeedRetry& retry, std::string_view message) {
  stats_.connected = false;
  silence_.Cancel();
  probe_.reset();
  vouching_.OnEnd();
  ++stats_.ends[retry.cause];
  if (retry.alarm) ++stats_.alarms;
  Note(retry.alarm ? Gateway::LogLevel::kWarning : Gateway::LogLevel::kInfo, "The feed has ended.",
       {{"cause", std::string(retry.cause)},
        {"message", std::string(message)},
        {"retry_ms", std::to_string(retry.delay_ms)}});
  paused_ms_ = retry.hurries ? std::optional(loop_.clock().MonoMs()) : std::nullopt;
  retry_ = loop_.RunAfter(retry.delay_ms, [this] { Connect(); });
}

}  // namespace galaxy::push
