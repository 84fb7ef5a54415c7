#include "log_nats/claim_watcher.h"

#include <algorithm>
#include <optional>
#include <utility>

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
    OnTrouble(WatchOnce());
  } while (Pause());
  nats_ReleaseThreadMemory();
}

void ClaimWatcher::OnTrouble(const Error& error) {
  calls_.on_trouble(error);
  calls_.on_session(nullptr);
}

Error ClaimWatcher::WatchOnce() {
  if (!connection_.connected()) return Trouble("NATS is not connected");
  Result<std::unique_ptr<ClaimBucket>> bucket = ClaimBucket::Open(connection_, options_.bucket);
  if (!bucket) return bucket.error();
  Result<std::unique_ptr<ClaimBucket::Feed>> feed = (*bucket)->NewFeed();
  if (!feed) return feed.error();
  Result<ClaimBucket::State> state = (*bucket)->Read();
  if (!state) return state.error();
  Begin(*state);
  return Follow(std::make_shared<Session>(std::move(*bucket)), **feed);
}

// Nobody here has claimed anything before the first bucket; of one that took its place all is news.
void ClaimWatcher::Begin(const ClaimBucket::State& state) {
  if (state.created_ms == created_ms_) return;
  told_ = created_ms_ == 0 ? state.revision : 0;
  created_ms_ = state.created_ms;
}

Error ClaimWatcher::Follow(const std::shared_ptr<Session>& session, ClaimBucket::Feed& feed) {
  auto check_at = steady_clock::now();
  while (!stopping()) {
    if (!connection_.connected()) {
      OnTrouble(Trouble("NATS is not connected"));
      check_at = steady_clock::now();
    } else if (steady_clock::now() >= check_at) {
      if (Status good = Check(session); !good) return good.error();
      check_at = steady_clock::now() + milliseconds(options_.check_ms);
    }
    Result<std::optional<Event>> next = feed.Next(kNextMs);
    if (!next) return next.error();
    if (*next) OnEvent(*session->bucket, **next);
  }
  return Trouble("the backend is shutting down");
}

// A bucket that does not answer, as while servers elect its leader, may answer next time.
Status ClaimWatcher::Check(const std::shared_ptr<Session>& session) {
  Result<ClaimBucket::State> state = session->bucket->Read();
  if (!state && state.error().code == Code::kNotFound) return std::unexpected(state.error());
  if (!state) {
    OnTrouble(state.error());
    return {};
  }
  if (state->created_ms != created_ms_) {
    return std::unexpected(Trouble("the claims' bucket was created anew"));
  }
  if (state->revision < told_) {
    told_ = 0;
    CatchUp(*session->bucket);
    told_ = state->revision;  // by the leader's count, whoever answered
  }
  if (state->revision > told_) CatchUp(*session->bucket);
  calls_.on_session(session);
  return {};
}

void ClaimWatcher::OnEvent(ClaimBucket& bucket, const Event& event) {
  const auto& [revision, generation] = event.claimed;
  if (revision > told_ + 1 || (revision > told_ && generation == 0)) return CatchUp(bucket);
  // One that is newer under a lower number: the bucket has fallen, which the next check finds, too.
  if (revision > told_ || generation > newest_) Tell(bucket, event);
}

// What fails is tried again at the next check.
void ClaimWatcher::CatchUp(ClaimBucket& bucket) {
  while (!stopping()) {
    Result<std::optional<Event>> next = bucket.After(told_);
    if (!next || !*next) return;
    Tell(bucket, **next);
  }
}

void ClaimWatcher::Tell(ClaimBucket& bucket, const Event& event) {
  told_ = event.claimed.revision;
  newest_ = std::max(newest_, event.claimed.generation);
  if (!event.id_hash) return;
  bucket.Learn(*event.id_hash, event.claimed);
  calls_.on_claim(*event.id_hash, event.claimed.generation);
}

}  // namespace galaxy::push
