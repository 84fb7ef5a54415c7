#include "gateway/replay_ring.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/ids.h"
#include "event/wire.h"

namespace galaxy::push {

namespace {

// A bucket for each so many bytes of the ring: some entries of others are passed on a walk, and the
// table stays in the processor's cache.
constexpr size_t kBytesPerBucket = 4096;
// A full ring lets go of so much at once: the last to leave is looked at, in memory that was
// written long ago.
constexpr size_t kEvictBytes = 64u << 10;
constexpr size_t kLinkBehind = 8;
// As wide as a record's fields.
static_assert(kMessageBytesMax < 1u << 24 && kCursorBytesMax < 1u << 8);

}  // namespace

ReplayRing::ReplayRing(Options options)
    : options_(options),
      buckets_(
          std::bit_ceil(std::clamp<size_t>(options.bytes_max / kBytesPerBucket, 2, 1u << 20))) {
  bucket_shift_ = 64 - std::countr_zero(buckets_.size());
}

void ReplayRing::Clear(std::string_view floor, bool foreign) {
  std::string kept(floor);  // may be a view into this ring
  first_ += records_.size();
  records_.clear();
  first_segment_ += static_cast<uint32_t>(segments_.size());
  segments_.clear();
  cursors_.clear();
  bytes_ = 0;
  floor_ = std::move(kept);
  foreign_ = foreign;
}

ReplayRing::Ordinal ReplayRing::Append(std::string_view message, std::string_view cursor,
                                       uint64_t sequence, uint64_t user_hash, uint64_t mono_ms) {
  if (bytes_ + message.size() > options_.bytes_max) EvictFor(message.size());
  std::memcpy(Reserve(message.size()), message.data(), message.size());

  Segment& segment = segments_.back();
  Record record{.user_hash = user_hash,
                .mono_ms = mono_ms,
                .segment = first_segment_ + static_cast<uint32_t>(segments_.size() - 1),
                .offset = static_cast<uint32_t>(segment.used),
                .length = static_cast<uint32_t>(message.size())};
  if (!cursor.empty()) {
    auto offset = static_cast<size_t>(cursor.data() - message.data());
    CHECK(offset <= message.size() && cursor.size() <= message.size() - offset);
    record.cursor_offset = static_cast<uint32_t>(offset);
    record.cursor_length = static_cast<uint32_t>(cursor.size());
  }
  segment.used += message.size();
  ++segment.entries;
  bytes_ += message.size();

  Ordinal ordinal = newest() + 1;
  if (foreign_) {
    record.key = SipHash64(secret_, cursor);
    if (!cursor.empty()) cursors_[record.key] = ordinal;
  } else {
    CHECK(records_.empty() || records_.back().key < sequence);
    record.key = sequence;
  }
  __builtin_prefetch(&NewestOf(user_hash), /*rw=*/1);
  records_.push_back(record);
  if (ordinal > kLinkBehind) Link(ordinal - kLinkBehind);
  return ordinal;
}

void ReplayRing::Link(Ordinal newest) {
  for (Ordinal at = std::max(linked_ + 1, first_); at <= newest; ++at) {
    Record& record = At(at);
    if (record.user_hash == 0) continue;
    Ordinal before = std::exchange(NewestOf(record.user_hash), at);
    if (before >= first_) record.prev = static_cast<uint32_t>(at - before);
  }
  linked_ = std::max(linked_, newest);
}

char* ReplayRing::Reserve(size_t size) {
  if (segments_.empty() || segments_.back().capacity - segments_.back().used < size) {
    Segment segment;
    segment.capacity = std::max(size, options_.segment_bytes);
    bool regular = segment.capacity == options_.segment_bytes;
    segment.bytes = regular && spare_ ? std::move(spare_)
                                      : std::make_unique_for_overwrite<char[]>(segment.capacity);
    segments_.push_back(std::move(segment));
  }
  return segments_.back().bytes.get() + segments_.back().used;
}

void ReplayRing::EvictFor(size_t incoming_bytes) {
  size_t more = std::min(kEvictBytes, options_.bytes_max / 64);
  size_t left = bytes_, count = 0;
  while (count < records_.size() && left + incoming_bytes + more > options_.bytes_max) {
    left -= records_[count++].length;
  }
  evicted_by_cap_ += count;
  PopFront(count);
}

void ReplayRing::PopFront(size_t count) {
  if (count == 0) return;
  floor_.assign(CursorOf(records_[count - 1]));
  for (; count > 0; --count) {
    const Record& record = records_.front();
    bytes_ -= record.length;
    if (foreign_) {
      auto known = cursors_.find(record.key);
      if (known != cursors_.end() && known->second == first_) cursors_.erase(known);
    }
    Segment& segment = segments_.front();
    if (--segment.entries == 0) {
      if (segment.capacity == options_.segment_bytes) spare_ = std::move(segment.bytes);
      segments_.pop_front();
      ++first_segment_;
    }
    records_.pop_front();
    ++first_;
  }
}

void ReplayRing::Expire(uint64_t mono_ms) {
  size_t count = 0;
  while (count < records_.size() && records_[count].mono_ms + options_.window_ms < mono_ms) ++count;
  PopFront(count);
}

std::string_view ReplayRing::Bytes(const Record& record) const {
  const Segment& segment = segments_[record.segment - first_segment_];
  return {segment.bytes.get() + record.offset, record.length};
}

std::string_view ReplayRing::CursorOf(const Record& record) const {
  return Bytes(record).substr(record.cursor_offset, record.cursor_length);
}

EntryView ReplayRing::View(Ordinal ordinal) const {
  CHECK(first_ <= ordinal && ordinal <= newest());
  auto view = DecodePushEvent(Bytes(At(ordinal)));
  CHECK(view);  // it was decoded before it was appended
  return *view;
}

std::string_view ReplayRing::CursorAt(Ordinal ordinal) const {
  if (ordinal < first_ || records_.empty()) return floor_;
  return CursorOf(At(ordinal));
}

ReplayRing::Found ReplayRing::Find(std::string_view cursor, Ordinal newest) const {
  if (!foreign_) return FindOurs(cursor, newest);
  if (cursor == floor_) return FindFloor(newest);
  auto known = cursors_.find(SipHash64(secret_, cursor));
  if (known == cursors_.end() || CursorOf(At(known->second)) != cursor) return {Match::kUnknown};
  if (known->second > newest) return {Match::kFuture};
  return {Match::kFound, known->second};
}

// Entries may have left the ring before anybody may see them.
ReplayRing::Found ReplayRing::FindFloor(Ordinal newest) const {
  if (first_ - 1 > newest) return {Match::kFuture};
  return {Match::kFound, first_ - 1};
}

ReplayRing::Found ReplayRing::FindOurs(std::string_view cursor, Ordinal newest) const {
  auto wanted = Cursor::Parse(cursor);
  if (!wanted) return {Match::kMalformed};
  if (cursor == floor_) return FindFloor(newest);
  auto floor = Cursor::Parse(floor_);
  if (floor && wanted->sequence <= floor->sequence) {
    // At the floor's sequence with another time: of another log (1.5).
    return {wanted->sequence < floor->sequence ? Match::kEvicted : Match::kUnknown};
  }
  auto at = std::lower_bound(
      records_.begin(), records_.end(), wanted->sequence,
      [](const Record& record, uint64_t sequence) { return record.key < sequence; });
  Ordinal ordinal = first_ + static_cast<Ordinal>(at - records_.begin());
  if (ordinal > newest) return {Match::kFuture};
  if (CursorOf(*at) == cursor) return {Match::kFound, ordinal};
  if (options_.partial && at->key != wanted->sequence) return {Match::kFound, ordinal - 1};
  return {Match::kUnknown};
}

bool ReplayRing::Contains(std::string_view cursor) const {
  auto known = cursors_.find(SipHash64(secret_, cursor));
  return known != cursors_.end() && CursorOf(At(known->second)) == cursor;
}

ReplayRing::Ordinal ReplayRing::FirstAfter(uint64_t user_hash, Ordinal after) {
  Link(newest());
  Ordinal oldest_wanted = std::max(after + 1, first_);
  Ordinal found = 0;
  for (Ordinal at = NewestOf(user_hash); at >= oldest_wanted;) {
    Record& record = At(at);
    if (record.user_hash == user_hash) {
      if (found != 0) record.next = static_cast<uint32_t>(found - at);
      found = at;
    }
    if (record.prev == 0) break;
    at -= record.prev;
  }
  return found;
}

ReplayRing::Ordinal ReplayRing::NextOf(Ordinal ordinal) {
  const Record& record = At(ordinal);
  return record.next != 0 ? ordinal + record.next : FirstAfter(record.user_hash, ordinal);
}

}  // namespace galaxy::push
