// How a session comes in, what its resume cursor means, and its place in the shard's table.
#include <algorithm>

#include "base/check.h"
#include "base/ids.h"
#include "gateway/shard.h"

namespace galaxy::push {
namespace {

// 1.5: no cursor of any backend looks otherwise.
bool IsCursorText(std::string_view cursor) {
  return cursor.size() <= kCursorBytesMax &&
         std::all_of(cursor.begin(), cursor.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

}  // namespace

Status Shard::Admit(ClientSession& session, const ClientIdentity& who, std::string_view cursor) {
  CHECK(session.state_ == SessionState::kDetached && session.user() == nullptr);
  Commit();  // what was delivered before now goes to those who were here before now
  auto began_s = static_cast<uint32_t>(std::min<uint64_t>(who.began_s.value_or(0), ~uint32_t{0}));
  // The order is the rule (8.3): an invalidation does it the other way round, so one of the two
  // sees the other.
  index_.Add(session, who.user_id, ring_.UserHash(who.user_id), who.session_id);
  if (Status may = MayCome(who, began_s); !may) {
    index_.Remove(session);
    ++stats_.refused[static_cast<size_t>(may.error().code)];
    return may;
  }
  if (Status few = session.place_.AdmitUser(session.user()->hash, session.user()->connections - 1);
      !few) {
    index_.Remove(session);
    ++stats_.refused[static_cast<size_t>(few.error().code)];
    return few;
  }
  session.began_s_ = began_s;
  session.expires_ms_ = who.expires_ms;
  session.checked_version_ = revoked_.version();
  TakeSlot(session);
  ScheduleExpiry(session);
  ++stats_.admitted;
  if (!vouching_) ++stats_.admitted_stale;
  BeginResume(session, cursor, /*may_wait=*/true);
  return {};
}

// A revocation is known of users of every partition (4.11), and what is to be said first.
Status Shard::MayCome(const ClientIdentity& who, uint32_t began_s) const {
  if (auto revoked = revoked_.Find(who.user_id, who.session_id, began_s)) {
    return Fail(revoked->code, std::string(revoked->reason));
  }
  if (unsigned partition = PartitionOf(who.user_id); !config_.partitions.Has(partition)) {
    return Fail(config_.redirect_foreign ? Code::kRedirected : Code::kWrongPartition,
                "the user is in partition " + std::to_string(partition) + ", this gateway serves " +
                    config_.partitions.Format());
  }
  if (!admitting()) return Fail(Code::kStale, "");
  return {};
}

void Shard::BeginResume(ClientSession& session, std::string_view cursor, bool may_wait) {
  if (cursor.empty()) return Welcome(session, WelcomeResume::kFresh, "");
  if (!IsCursorText(cursor)) return Welcome(session, WelcomeResume::kGap, "malformed");
  using Match = ReplayRing::Match;
  ReplayRing::Found found = ring_.Find(cursor, delivered_);
  // Of an opaque cursor nobody can say whether it is beyond the newest entry or was never here.
  bool may_come =
      found.match == Match::kFuture || (ring_.foreign() && found.match == Match::kUnknown);
  if (may_come && may_wait) {
    session.state_ = SessionState::kWaiting;
    // One of some partitions may hear of that place with the next canary only.
    uint64_t wait_ms = config_.future_wait_ms * (config_.partitions.all() ? 1 : 2);
    session.waiting_until_ = clock_.MonoMs() + wait_ms;
    session.waiting_cursor_ = std::make_unique<std::string>(cursor);
    waiting_.push_back({session.slot_, slots_[session.slot_].generation});
    return;
  }
  switch (found.match) {
    case Match::kFound:
      session.replay_from_ = found.after;
      session.replay_at_ = 0;
      return Welcome(session, WelcomeResume::kResumed, "");
    case Match::kEvicted:
      return Welcome(session, WelcomeResume::kGap, "evicted");
    case Match::kUnknown:
      return Welcome(session, WelcomeResume::kGap, "unknown");
    case Match::kFuture:
      return Welcome(session, WelcomeResume::kGap, "future");
    case Match::kMalformed:
      return Welcome(session, WelcomeResume::kGap, "malformed");
  }
}

void Shard::Welcome(ClientSession& session, WelcomeResume resume, std::string_view reason) {
  session.waiting_cursor_.reset();
  std::string_view head = Head();
  WelcomeFrame welcome{.session = session.session_id(),
                       .user = session.user()->id,
                       .resume = resume,
                       .reason = reason,
                       .head = head,
                       .heartbeat_ms = config_.heartbeat_ms,
                       .now_ms = clock_.WallMs(),
                       .token_expires_ms = session.expires_ms_};
  // Who resumes still has to get the events before `head`; everybody else continues from it.
  EnqueueFrame(session, resume == WelcomeResume::kResumed ? std::string_view() : head, welcome);
  if (resume != WelcomeResume::kResumed) {
    session.state_ = SessionState::kLive;
    return;
  }
  session.state_ = SessionState::kReplaying;
  MarkReplayReady(session);
}

void Shard::RetryWaiting() {
  if (waiting_.empty()) return;
  uint64_t now = clock_.MonoMs();
  std::vector<SlotRef> waiting;
  waiting.swap(waiting_);
  for (SlotRef who : waiting) {
    ClientSession* session = At(who);
    if (session == nullptr || session->state_ != SessionState::kWaiting) continue;
    bool in_time = now < session->waiting_until_;
    auto match = ring_.Find(*session->waiting_cursor_, delivered_).match;
    bool still = match == ReplayRing::Match::kFuture ||
                 (ring_.foreign() && match == ReplayRing::Match::kUnknown);
    if (in_time && still) {
      waiting_.push_back(who);
      continue;
    }
    std::string cursor = std::move(*session->waiting_cursor_);
    BeginResume(*session, cursor, /*may_wait=*/false);
  }
}

Status Shard::Refresh(ClientSession& session, const ClientIdentity& who) {
  if (session.user() == nullptr) return Fail(Code::kCancelled, "the session is over");
  if (who.user_id != session.user()->id || who.session_id != session.session_id()) {
    ++stats_.refresh_refused;
    return Fail(Code::kUnauthenticated, "the token is of another session", "token");
  }
  auto began_s = static_cast<uint32_t>(std::min<uint64_t>(who.began_s.value_or(0), ~uint32_t{0}));
  session.began_s_ = std::min(session.began_s_, began_s);  // 8.8: keeps the earliest
  session.expires_ms_ = std::max(session.expires_ms_, who.expires_ms);
  EnqueueFrame(session, "", RefreshedFrame{session.expires_ms_});
  return {};
}

void Shard::TakeSlot(ClientSession& session) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  session.slot_ = free_slots_.back();
  free_slots_.pop_back();
  slots_[session.slot_].session = &session;
  ++session_count_;
}

void Shard::FreeSlot(ClientSession& session) {
  if (session.slot_ == ClientSession::kNone) return;
  Slot& slot = slots_[session.slot_];
  slot.session = nullptr;
  ++slot.generation;
  free_slots_.push_back(session.slot_);
  session.slot_ = ClientSession::kNone;
  --session_count_;
}

ClientSession* Shard::At(SlotRef who) const {
  const Slot& slot = slots_[who.slot];
  return slot.generation == who.generation ? slot.session : nullptr;
}

void Shard::ScheduleExpiry(ClientSession& session) {
  expiries_.push_back({session.expires_ms_ + config_.token_leeway_s * 1000,
                       {session.slot_, slots_[session.slot_].generation}});
  std::push_heap(expiries_.begin(), expiries_.end(), std::greater<>{});
}

}  // namespace galaxy::push
