#include "log_nats/claim_watcher.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "log/engine.h"

namespace galaxy::push {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How soon the thread notices that the connection went, or that it is to stop.
constexpr int64_t kNextMs = 50;
constexpr auto kRetryPause = milliseconds(100);

Error Trouble(std::string message) { return {Code::kUnavailable, std::move(message), {}}; }

}  // namespace

ClaimWatcher::ClaimWatcher(NatsConnection& connection, Options options, Calls calls)
    : connection_(connection),
      options_(std::move(options)),
      calls_(std::move(calls)),
      thread_([this] { Run(); }) {}

ClaimWatcher::~ClaimWatcher() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  thread_.join();
}

bool ClaimWatcher::stopping() const {
  std::lock_guard lock(mutex_);
  return stopping_;
}

// False: it is time to stop.
bool ClaimWatcher::Pause() {
  std::unique_lock lock(mutex_);
  return !stop_.wait_for(lock, kRetryPause, [this] { return stopping_; });
}

void ClaimWatcher::Run() {
  do {
    calls_.on_trouble(WatchOnce());
  } while (Pause());
  nats_ReleaseThreadMemory();
}

Error ClaimWatcher::WatchOnce() {
  if (!connection_.connected()) return Trouble("NATS is not connected");
  uint64_t reconnects = connection_.reconnects();
  Result<std::unique_ptr<ClaimBucket>> bucket = ClaimBucket::Open(connection_, options_.bucket);
  if (!bucket) return bucket.error();
  Result<ClaimBucket::State> state = (*bucket)->Read();
  if (!state) return state.error();
  if (state->created_ms != std::exchange(created_ms_, state->created_ms)) {
    // By a clock that stepped back it may seem older than the one before.
    generation_start_ = std::max(NewLogStart(state->created_ms).sequence, newest_);
  }
  told_ = state->revision;
  behind_at_ = 0;
  Result<std::unique_ptr<ClaimBucket::Watch>> watch = (*bucket)->NewWatch();
  if (!watch) return watch.error();
  auto session = std::make_shared<Session>(std::move(*bucket), generation_start_);
  Error why = Follow(session, **watch, reconnects);
  calls_.on_session(nullptr);  // before the watch ends, which may take a call
  return why;
}

Error ClaimWatcher::Follow(const std::shared_ptr<Session>& session, ClaimBucket::Watch& watch,
                           uint64_t reconnects) {
  auto check_at = steady_clock::now() + milliseconds(options_.check_ms);
  while (!stopping()) {
    Result<std::optional<ClaimBucket::Watch::Event>> next = watch.Next(kNextMs);
    if (!next) return next.error();
    if (*next) OnEvent(session, **next);
    if (!connection_.connected() || connection_.reconnects() != reconnects) {
      return Trouble("NATS is not connected");
    }
    if (steady_clock::now() < check_at) continue;
    if (Status good = Check(*session->bucket); !good) return good.error();
    check_at = steady_clock::now() + milliseconds(options_.check_ms);
  }
  return Trouble("the backend is shutting down");
}

void ClaimWatcher::OnEvent(const std::shared_ptr<Session>& session,
                           const ClaimBucket::Watch::Event& event) {
  if (event.revision == 0) return calls_.on_session(session);
  told_ = std::max(told_, event.revision);
  if (!event.id_hash) return;
  uint64_t generation = session->generation_start + event.revision;
  newest_ = std::max(newest_, generation);
  calls_.on_claim(*event.id_hash, generation);
}

// What does not answer now, as while servers elect their leader, may answer next time.
Status ClaimWatcher::Check(const ClaimBucket& bucket) {
  Result<ClaimBucket::State> state = bucket.Read();
  if (!state && state.error().code == Code::kNotFound) return std::unexpected(state.error());
  if (!state) return {};
  if (state->created_ms != created_ms_) {
    return std::unexpected(Trouble("the claims' bucket was created anew"));
  }
  if (state->revision <= told_) {
    behind_at_ = 0;
  } else if (behind_at_ == told_ + 1) {
    return std::unexpected(Trouble("the watch of the claims has died"));
  } else {
    behind_at_ = told_ + 1;
  }
  return {};
}

}  // namespace galaxy::push
