#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/jwt.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/histogram.h"
#include "event/cursor.h"
#include "event/entry.h"
#include "gateway/client_session.h"
#include "gateway/config.h"
#include "gateway/event_batch.h"
#include "gateway/replay_ring.h"
#include "gateway/revoked_set.h"
#include "gateway/session_index.h"

namespace galaxy::push {

struct ShardStats {
  uint64_t events_delivered = 0;  // frames put into queues, live
  uint64_t events_replayed = 0;   // frames put into queues, from the replay ring
  uint64_t events_unwanted = 0;   // nobody here waited for them
  uint64_t batches_signed = 0;
  uint64_t frames_dropped = 0;  // queued bytes of sessions that ended, in queues
  uint64_t admitted = 0;
  uint64_t admitted_stale = 0;  // of those, with nobody to vouch for them (fail-open)
  uint64_t invalidations = 0;
  uint64_t sessions_closed_by_invalidation = 0;
  uint64_t resets = 0;
  uint64_t refresh_refused = 0;
  uint64_t gaps = 0;
  std::array<uint64_t, kCodeCount> closed{};   // connections that we ended, by code
  std::array<uint64_t, kCodeCount> refused{};  // admissions, by code
  LatencyHistogram delivery;  // from the cursor's time to the connections' queues, live
};

// Shard is what a gateway does on one loop: it holds the replay ring, the index, the revoked set
// and decides what each session gets (docs/semantics.md 7 and 8). No socket, no timer, no thread:
// entries and sessions come in, frames go into the sessions' queues, and the transports are told.
//
//   Threads   One loop.
//   Order     A ring entry is first appended, later delivered. `delivered()` is how far delivery
//             has got: what clients may see, resume at and are told as position. Entries between it
//             and the newest are held back until the feed's catch-up barrier (8.6).
//   Turns     Deliver() only collects; Turn() signs what was collected as batches, and flushes each
//             connection that got something once. The owner calls it at the end of the loop's turn
//             when `on_work` has asked for it: group commit without a timer.
//   Limits    GatewayConfig: queue bounds, batch size, replay pace.
//   Cost      An event nobody waits for: one probe.
class Shard {
 public:
  enum class Soon { kThisTurn, kNextTurn };
  // "Call Turn() then." Called at most once until Turn() has run.
  using WorkHook = std::function<void(Soon)>;

  Shard(const GatewayConfig& config, Signer signer, const Clock& clock, WorkHook on_work);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // --- from the feed

  // Into the ring, and delivered unless it is to be held back. `entry` is what `message` says, as
  // views into it; `cursor` is its own, nothing for a foreign one; `mono_ms` when it came.
  void Append(std::string_view message, const EntryView& entry, const std::optional<Cursor>& cursor,
              uint64_t mono_ms, bool deliver);
  // Delivers what was appended and is not delivered.
  void Deliver();
  // Counts everything appended as delivered without delivering it (4.10).
  void SkipDelivery();
  // 8.1, in its order, at once. `cursor` is nothing for a foreign one (8.5).
  void Invalidate(const EntryView& entry, const std::optional<Cursor>& cursor);
  // The ring begins anew: entries to come follow `floor`. No gap, for a feed that starts.
  void ResetRing(std::string_view floor, bool foreign);
  // 7.5: the same, and every connection is told.
  void Gap(std::string_view reason, std::string_view floor, bool foreign);
  // 8.7: the set that outlived the last process; before anybody is let in.
  void RestoreRevoked(RevokedSet set) { revoked_ = std::move(set); }
  // What was revoked since the last call.
  std::vector<RevokedEntry> TakeRevokedNews() { return revoked_.TakeNews(); }
  // 8.7. Returns before which time; 0: nothing can be forgotten yet.
  uint32_t ForgetRevoked(uint64_t now_s);
  // 8.1 (4): whoever holds requests in flight rejects those of the sessions that the entry means.
  using RequestCutter = std::function<void(const EntryView&)>;
  // 9.3: the same for all of them.
  using AllRequestsCutter = std::function<void()>;
  void SetRequestCutters(RequestCutter cutter, AllRequestsCutter all) {
    cut_requests_ = std::move(cutter);
    cut_all_requests_ = std::move(all);
  }
  // 7.6: told of each session that is closed because it did not keep up, so that it is named.
  using SlowHook = std::function<void(const ClientSession&)>;
  void SetSlowHook(SlowHook hook) { on_slow_ = std::move(hook); }
  // 9.3: closes all who are connected now, spread over `spread_ms`.
  void CloseUnvouched(uint64_t spread_ms) {
    CloseSpread(Code::kUnvouched, spread_ms);
    if (cut_all_requests_) cut_all_requests_();
  }

  // --- from the edge

  // Whether new sessions can be vouched for; false at start (9.1). `admit_anyway`: they are let in
  // all the same, and counted (9.2, fail-open).
  void SetVouching(bool vouching, bool admit_anyway = false) {
    vouching_ = vouching;
    admit_anyway_ = admit_anyway;
  }
  bool vouching() const { return vouching_; }
  // Whether somebody whom the revoked set does not name would be let in.
  bool admitting() const { return vouching_ || admit_anyway_; }

