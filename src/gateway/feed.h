#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "event/cursor.h"
#include "event/entry.h"
#include "gateway/config.h"
#include "grpc/client.h"

namespace galaxy::push {

// What to send when subscribing.
struct FeedRequest {
  std::string gateway_client_id;
  std::string cursor;
  Metadata metadata;  // push-since, push-invalidations
};

// What an accepted subscription means for the ring and the sessions.
struct FeedOpening {
  enum class Ring : uint8_t {
    kKeep,   // entries follow what is there
    kReset,  // begins anew at `floor`; nobody can have missed anything
    kGap,    // the same, and everybody is told (docs/semantics.md 7.5)
  };
  Ring ring = Ring::kKeep;
  std::string gap_reason;
  std::string floor;
  bool foreign = false;
  bool unknown = false;     // 9.3: invalidations may have been lost for good
  bool caught_up = false;   // no barrier to wait for
  bool quiet_wait = false;  // no canary will come: caught up when nothing comes for a moment
};

// What to do with one entry, in this order: apply its invalidation, append, deliver.
struct FeedStep {
  bool ignore = false;  // a duplicate or nothing we know
  bool append = false;
  bool deliver = false;          // else it is held back
  bool skip = false;             // fills the ring only, delivered to nobody (4.10)
  bool caught_up = false;        // with it the barrier is passed: everything held back is delivered
  std::optional<Cursor> cursor;  // nothing for a foreign one
};

// What to do after a stream has ended.
struct FeedRetry {
  uint64_t delay_ms = 0;
  bool alarm = false;
  bool hurries = false;    // it ends as soon as some backend is well
  std::string_view cause;  // a bounded set, for log and metric
};

// Feed decides everything about the subscription to the backend (docs/semantics.md 4, 5.3, 6.4,
// 8.6) and does none of it: metadata, entries and ends go in, decisions come out.
//
//      Connect() ──▶ OnMetadata() ──▶ OnEntry()… ──▶ OnEnd() ──▶ after delay_ms: Connect()
//                └─▶ OnNoMetadata() ─┘
//
//   Threads   One loop.
//   Cursors   `received` is the newest that lies in the ring, what a reconnect presents.
//   `processed`
//             is the newest that was delivered or dropped by policy, what may be persisted (7.2);
//             it stays behind while entries are held back before the catch-up barrier.
//   Errors    OnEntry(): the stream breaks a promise (cursor order, cursor form); it is to be ended
//             as OnFault(), with an alarm.
class Feed {
 public:
  // `random` yields a number in [0, bound]. `persisted` is the cursor on disk, or empty; with one
  // of our form the revoked set that lies beside it is complete up to it (7.2).
  Feed(const GatewayConfig& config, std::string persisted,
       std::function<uint64_t(uint64_t bound)> random);

  FeedRequest Connect(uint64_t wall_ms, uint64_t mono_ms);
  FeedOpening OnMetadata(const Metadata& metadata, uint64_t mono_ms);
  // The stream is open and silent: a backend that is not ours may send its metadata with the first
  // entry.
  FeedOpening OnNoMetadata(uint64_t mono_ms);
  // `known`: an opaque cursor that is in the ring already.
  Result<FeedStep> OnEntry(const EntryView& entry, bool known);
  // Nothing came for a moment after an opening with quiet_wait; true when that passes the barrier.
  bool OnQuiet();
  // `elsewhere`: there is another backend to go to at once, unless the end says otherwise (6.6).
  FeedRetry OnEnd(const GrpcEnd& end, uint64_t mono_ms, bool elsewhere = false);
  FeedRetry OnFault(uint64_t mono_ms);
  // It is open and of no use any more (Freshness::StuckAt); it is to be ended with its connection.
  FeedRetry OnStuck(uint64_t mono_ms, bool elsewhere = false);
  // We leave it for another backend.
  FeedRetry OnLeft(std::string_view cause, bool alarm, uint64_t mono_ms, bool elsewhere);
  // The current stream has lived long enough to count as a good one (6.4).
  bool LivesLong(uint64_t mono_ms) const {
    return streaming_ && mono_ms - opened_ms_ >= config_.backoff_reset_ms;
  }

  std::string processed() const { return processed_.Text(); }
  bool foreign() const { return foreign_; }
  // The barrier was passed at least once (9.1).
  bool vouched() const { return vouched_; }
  bool streaming() const { return streaming_; }
  bool superseded() const { return superseded_; }
  bool unknown() const { return unknown_; }
  // The backend of last time was ours, by its metadata or by the cursor on disk.
  bool was_ours() const { return opened_before_ ? !foreign_ : received_.ours().has_value(); }
  // It was so when the last process ended.
  void RememberUnknown() { unknown_ = true; }
  // An operator has taken note (9.3).
  void ForgetUnknown() { unknown_ = false; }
  // Of the current stream: 0 without canaries; the newest entry when it was accepted.
  uint64_t canary_ms() const { return canary_ms_; }
  const std::optional<Cursor>& head() const { return head_; }
  uint64_t generation() const { return generation_; }
  // What of the log before `head` is still to come; 0 past it.
  uint64_t behind_entries() const;

 private:
  // A cursor of either kind; one of ours is set with each entry, and its text asked for seldom.
  class Place {
   public:
    Place() = default;
    explicit Place(std::string text);
    void Set(const Cursor& cursor) { ours_ = cursor; }
    void Set(std::string_view opaque) {
      ours_.reset();
      opaque_.assign(opaque);
    }
    void Clear() { Set(std::string_view()); }
    const std::optional<Cursor>& ours() const { return ours_; }
    bool empty() const { return !ours_ && opaque_.empty(); }
    bool Is(std::string_view text) const { return ours_ ? Text() == text : opaque_ == text; }
    std::string Text() const { return ours_ ? ours_->Format() : opaque_; }

   private:
    std::optional<Cursor> ours_;
    std::string opaque_;
  };

  FeedOpening OpenOurs(const Metadata& metadata, std::string_view resume);
  FeedOpening OpenForeign(uint64_t mono_ms);
  Result<FeedStep> OursStep(const EntryView& entry);
  Result<FeedStep> ForeignStep(const EntryView& entry, bool known);
  void Process(const Place& place);
  void PassBarrier();
  uint64_t Backoff(bool longest);
  FeedRetry Again(std::string_view cause, bool elsewhere);
  void NoteEnd(uint64_t mono_ms);

  const GatewayConfig& config_;
  std::function<uint64_t(uint64_t)> random_;

  Place received_;
  Place processed_;
  std::optional<Cursor> persisted_;  // as this process found it
  bool revoked_complete_;  // up to `processed_`, so that it need not be asked for as a whole
  bool vouched_ = false;
  bool unknown_ = false;
  bool superseded_ = false;
  bool opened_before_ = false;  // some stream of this process was accepted
  bool retained_due_ = false;   // a gap's retained invalidations are not all here yet

  // Of the current stream.
  bool streaming_ = false;
  bool foreign_ = false;
  bool catching_up_ = false;
  uint64_t canary_ms_ = 0;
  std::optional<Cursor> start_;
  std::optional<Cursor> head_;
  std::optional<Cursor> last_;
  std::optional<Cursor> appended_;  // the ring's newest, or where it begins; outlives a stream
  uint64_t opened_ms_ = 0;
  uint64_t generation_ = 0;

  std::optional<uint64_t> ended_ms_;
  uint32_t attempts_ = 0;
  uint64_t superseded_delay_ms_ = 0;
};

}  // namespace galaxy::push
