#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/slice.h"
#include "event/cursor.h"
#include "event/partition.h"

namespace galaxy::push {

class RingSegment;
class RingBuffers;

// Ring answers one question: "what happened after cursor C?" It holds the entries of the freshness
// window (docs/semantics.md 3.1) in wire format, back to back in segments, and a reader is nothing
// but a position in it (6.1): memory does not grow with the number of readers nor with their lag.
//
//   Ownership  Append() copies the bytes in.
//   Threads    One writer: Append, Expire, Clear. Any number of readers on any thread: Read and
//              Next take no lock. Append() publishes with release, Read() acquires. Find,
//              FindSince, End, Begin and Stats take a mutex that the writer takes only when a
//              segment is added or entries leave. A Position belongs to one thread at a time.
//   Lifetime   A Slice keeps its segment alive, so do Positions, so nothing dangles when the ring
//              moves on or is destroyed. Each of them pins that one segment, never a chain of them.
//   Limits     Segments and overheads of at most `bytes_max` in all (the newest segment always
//              stays); the oldest leaves whole when a new one does not fit. By age entries leave
//              one by one, only when older than `window_ms`, in Expire(). When the wall clock
//              steps, an older entry may stay longer: leaving is strictly from the front.
//   Cost       Append() one copy, no allocation but once a segment, whose buffers are recycled;
//              16 bytes of index an entry, its partition in them. Find() O(log n). PassTo() and
//              ReadRun() look at the index alone, 5 ns an entry where that is cold.
//
// Any bytes can be an entry. Its Cursor is what the writer says it is: for a log of ours, the one
// in its text. For a backend that is not ours the cursors are opaque: the writer numbers the
// entries itself (arrival number, receipt time), passes the text as `opaque`, and looks up by
// FindOpaque().
//
// Invariants: sequences strictly rise. An empty ring still knows its floor, which is then its head.
class Ring {
 public:
  struct Options {
    size_t bytes_max = 256u << 20;
    uint64_t window_ms = 5 * 60 * 1000;
    // An entry that is larger gets a segment of its own size; lowered to an eighth of bytes_max,
    // not below 4 KiB. The allocator's own words fit in the same pages.
    size_t segment_bytes = (128u << 10) - 64;
    // Counted for each entry beside its segment: what somebody keeps for as long as the entry.
    size_t entry_overhead_bytes = 0;
  };

  // Where a reader stands: between two entries. Cheap to copy; pins one segment.
  class Position {
   public:
    Position() = default;
    // The entry before this position, the last one read: 4.7 `push-head-cursor`.
    Cursor after() const { return after_; }
    bool valid() const { return segment_ != nullptr; }
    // How many entries were appended to the ring before this position, ever.
    uint64_t ordinal() const;

   private:
    friend class Ring;
    Position(std::shared_ptr<const RingSegment> segment, uint32_t index);
    std::shared_ptr<const RingSegment> segment_;
    uint32_t index_ = 0;  // of the next entry in the segment
    Cursor after_;
  };

  enum class State : uint8_t {
    kData,
    kPassed,    // PassTo() only: nothing of the wanted so far, and there is more to look at
    kCaughtUp,  // nothing after the position yet
    kOverrun,   // entries after the position have left the ring, or it was cleared (4.6)
  };

  struct Chunk {
    State state = State::kCaughtUp;
    uint32_t entries = 0;
    Slice bytes;  // whole entries, back to back
  };

  struct Item {
    State state = State::kCaughtUp;
    Cursor cursor;
    std::string_view entry;  // valid until the position is moved or destroyed
  };

  enum class Match : uint8_t {
    kFound,    // lossless from here
    kEvicted,  // of this log, but entries after it have left
    kUnknown,  // never in this log
    kFuture,   // beyond the newest entry
  };
  struct Found {
    Match match = Match::kUnknown;
    Position position;  // valid with kFound only
  };

  struct Statistics {
    uint64_t entries = 0;  // in the ring now
    uint64_t bytes = 0;    // of those entries
    uint64_t segment_bytes = 0;
    uint64_t evicted_by_age = 0;
    uint64_t evicted_by_cap = 0;
    uint64_t oldest_time_ms = 0;  // 0 when empty
  };

