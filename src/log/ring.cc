#include "log/ring.h"

#include <algorithm>
#include <functional>

#include "base/check.h"
#include "event/wire.h"
#include "log/ring_segment.h"

namespace galaxy::push {
namespace {

constexpr size_t kSegmentBytesMin = 4096;

// The byte cap works by whole segments, so a small ring gets small ones.
size_t SegmentBytes(const Ring::Options& options) {
  size_t bytes = std::min(options.segment_bytes, options.bytes_max / 8);
  return std::max(bytes, kSegmentBytesMin) / 16 * 16;
}

uint16_t TagFor(std::string_view opaque) {
  if (opaque.empty()) return 0;
  return static_cast<uint16_t>(std::hash<std::string_view>{}(opaque) | 1);
}

std::string_view CursorText(std::string_view entry) {
  Result<EntryView> view = DecodePushEvent(EntryMessage(entry));
  return view ? view->cursor : std::string_view();
}

}  // namespace

Ring::Position::Position(std::shared_ptr<const RingSegment> segment, uint32_t index)
    : segment_(std::move(segment)), index_(index), after_(segment_->CursorBefore(index)) {}

uint64_t Ring::Position::ordinal() const { return segment_->origin().ordinal + index_; }

Ring::Ring(Options options, Cursor start, Cursor log_start)
    : options_(options), buffers_(std::make_shared<RingBuffers>(SegmentBytes(options))) {
  Clear(start, log_start);
}

Ring::~Ring() = default;

// --- the writer

void Ring::Append(std::string_view entry, Cursor cursor, uint16_t partition,
                  std::string_view opaque) {
  CHECK(cursor.sequence > last_.sequence);
  if (!tail_->Fits(entry.size(), cursor)) AddSegment(entry.size(), cursor);
  // Before the entry is published, so that nobody who has read it finds a negative lag.
  ordinal_.fetch_add(1, std::memory_order_relaxed);
  stream_bytes_.fetch_add(entry.size(), std::memory_order_relaxed);
  tail_->Append(entry, cursor, partition, TagFor(opaque));
  last_ = cursor;
  PublishHead(cursor);
}

void Ring::AddSegment(size_t entry_bytes, Cursor first) {
  RingSegment::Origin origin{ordinal_.load(std::memory_order_relaxed),
                             stream_bytes_.load(std::memory_order_relaxed), last_};
  auto segment = std::make_shared<RingSegment>(buffers_, entry_bytes, origin, first);
  std::lock_guard lock(mutex_);
  EvictForCap(segment->capacity());
  segment_bytes_ += segment->capacity();
  segments_.push_back(segment);
  tail_->Seal(segment);
  tail_ = std::move(segment);
}

void Ring::EvictForCap(size_t incoming_bytes) {
  auto taken_bytes = [this] {
    uint64_t entries = ordinal_.load(std::memory_order_relaxed) - floor_ordinal_;
    return segment_bytes_ + entries * options_.entry_overhead_bytes;
  };
  while (!segments_.empty() && taken_bytes() + incoming_bytes > options_.bytes_max) {
    uint32_t entries = segments_.front()->published().entries;
    evicted_by_cap_ += entries - front_gone_;
    SetFloor(*segments_.front(), entries);
    DropFront();
  }
}

void Ring::DropFront() {
  segment_bytes_ -= segments_.front()->capacity();
  segments_.pop_front();
  front_gone_ = 0;
}

// The first `entries` entries of `segment`, the front one, have left.
void Ring::SetFloor(const RingSegment& segment, uint32_t entries) {
  if (entries == 0) return;
  floor_ = segment.CursorOf(entries - 1);
  floor_ordinal_ = segment.origin().ordinal + entries;
  floor_stream_bytes_ = segment.origin().stream_bytes + segment.EndOf(entries - 1);
  if (segment.TagOf(entries - 1) != 0) floor_opaque_ = CursorText(segment.EntryOf(entries - 1));
}

void Ring::Expire(uint64_t now_ms) {
  if (now_ms < options_.window_ms) return;
  uint64_t oldest_kept_ms = now_ms - options_.window_ms;
  std::lock_guard lock(mutex_);
  for (;;) {
    const RingSegment& front = *segments_.front();
    uint32_t entries = front.published().entries;
    uint32_t gone = front_gone_;
    if (front.time_ms_max() < oldest_kept_ms) gone = entries;
    while (gone < entries && front.CursorOf(gone).time_ms < oldest_kept_ms) ++gone;
    evicted_by_age_ += gone - front_gone_;
    if (gone > front_gone_) SetFloor(front, gone);
    front_gone_ = gone;
    if (gone < entries || segments_.size() == 1) return;
    DropFront();
  }
}

void Ring::Clear(Cursor head, Cursor log_start, std::string_view opaque) {
  RingSegment::Origin origin{ordinal_.load(std::memory_order_relaxed),
                             stream_bytes_.load(std::memory_order_relaxed), head};
  auto segment = std::make_shared<RingSegment>(buffers_, 0, origin, head);
  {
    std::lock_guard lock(mutex_);
    segments_.clear();
    segments_.push_back(segment);
    segment_bytes_ = segment->capacity();
    front_gone_ = 0;
    floor_ = head;
    log_start_ = log_start;
    floor_opaque_ = opaque;
    floor_ordinal_ = origin.ordinal;
    floor_stream_bytes_ = origin.stream_bytes;
    // Published inside the lock: whoever looks for a cursor sees the floor and the head together.
    last_ = head;
    PublishHead(head);
  }
  if (tail_) tail_->Seal({});
  tail_ = std::move(segment);
}

void Ring::PublishHead(Cursor cursor) {
  uint64_t version = head_version_.load(std::memory_order_relaxed);
  head_version_.store(version + 1, std::memory_order_relaxed);
  // Release: who sees a new value below also sees the odd version above.
  head_sequence_.store(cursor.sequence, std::memory_order_release);
  head_time_ms_.store(cursor.time_ms, std::memory_order_release);
  head_version_.store(version + 2, std::memory_order_release);
}

// --- any thread

Cursor Ring::head() const {
  for (;;) {
    uint64_t before = head_version_.load(std::memory_order_acquire);
    Cursor cursor{head_sequence_.load(std::memory_order_acquire),
                  head_time_ms_.load(std::memory_order_acquire)};
    if (before % 2 == 0 && head_version_.load(std::memory_order_relaxed) == before) return cursor;
  }
}

Cursor Ring::floor() const {
  std::lock_guard lock(mutex_);
  return floor_;
}

Cursor Ring::log_start() const {
  std::lock_guard lock(mutex_);
  return log_start_;
}

Ring::Position Ring::AtFloor() const { return Position(segments_.front(), front_gone_); }

Ring::Position Ring::Begin() const {
  std::lock_guard lock(mutex_);
  return AtFloor();
}

Ring::Position Ring::End() const {
  std::lock_guard lock(mutex_);
  return Position(segments_.back(), segments_.back()->published().entries);
}

Ring::Found Ring::Find(Cursor cursor) const {
  std::lock_guard lock(mutex_);
  if (cursor == floor_) return {Match::kFound, AtFloor()};
  if (cursor.sequence == floor_.sequence) return {Match::kUnknown, {}};
  if (cursor.sequence < floor_.sequence) {
    bool of_this_log = cursor.sequence > log_start_.sequence || cursor == log_start_;
    return {of_this_log ? Match::kEvicted : Match::kUnknown, {}};
  }
  if (cursor.sequence > head().sequence) return {Match::kFuture, {}};
  auto after = std::upper_bound(
      segments_.begin(), segments_.end(), cursor.sequence,
      [](uint64_t sequence, const SegmentPtr& s) { return sequence < s->base_sequence(); });
  if (after == segments_.begin()) return {Match::kUnknown, {}};
  const SegmentPtr& segment = *std::prev(after);
  uint32_t entries = segment->published().entries;
  uint32_t index = segment->LowerBound(cursor.sequence, entries);
  if (index == entries || segment->CursorOf(index) != cursor) return {Match::kUnknown, {}};
  return {Match::kFound, Position(segment, index + 1)};
}

Ring::Found Ring::FindOpaque(std::string_view cursor) const {
  uint32_t tag = TagFor(cursor);
  if (tag == 0) return {Match::kUnknown, {}};
  std::lock_guard lock(mutex_);
  // Newest first: that is where most clients were.
  for (auto it = segments_.rbegin(); it != segments_.rend(); ++it) {
    const RingSegment& segment = **it;
    uint32_t stop = *it == segments_.front() ? front_gone_ : 0;
    for (uint32_t index = segment.published().entries; index > stop; --index) {
      if (segment.TagOf(index - 1) == tag && CursorText(segment.EntryOf(index - 1)) == cursor) {
        return {Match::kFound, Position(*it, index)};
      }
    }
  }
  if (cursor == floor_opaque_) return {Match::kFound, AtFloor()};
  return {Match::kUnknown, {}};
}

Ring::Position Ring::FindSince(uint64_t unix_ms) const {
  std::lock_guard lock(mutex_);
  uint32_t index = front_gone_;
  for (const SegmentPtr& segment : segments_) {
    uint32_t entries = segment->published().entries;
    if (entries > 0 && segment->time_ms_max() >= unix_ms) {
      while (index < entries && segment->CursorOf(index).time_ms < unix_ms) ++index;
      if (index < entries) return Position(segment, index);
    }
    index = 0;
  }
  return Position(segments_.back(), segments_.back()->published().entries);
}

// --- readers, without a lock

Ring::State Ring::Advance(Position& position) const {
  CHECK(position.valid());
  for (;;) {
    const RingSegment& segment = *position.segment_;
    bool sealed = segment.sealed();
    if (position.index_ < segment.published().entries) return State::kData;
    if (!sealed) return State::kCaughtUp;
    std::shared_ptr<const RingSegment> next = segment.next();
    if (!next) return State::kOverrun;
    position.segment_ = std::move(next);
    position.index_ = 0;
  }
}

Ring::Chunk Ring::Read(Position& position, size_t bytes_max) const {
  State state = Advance(position);
  if (state != State::kData) return {state, 0, {}};
  const RingSegment& segment = *position.segment_;
  uint32_t index = position.index_;
  return Take(position, segment.CountFitting(index, segment.published().entries, bytes_max));
}

Ring::Chunk Ring::Take(Position& position, uint32_t count) {
  const RingSegment& segment = *position.segment_;
  uint32_t index = position.index_;
  position.index_ = index + count;
  position.after_ = segment.CursorOf(position.index_ - 1);
  return {State::kData, count,
          Slice{position.segment_,
                segment.Bytes(segment.BeginOf(index), segment.EndOf(position.index_ - 1))}};
}

Ring::State Ring::PassTo(const PartitionSet& partitions, Position& position,
                         size_t& scan_left) const {
  for (;;) {
    State state = Advance(position);
    if (state != State::kData) return state;
    const RingSegment& segment = *position.segment_;
    uint32_t index = position.index_;
    size_t entries = std::min<size_t>(segment.published().entries, index + scan_left);
    uint32_t end = static_cast<uint32_t>(entries);
    uint32_t found = segment.FirstOf(partitions, index, end);
    scan_left -= found - index;
    position.index_ = found;
    position.after_ = segment.CursorBefore(found);
    if (found < end) return State::kData;
    if (scan_left == 0) return State::kPassed;
  }
}

Ring::Chunk Ring::ReadRun(const PartitionSet& partitions, Position& position,
                          size_t bytes_max) const {
  State state = Advance(position);
  if (state != State::kData) return {state, 0, {}};
  const RingSegment& segment = *position.segment_;
  uint32_t index = position.index_;
  uint32_t end = segment.EndOfRun(partitions, index, segment.published().entries, bytes_max);
  if (end == index) return {State::kPassed, 0, {}};
  return Take(position, end - index);
}

Ring::Item Ring::Next(Position& position) const {
  State state = Advance(position);
  if (state != State::kData) return {state, {}, {}};
  const RingSegment& segment = *position.segment_;
  position.after_ = segment.CursorOf(position.index_);
  return {state, position.after_, segment.EntryOf(position.index_++)};
}

Ring::Lag Ring::LagOf(const Position& position) const {
  const RingSegment& segment = *position.segment_;
  uint64_t read_bytes = segment.origin().stream_bytes + segment.BeginOf(position.index_);
  return {ordinal_.load(std::memory_order_relaxed) - position.ordinal(),
          stream_bytes_.load(std::memory_order_relaxed) - read_bytes};
}

Ring::Statistics Ring::Stats() const {
  std::lock_guard lock(mutex_);
  Statistics stats;
  stats.entries = ordinal_.load(std::memory_order_relaxed) - floor_ordinal_;
  stats.bytes = stream_bytes_.load(std::memory_order_relaxed) - floor_stream_bytes_;
  stats.segment_bytes = segment_bytes_;
  stats.evicted_by_age = evicted_by_age_;
  stats.evicted_by_cap = evicted_by_cap_;
  Position oldest = AtFloor();
  Item item = Next(oldest);
  if (item.state == State::kData) stats.oldest_time_ms = item.cursor.time_ms;
  return stats;
}

}  // namespace galaxy::push
