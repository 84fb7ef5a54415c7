// Gaps, invalidations, and every way in which a session ends.
#include "gateway/shard.h"

#include <algorithm>

#include "base/check.h"

namespace galaxy::push {
namespace {

// A tick visits few sessions, so that their heartbeats hold up nobody's events, and an idle gateway
// has few ticks.
constexpr uint64_t kSessionsPerTick = 16;
constexpr uint64_t kTickMsMin = 50, kTickMsMax = 400;
constexpr uint64_t kRingExpiryMs = 1'000;

// All sessions within one heartbeat, with a second to spare for the way.
uint64_t SweepMs(uint64_t heartbeat_ms) {
  return heartbeat_ms - std::min<uint64_t>(1'000, heartbeat_ms / 5);
}

}  // namespace

Shard::Shard(const GatewayConfig& config, Signer signer, const Clock& clock, WorkHook on_work)
    : config_(config),
      clock_(clock),
      on_work_(std::move(on_work)),
      sweep_ms_(SweepMs(config.heartbeat_ms)),
      signer_(std::move(signer)),
      batch_(signer_),
      ring_({.bytes_max = config.ring_bytes_max,
             .window_ms = config.window_ms,
             .partial = !config.partitions.all()}),
      revoked_(RevokedKeepSeconds(config.session_lifetime_max_s, config.token_leeway_s)),
      swept_ms_(clock.MonoMs()),
      next_ring_expiry_ms_(clock.MonoMs() + kRingExpiryMs) {}

Shard::~Shard() { CHECK(session_count_ == 0); }

void Shard::ResetRing(std::string_view floor, bool foreign) {
  Commit();
  ring_.Clear(floor, foreign);
  delivered_ = ring_.newest();
}

void Shard::Gap(std::string_view reason, std::string_view floor, bool foreign) {
  ResetRing(floor, foreign);
  ++stats_.gaps;
  SharedFrame frame(GapFrame{.reason = reason, .head = Head(), .spread_ms = config_.gap_spread_ms},
                    Head());
  for (Slot& slot : slots_) {
    ClientSession* session = slot.session;
    if (session == nullptr) continue;
    if (session->state_ == SessionState::kWaiting) {
      Welcome(*session, WelcomeResume::kGap, reason);
      continue;
    }
    Enqueue(*session, frame.In(session->encoding_), clock_.MonoMs());
    session->state_ = SessionState::kLive;
  }
  waiting_.clear();
}

void Shard::Invalidate(const EntryView& entry, const std::optional<Cursor>& cursor) {
  ++stats_.invalidations;
  // (1) From here on nobody is admitted, and no write passes MayWrite().
  uint32_t time_s = InvalidationSeconds(cursor, clock_.WallMs());
  revoked_.Enter(entry.user_id, entry.device_session_id, time_s, entry.reason);

  std::vector<SlotRef> victims;
  const UserNode* node = index_.Find(entry.user_id, ring_.UserHash(entry.user_id));
  for (IndexedSession* at = node ? node->first : nullptr; at != nullptr; at = at->next_of_user()) {
    auto* session = static_cast<ClientSession*>(at);
    if (!at->IsMeantBy(entry.device_session_id)) continue;
    if (!revoked_.Find(entry.user_id, at->session_id(), session->began_s_)) continue;
    DropQueue(*session);  // (2)
    victims.push_back({session->slot_, slots_[session->slot_].generation});
  }
  for (SlotRef who : victims) {  // (3)
    ClientSession* session = At(who);
    if (session == nullptr) continue;
    ++stats_.sessions_closed_by_invalidation;
    Code code = entry.device_session_id.empty() ? Code::kUserRevoked : Code::kSessionRevoked;
    Close(*session, {.code = code, .reason = std::string(entry.reason)});
  }
  if (cut_requests_) cut_requests_(entry);  // (4)
}

bool Shard::MayWrite(ClientSession& session) {
  if (session.user() == nullptr || session.checked_version_ == revoked_.version()) return true;
  if (revoked_.Find(session.user()->id, session.session_id(), session.began_s_)) {
    DropQueue(session);
    // Closing calls the transport, which is in the middle of a write.
    found_revoked_.push_back({session.slot_, slots_[session.slot_].generation});
    WantWork(Soon::kNextTurn);
    return false;
  }
  session.checked_version_ = revoked_.version();
  return true;
}

void Shard::CloseFoundRevoked() {
  std::vector<SlotRef> found;
  found.swap(found_revoked_);
  for (SlotRef who : found) {
    ClientSession* session = At(who);
    if (session == nullptr) continue;
    auto revoked = revoked_.Find(session->user()->id, session->session_id(), session->began_s_);
    if (revoked) Close(*session, {.code = revoked->code, .reason = std::string(revoked->reason)});
  }
}

void Shard::DropQueue(ClientSession& session) {
  size_t before = session.queue_.bytes();
  session.queue_.DropUnsent();
  stats_.frames_dropped += session.queue_.bytes() < before ? 1 : 0;
}

void Shard::Close(ClientSession& session, Farewell bye, bool flush) {
  if (session.user() == nullptr) return;
  ++stats_.closed[static_cast<size_t>(bye.code)];
  if (bye.code == Code::kSlowConsumer && on_slow_) on_slow_(session);
  if (!flush) DropQueue(session);
  bool revoked = bye.code == Code::kSessionRevoked || bye.code == Code::kUserRevoked;
  bool torn = session.queue_.mid_frame() || session.transport_.MidFrame();
  if (Describe(bye.code).verdict == Verdict::kResume && bye.retry_after_ms == 0) {
    bye.retry_after_ms = config_.retry_after_ms;
  }
  Leave(session);
  session.state_ = SessionState::kEnded;
  if (revoked && torn) {
    ++stats_.resets;
    session.queue_.Clear();
    return session.transport_.Reset(bye);
  }
  EnqueueFrame(session, "", bye);
  session.transport_.End(bye);
}

void Shard::Leave(ClientSession& session) {
  if (session.user() == nullptr) return;
  index_.Remove(session);
  FreeSlot(session);
  session.state_ = SessionState::kDetached;
}

void Shard::CloseSpread(Code code, uint64_t spread_ms) {
  SpreadClose spread{.code = code, .over_ms = spread_ms, .ends_ms = clock_.MonoMs() + spread_ms};
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].session != nullptr) spread.left.push_back({i, slots_[i].generation});
  }
  spread.total = spread.left.size();
  if (spread.left.empty()) return;
  if (spread_ms == 0) return CloseSome(spread);
  spreads_.push_back(std::move(spread));
}