  struct Lag {
    uint64_t entries = 0;
    uint64_t bytes = 0;
  };

  // `start` is the cursor before the first entry the ring will get; `log_start` the cursor before
  // the first entry of the whole log, which tells kEvicted from kUnknown. An empty log has both
  // the same.
  Ring(Options options, Cursor start, Cursor log_start);
  Ring(Options options, Cursor start) : Ring(options, start, start) {}
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // --- the writer

  // Requires a sequence above head()'s, and `opaque` with every entry or with none. `partition`:
  // what PartitionOfEntry() says of it.
  void Append(std::string_view entry, Cursor cursor, uint16_t partition = kEveryPartition,
              std::string_view opaque = {});
  // Lets go what is older than the window. Call it about once a second.
  void Expire(uint64_t now_ms);
  // Empties the ring: its head and floor are `head` from now on, whatever they were
  // (docs/semantics.md 7.5). A position still reads what its own segment holds, then it is overrun.
  // A cursor before `head` is kEvicted from `log_start` on, kUnknown below.
  void Clear(Cursor head, Cursor log_start, std::string_view opaque = {});

  // --- any thread

  // The newest entry, or the floor when there is none. Lock-free.
  Cursor head() const;
  // The entry that left last: a resume there is still lossless (4.2).
  Cursor floor() const;
  Cursor log_start() const;

  // Where `cursor` stands (1.5: sequence and time must both match; 4.2).
  Found Find(Cursor cursor) const;
  // The same for an opaque cursor: kFound or kUnknown. Scans the index: milliseconds per million.
  Found FindOpaque(std::string_view cursor) const;
  // Just before the first entry at or after that time (4.10), or End().
  Position FindSince(uint64_t unix_ms) const;
  Position Begin() const;
  Position End() const;

  // The entries after `position`, as many whole ones as fit in `bytes_max` but at least one, from
  // one segment; moves `position` behind them.
  Chunk Read(Position& position, size_t bytes_max) const;
  // For a reader that wants some partitions only. PassTo() moves `position` over entries that do
  // not belong to them, up to the first that does (kData), and no more than `scan_left` of them,
  // which it counts down. ReadRun() then is as Read(), and ends with the run of those that do.
  State PassTo(const PartitionSet& partitions, Position& position, size_t& scan_left) const;
  Chunk ReadRun(const PartitionSet& partitions, Position& position, size_t bytes_max) const;
  // One entry, without sharing ownership of its bytes.
  Item Next(Position& position) const;

  Lag LagOf(const Position& position) const;
  Statistics Stats() const;

 private:
  using SegmentPtr = std::shared_ptr<RingSegment>;

  void AddSegment(size_t entry_bytes, Cursor first);
  void EvictForCap(size_t incoming_bytes);
  void DropFront();
  void SetFloor(const RingSegment& segment, uint32_t entries);
  void PublishHead(Cursor cursor);
  // Moves over the end of a read segment. kData: there is an entry at the position.
  State Advance(Position& position) const;
  // What Read() yields of `count` entries at `position`.
  static Chunk Take(Position& position, uint32_t count);
  Position AtFloor() const;

  const Options options_;
  const std::shared_ptr<RingBuffers> buffers_;

  // The writer's alone.
  SegmentPtr tail_;
  Cursor last_;

  // The head for any thread: a sequence lock, even when stable.
  std::atomic<uint64_t> head_version_{0};
  std::atomic<uint64_t> head_sequence_{0};
  std::atomic<uint64_t> head_time_ms_{0};
  // Ever appended.
  std::atomic<uint64_t> ordinal_{0};
  std::atomic<uint64_t> stream_bytes_{0};

  mutable std::mutex mutex_;  // guards what follows
  std::deque<SegmentPtr> segments_;
  uint32_t front_gone_ = 0;  // entries of the front segment that have left
  size_t segment_bytes_ = 0;
  Cursor floor_;
  Cursor log_start_;
  std::string floor_opaque_;
  uint64_t floor_ordinal_ = 0;
  uint64_t floor_stream_bytes_ = 0;
  uint64_t evicted_by_age_ = 0;
  uint64_t evicted_by_cap_ = 0;
};

}  // namespace galaxy::push
