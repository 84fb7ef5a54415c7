#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "event/cursor.h"
#include "event/partition.h"

namespace galaxy::push {

// RingBuffers hands out the memory of segments and takes it back, from any thread. It keeps a few
// buffers of the usual size, so that a ring in steady state asks the system for nothing.
class RingBuffers {
 public:
  explicit RingBuffers(size_t usual_bytes) : usual_bytes_(usual_bytes) {}

  size_t usual_bytes() const { return usual_bytes_; }
  std::unique_ptr<char[]> Take(size_t bytes);
  void Give(std::unique_ptr<char[]> buffer, size_t bytes);

 private:
  static constexpr size_t kKept = 4;
  const size_t usual_bytes_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<char[]>> kept_;
};

// RingSegment is one piece of a Ring: entries from the front, their index from the back.
//
//   | entry 0 | entry 1 | … ▶        free        ◀ … | record 1 | record 0 |
//
//   Threads   One writer; readers see entries below published(), which is stored with release.
//   Lifetime  A reader in this segment goes to the next one through a weak pointer: it keeps this
//             one alive, and not the chain behind it.
class RingSegment {
 public:
  struct Extent {
    uint32_t entries = 0;
    uint32_t bytes = 0;
  };

  // Where a segment begins: what came before it, ever, and the entry before its first.
  struct Origin {
    uint64_t ordinal = 0;
    uint64_t stream_bytes = 0;
    Cursor before;
  };

  // Room for one entry of `entry_bytes` at least. `base` is at or before the first entry.
  RingSegment(std::shared_ptr<RingBuffers> buffers, size_t entry_bytes, Origin origin, Cursor base);
  ~RingSegment();
  RingSegment(const RingSegment&) = delete;
  RingSegment& operator=(const RingSegment&) = delete;

  // --- the writer
  bool Fits(size_t entry_bytes, Cursor cursor) const;
  void Append(std::string_view entry, Cursor cursor, uint16_t partition, uint16_t tag);
  // Nothing is appended any more; `next` may be empty.
  void Seal(std::weak_ptr<RingSegment> next);

  // --- any thread
  const Origin& origin() const { return origin_; }
  size_t capacity() const { return capacity_; }
  uint64_t base_sequence() const { return base_.sequence; }
  Extent published() const;
  // Ask before published(): then "sealed and all read" is final.
  bool sealed() const { return sealed_.load(std::memory_order_acquire); }
  std::shared_ptr<const RingSegment> next() const { return next_.lock(); }
  // No published entry is newer than this.
  uint64_t time_ms_max() const { return time_ms_max_.load(std::memory_order_relaxed); }

  // Of published entries only. BeginOf() also of the one behind the last.
  uint32_t BeginOf(uint32_t index) const { return index == 0 ? 0 : RecordOf(index - 1).end; }
  uint32_t EndOf(uint32_t index) const { return RecordOf(index).end; }
  uint16_t TagOf(uint32_t index) const { return RecordOf(index).tag; }
  Cursor CursorOf(uint32_t index) const;
  Cursor CursorBefore(uint32_t index) const {
    return index == 0 ? origin_.before : CursorOf(index - 1);
  }
  std::string_view Bytes(uint32_t begin, uint32_t end) const {
    return {buffer_.get() + begin, end - begin};
  }
  std::string_view EntryOf(uint32_t index) const { return Bytes(BeginOf(index), EndOf(index)); }

  // The first of `entries` entries whose sequence is at least `sequence`, or `entries`.
  uint32_t LowerBound(uint64_t sequence, uint32_t entries) const;
  // How many entries from `index` on fit in `bytes_max`, at least one. Requires index < entries.
  uint32_t CountFitting(uint32_t index, uint32_t entries, size_t bytes_max) const;
  // The first entry from `index` on that belongs to `partitions`, or `entries`.
  uint32_t FirstOf(const PartitionSet& partitions, uint32_t index, uint32_t entries) const;
  // The end of the run of entries from `index` on that all belong to `partitions` and fit in
  // `bytes_max`, the first whatever its size. It looks no further ahead: the index is cold there.
  uint32_t EndOfRun(const PartitionSet& partitions, uint32_t index, uint32_t entries,
                    size_t bytes_max) const;

 private:
  struct Record {
    uint32_t end;
    uint32_t sequence_delta;  // to base_
    int32_t time_delta;
    uint16_t partition;
    uint16_t tag;
  };
  static_assert(sizeof(Record) == 16);

  const Record& RecordOf(uint32_t index) const { return *(records_end_ - 1 - index); }

  const std::shared_ptr<RingBuffers> buffers_;
  const size_t capacity_;
  const Origin origin_;
  const Cursor base_;
  std::unique_ptr<char[]> buffer_;
  Record* records_end_;
  Extent used_;                           // the writer's
  std::atomic<uint64_t> published_{0};    // entries << 32 | bytes
  std::atomic<uint64_t> time_ms_max_{0};  // stored before published_
  std::weak_ptr<RingSegment> next_;       // set before sealed_, then constant
  std::atomic<bool> sealed_{false};
};

}  // namespace galaxy::push