  // Lets a session in: index first, revoked set second (8.3), then the resume decision (7.4). On an
  // error (kSessionRevoked, kUserRevoked, kWrongPartition, kRedirected, kStale, kTooMany) the
  // session is as before; the message is the reason for the client.
  Status Admit(ClientSession& session, const ClientIdentity& who, std::string_view cursor);
  // 8.8. An identity of another user or session is refused (kUnauthenticated) and changes nothing.
  Status Refresh(ClientSession& session, const ClientIdentity& who);
  // Ends a session with a `bye`. Events that wait are dropped, except when `flush` is set (drain).
  void Close(ClientSession& session, Farewell bye, bool flush = false);
  // The transport is gone or going; no bye.
  void Leave(ClientSession& session);
  // Closes everybody who is connected now, a few with each Tick().
  void CloseSpread(Code code, uint64_t spread_ms);
  // Whoever is left of such a close may stay.
  void StopSpread(Code code);

  // --- from the loop

  void Turn();
  // Every tick_ms(): heartbeats, expiries, bounds, waiting cursors, spread closes.
  void Tick();
  uint64_t tick_ms() const;

  // --- asked by sessions and operators

  // 8.2: immediately before a write. Drops the queue and ends the session when it is revoked.
  bool MayWrite(ClientSession& session);
  // The session's queue got shorter.
  void Drained(ClientSession& session);

  uint64_t now_ms() const { return clock_.MonoMs(); }
  Signer& signer() { return signer_; }
  ReplayRing& ring() { return ring_; }
  const RevokedSet& revoked() const { return revoked_; }
  const ShardStats& stats() const { return stats_; }
  uint64_t delivered() const { return delivered_; }
  size_t sessions() const { return session_count_; }
  size_t users() const { return index_.users(); }
  uint64_t signing_failures() const { return signing_failures_; }
  const SessionIndex& index() const { return index_; }
  // Each connection of the user; with `session`, of that session only. The newest first.
  void ForSessions(std::string_view user, std::string_view session,
                   const std::function<void(const ClientSession&)>& use) const;

 private:
  struct SlotRef {
    uint32_t slot = 0;
    uint32_t generation = 0;
  };
  struct Slot {
    ClientSession* session = nullptr;
    uint32_t generation = 0;
  };
  struct Expiry {
    uint64_t at_ms = 0;
    SlotRef who;
    bool operator>(const Expiry& other) const { return at_ms > other.at_ms; }
  };
  struct SpreadClose {
    Code code;
    uint64_t over_ms = 0;
    uint64_t ends_ms = 0;
    size_t total = 0;
    std::vector<SlotRef> left;
  };

  // Admission and resume (shard_admit.cc).
  Status MayCome(const ClientIdentity& who, uint32_t began_s) const;
  void BeginResume(ClientSession& session, std::string_view cursor, bool may_wait);
  void Welcome(ClientSession& session, WelcomeResume resume, std::string_view reason);
  void RetryWaiting();
  void TakeSlot(ClientSession& session);
  void FreeSlot(ClientSession& session);
  ClientSession* At(SlotRef who) const;
  void ScheduleExpiry(ClientSession& session);

  // Delivery and replay (shard_deliver.cc).
  void DeliverOne(uint64_t ordinal, const EntryView& entry);
  bool HasLiveRecipient(const EntryView& event, uint64_t user_hash) const;
  void Commit();
  void CommitSome(size_t count);
  void Enqueue(ClientSession& session, Slice frame, uint64_t now_ms);
  void CloseRecipients(const std::vector<const UserNode*>& nodes);
  void EnqueueFrame(ClientSession& session, std::string_view cursor, const ControlFrame& frame);
  void PumpReplays();
  void PumpReplay(ClientSession& session);
  // Adds the next events of the session's replay to the batch; true when that was the last of it.
  bool CollectReplay(ClientSession& session);
  void MarkReplayReady(ClientSession& session);
  void FinishReplay(ClientSession& session);
  void FlushTouched();
  void WantWork(Soon soon);

  // Ends and bounds (shard_close.cc).
  void SweepHeartbeats();
  void CloseExpired();
  void CloseFoundRevoked();
  void WatchBehind();
  void CloseSome(SpreadClose& spread);
  bool OverBound(const ClientSession& session) const;
  void DropQueue(ClientSession& session);
  // The cursor up to which entries were delivered, also when the ring is too small for what is held
  // back since.
  std::string_view Head() const {
    return delivered_ + 1 < ring_.first() ? held_after_ : ring_.CursorAt(delivered_);
  }

  const GatewayConfig& config_;
  const Clock& clock_;
  WorkHook on_work_;
  RequestCutter cut_requests_;
  AllRequestsCutter cut_all_requests_;
  SlowHook on_slow_;
  const uint64_t sweep_ms_;  // the time in which all sessions are visited

  Signer signer_;
  EventBatch batch_;
  ReplayRing ring_;
  RevokedSet revoked_;
  SessionIndex index_;
  ShardStats stats_;

  uint64_t delivered_ = 0;
  std::string held_after_;  // Head() when the oldest entry that is held back came
  bool vouching_ = false;
  bool admit_anyway_ = false;
  bool work_wanted_ = false;
  uint64_t signing_failures_ = 0;

  std::vector<uint64_t> pending_;  // ordinals that have a live recipient and are not signed yet
  size_t pending_span_bytes_ = 0;  // what was appended since the first of them

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  size_t session_count_ = 0;
  size_t sweep_next_ = 0;
  uint64_t swept_ms_;

  // A session is in a list once, as its flag says; entries of sessions that left are passed over.
  std::vector<SlotRef> touched_;
  std::vector<SlotRef> behind_;
  std::deque<SlotRef> replay_ready_;
  std::vector<SlotRef> found_revoked_;
  bool flush_early_ = false;
  std::vector<SlotRef> waiting_;
  std::vector<Expiry> expiries_;  // a heap, soonest first; entries may be out of date
  std::vector<SpreadClose> spreads_;
  uint64_t next_ring_expiry_ms_ = 0;
};

}  // namespace galaxy::push
