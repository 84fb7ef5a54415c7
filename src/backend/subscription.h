#pragma once

#include <cstdint>
#include <string>

#include "backend/resume.h"
#include "base/slice.h"
#include "event/cursor.h"
#include "log/retained.h"
#include "log/ring.h"

namespace galaxy::push {

// One row of the operator's listing (GET /v1/subscriptions on the admin address).
struct SubscriptionInfo {
  std::string gateway_client_id;
  uint64_t generation = 0;
  std::string peer;
  uint64_t connected_wall_ms = 0;
  Cursor written;  // the last entry written
  uint64_t lag_entries = 0;
  uint64_t lag_bytes = 0;
  uint64_t lag_ms = 0;  // between the last entry written and the newest, by their cursors
  PartitionSet partitions;
};

// Subscription is one gateway's place in the log: retained invalidations first when the resume
// decision says so, then the ring from its start cursor (docs/semantics.md 4.3), all of it or what
// belongs to some partitions (4.11).
//
// Entries of other partitions are passed over, and count as written: written() and its end's
// `push-head-cursor` (4.7), its lag, Reached() (a drain, 6.5) and Slow() (6.2) speak of the place
// in the log that it has got to, so one that nothing is for is not behind. That is safe, since
// every entry up to there that it should have is written; whoever resumes there with the same
// partitions, at any backend of the log, misses none. Gateways resume by the last entry that they
// received, at or before it.
//
//   Ownership  Its stream and the registry (Subscriptions) share it. `ring` and `retained` outlive
//              it.
//   Threads    The loop's only.
//   Limits     It holds a position and at most one chunk (kChunkBytes, or one entry that is
//              larger): nothing grows with its lag (6.1).
//   Cost       Pull() hands out views of the ring's segments: no copy, no work per entry. With some
//              partitions only, a look at the index per entry; short runs of entries that follow
//              each other are copied together, which is cheaper than a view of each. No more than
//              kScanMax entries are passed over at once, so that a long way over entries of others
//              stops nobody else on the loop.
class Subscription {
 public:
  enum class Pulled : uint8_t {
    kMore,
    kPause,    // there is more to look at: pull again when others had their turn
    kWait,     // caught up: OnGrowth() tells when there is more
    kOverrun,  // the ring overtook it (4.6); nothing more comes
    kOver,     // silenced, and the entry that had begun is complete
  };
  static constexpr size_t kChunkBytes = 64 * 1024;
  static constexpr size_t kGatherBytes = 16 * 1024;  // a frame of HTTP/2
  static constexpr size_t kScanMax = 16 * 1024;

  Subscription(const Ring& ring, const Retained& retained, ResumeDecision decision,
               SubscriptionInfo info, uint64_t now_ms);

  // Appends at most `bytes_max` bytes of the stream. Entries may be cut between two pulls.
  Pulled Pull(size_t bytes_max, uint64_t now_ms, SliceList& out);
  // From now on no further entry is begun; only the rest of one that is half pulled follows (5.1).
  void Silence();
  bool silenced() const { return silenced_; }
  // Bytes have been read from the ring that are not pulled yet.
  bool holds_bytes() const { return offset_ < chunk_.size(); }

  // The ring grew. True when the stream had caught up and is to be woken; false also when all that
  // came is of other partitions, which is passed over here.
  bool OnGrowth(uint64_t now_ms);
  // The peer took bytes.
  void OnProgress(uint64_t now_ms) { progress_ms_ = now_ms; }
  // Entries wait and the peer has accepted no byte for `slow_ms` (6.2). `queued_bytes`: handed to
  // the transport and not yet taken by the kernel.
  // To be asked about once a second: that is how exactly it knows when a wait began.
  bool Slow(uint64_t now_ms, uint64_t slow_ms, size_t queued_bytes);
  // Nothing is left to pull up to `head`.
  bool Reached(Cursor head) const;

  const ResumeDecision& decision() const { return decision_; }
  const std::string& gateway_client_id() const { return info_.gateway_client_id; }
  uint64_t generation() const { return info_.generation; }
  // The last entry that was pulled whole (4.7). Before the first: `push-start-cursor`, or, while
  // retained invalidations go first, where those begin.
  Cursor written() const;
  SubscriptionInfo Info() const;

 private:
  Ring::State Fill(size_t& scan_left);
  bool FillFromRetained();
  Ring::Chunk Read(size_t& scan_left);
  Ring::Chunk Gather(Ring::Chunk first, size_t& scan_left);
  Ring::State PassOthers(size_t& scan_left);
  // The end of the entry in the chunk that byte `offset` belongs to; `before` ends the one before.
  struct Span {
    size_t before;
    size_t end;
  };
  Span EntryAt(size_t offset) const;

  const Ring& ring_;
  const Retained& retained_;
  ResumeDecision decision_;
  SubscriptionInfo info_;
  bool retained_left_;
  Slice chunk_;         // whole entries, read and not yet pulled wholly
  size_t offset_ = 0;   // what of it has been pulled
  Cursor chunk_after_;  // the last entry before the chunk
  Cursor chunk_last_;   // the last one in it
  uint64_t progress_ms_;
  bool caught_up_ = false;
  bool silenced_ = false;
  const bool partial_;  // some partitions only
};

}  // namespace galaxy::push
