#include "log/ring_segment.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace galaxy::push {
namespace {

constexpr size_t kRecordBytes = 16;

size_t CapacityFor(size_t entry_bytes, size_t usual_bytes) {
  size_t needed = (entry_bytes + 2 * kRecordBytes - 1) / kRecordBytes * kRecordBytes;
  return std::max(needed, usual_bytes);
}

// Times are kept as distances from the segment's base: 24 days either way.
bool FitsTime(uint64_t time_ms, uint64_t base_ms) {
  auto distance = static_cast<int64_t>(time_ms - base_ms);
  return distance >= INT32_MIN && distance <= INT32_MAX;
}

}  // namespace

std::unique_ptr<char[]> RingBuffers::Take(size_t bytes) {
  if (bytes == usual_bytes_) {
    std::lock_guard lock(mutex_);
    if (!kept_.empty()) {
      std::unique_ptr<char[]> buffer = std::move(kept_.back());
      kept_.pop_back();
      return buffer;
    }
  }
  // Not cleared: pages that nothing was written to cost no memory.
  return std::make_unique_for_overwrite<char[]>(bytes);
}

void RingBuffers::Give(std::unique_ptr<char[]> buffer, size_t bytes) {
  if (bytes != usual_bytes_) return;
  std::lock_guard lock(mutex_);
  if (kept_.size() < kKept) kept_.push_back(std::move(buffer));
}

RingSegment::RingSegment(std::shared_ptr<RingBuffers> buffers, size_t entry_bytes, Origin origin,
                         Cursor base)
    : buffers_(std::move(buffers)),
      capacity_(CapacityFor(entry_bytes, buffers_->usual_bytes())),
      origin_(origin),
      base_(base),
      buffer_(buffers_->Take(capacity_)),
      records_end_(reinterpret_cast<Record*>(buffer_.get() + capacity_)) {
  CHECK(capacity_ <= UINT32_MAX);
}

RingSegment::~RingSegment() { buffers_->Give(std::move(buffer_), capacity_); }

bool RingSegment::Fits(size_t entry_bytes, Cursor cursor) const {
  size_t needed = used_.bytes + entry_bytes + (used_.entries + size_t{1}) * kRecordBytes;
  return needed <= capacity_ && cursor.sequence - base_.sequence <= UINT32_MAX &&
         FitsTime(cursor.time_ms, base_.time_ms);
}

void RingSegment::Append(std::string_view entry, Cursor cursor, uint16_t partition, uint16_t tag) {
  std::memcpy(buffer_.get() + used_.bytes, entry.data(), entry.size());
  used_.bytes += static_cast<uint32_t>(entry.size());
  *(records_end_ - 1 - used_.entries) = {
      .end = used_.bytes,
      .sequence_delta = static_cast<uint32_t>(cursor.sequence - base_.sequence),
      .time_delta = static_cast<int32_t>(static_cast<int64_t>(cursor.time_ms - base_.time_ms)),
      .partition = partition,
      .tag = tag};
  ++used_.entries;
  if (cursor.time_ms > time_ms_max()) {
    time_ms_max_.store(cursor.time_ms, std::memory_order_relaxed);
  }
  published_.store(uint64_t{used_.entries} << 32 | used_.bytes, std::memory_order_release);
}

void RingSegment::Seal(std::weak_ptr<RingSegment> next) {
  next_ = std::move(next);
  sealed_.store(true, std::memory_order_release);
}

RingSegment::Extent RingSegment::published() const {
  uint64_t published = published_.load(std::memory_order_acquire);
  return {static_cast<uint32_t>(published >> 32), static_cast<uint32_t>(published)};
}

Cursor RingSegment::CursorOf(uint32_t index) const {
  const Record& record = RecordOf(index);
  return {base_.sequence + record.sequence_delta,
          base_.time_ms + static_cast<uint64_t>(static_cast<int64_t>(record.time_delta))};
}

uint32_t RingSegment::LowerBound(uint64_t sequence, uint32_t entries) const {
  uint32_t low = 0;
  uint32_t high = entries;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (base_.sequence + RecordOf(middle).sequence_delta < sequence) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

uint32_t RingSegment::CountFitting(uint32_t index, uint32_t entries, size_t bytes_max) const {
  size_t begin = BeginOf(index);
  if (EndOf(entries - 1) - begin <= bytes_max) return entries - index;
  uint32_t low = index + 1;  // the first entry goes whatever its size
  uint32_t high = entries;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (EndOf(middle) - begin <= bytes_max) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low - index;
}

uint32_t RingSegment::FirstOf(const PartitionSet& partitions, uint32_t index,
                              uint32_t entries) const {
  while (index < entries && !partitions.Takes(RecordOf(index).partition)) ++index;
  return index;
}

uint32_t RingSegment::EndOfRun(const PartitionSet& partitions, uint32_t index, uint32_t entries,
                               size_t bytes_max) const {
  uint32_t end = index;
  size_t begin = BeginOf(index);
  while (end < entries && partitions.Takes(RecordOf(end).partition) &&
         (end == index || EndOf(end) - begin <= bytes_max)) {
    ++end;
  }
  return end;
}

}  // namespace galaxy::push