void Shard::StopSpread(Code code) {
  std::erase_if(spreads_, [code](const SpreadClose& spread) { return spread.code == code; });
}

// As many as keep the rest in step with the time that is left.
void Shard::CloseSome(SpreadClose& spread) {
  uint64_t now = clock_.MonoMs();
  uint64_t time_left = spread.ends_ms - std::min(now, spread.ends_ms);
  size_t keep = time_left == 0 ? 0 : spread.total * time_left / spread.over_ms;
  while (spread.left.size() > keep) {
    ClientSession* session = At(spread.left.back());
    spread.left.pop_back();
    if (session != nullptr) Close(*session, {.code = spread.code}, /*flush=*/true);
  }
}

bool Shard::OverBound(const ClientSession& session) const {
  if (session.queue_.empty()) return false;
  // One frame may always wait: an event that is larger than the bound is no sign of a slow client,
  // and would come again with every resume.
  return session.queue_.bytes_behind() > config_.queue_bytes_max ||
         session.queue_.oldest_ms() + config_.queue_age_max_ms < clock_.MonoMs();
}

void Shard::WatchBehind() {
  std::vector<SlotRef> behind;
  behind.swap(behind_);
  for (SlotRef who : behind) {
    ClientSession* session = At(who);
    if (session == nullptr) continue;
    if (OverBound(*session)) {
      Close(*session, {.code = Code::kSlowConsumer});
    } else if (session->queue_.empty()) {
      session->behind_ = false;
    } else {
      behind_.push_back(who);
    }
  }
}

uint64_t Shard::tick_ms() const {
  uint64_t fair = sweep_ms_ * kSessionsPerTick / std::max<uint64_t>(1, session_count_);
  return std::max<uint64_t>(1, std::min(std::clamp(fair, kTickMsMin, kTickMsMax), sweep_ms_ / 8));
}

// As many sessions as the time demands: a loop that was busy makes up for its late ticks.
void Shard::SweepHeartbeats() {
  uint64_t now = clock_.MonoMs();
  uint64_t passed = std::min(now - swept_ms_, sweep_ms_);
  size_t due = slots_.size() * passed / sweep_ms_;
  if (slots_.empty() || passed == sweep_ms_) {
    swept_ms_ = now;
  } else {
    swept_ms_ += due * sweep_ms_ / slots_.size();  // what is left of the time counts next time
  }
  SharedFrame frame(PositionFrame{Head()}, Head());
  for (; due > 0; --due) {
    sweep_next_ = (sweep_next_ + 1) % slots_.size();
    ClientSession* session = slots_[sweep_next_].session;
    if (session == nullptr || session->state_ != SessionState::kLive) continue;
    if (session->queue_.empty()) Enqueue(*session, frame.In(session->encoding_), now);
  }
}

void Shard::CloseExpired() {
  uint64_t now = clock_.WallMs();
  while (!expiries_.empty() && expiries_.front().at_ms <= now) {
    SlotRef who = expiries_.front().who;
    std::pop_heap(expiries_.begin(), expiries_.end(), std::greater<>{});
    expiries_.pop_back();
    ClientSession* session = At(who);
    if (session == nullptr) continue;
    if (session->expires_ms_ + config_.token_leeway_s * 1000 > now) {
      ScheduleExpiry(*session);  // refreshed since
    } else {
      Close(*session, {.code = Code::kTokenExpired});
    }
  }
}

void Shard::Tick() {
  Commit();
  CloseExpired();
  WatchBehind();
  RetryWaiting();
  SweepHeartbeats();
  for (SpreadClose& spread : spreads_) {
    if (!spread.left.empty()) CloseSome(spread);
  }
  std::erase_if(spreads_, [](const SpreadClose& spread) { return spread.left.empty(); });
  uint64_t now = clock_.MonoMs();
  if (now >= next_ring_expiry_ms_) {
    ring_.Expire(now);
    next_ring_expiry_ms_ = now + kRingExpiryMs;
  }
}

uint32_t Shard::ForgetRevoked(uint64_t now_s) {
  revoked_.Expire(now_s);
  return revoked_.ForgottenBefore(now_s);
}

void Shard::ForSessions(std::string_view user, std::string_view session,
                        const std::function<void(const ClientSession&)>& use) const {
  const UserNode* node = index_.Find(user, ring_.UserHash(user));
  for (IndexedSession* at = node ? node->first : nullptr; at != nullptr; at = at->next_of_user()) {
    if (session.empty() || at->session_id() == session) {
      use(static_cast<const ClientSession&>(*at));
    }
  }
}

}  // namespace galaxy::push
