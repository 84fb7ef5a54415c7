#include "log/dedupe.h"

#include <bit>

#include "base/check.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kContentMask = ~uint64_t{0xFFFF};
constexpr size_t kBucketsMin = 64;
constexpr uint32_t kAhead = 8;

// Slot numbers count up and wrap here, so that 1 + number fits 32 bits and 0 is free to mean none.
constexpr uint32_t kNumberMask = 0x7FFF'FFFF;

}  // namespace

Dedupe::Dedupe(size_t keys_max)
    : keys_max_(keys_max), buckets_(kBucketsMin), level_(std::countr_zero(kBucketsMin)) {
  CHECK(keys_max_ < kNumberMask / 2);
}

Dedupe::Slot& Dedupe::At(uint32_t number) {
  uint32_t index = (number - block_first_) & kNumberMask;
  return blocks_[index / kBlockSlots][index % kBlockSlots];
}

const Dedupe::Slot& Dedupe::At(uint32_t number) const {
  uint32_t index = (number - block_first_) & kNumberMask;
  return blocks_[index / kBlockSlots][index % kBlockSlots];
}

// Linear hashing (Litwin 1980): buckets beyond size() are not split off yet and share the chain of
// the one they will be split from.
uint32_t Dedupe::BucketOf(const Bits128& key) const {
  uint64_t bucket = key.low & ((uint64_t{2} << level_) - 1);
  if (bucket >= buckets_.size()) bucket &= (uint64_t{1} << level_) - 1;
  return static_cast<uint32_t>(bucket);
}

void Dedupe::Link(uint32_t number) {
  uint32_t& head = buckets_[BucketOf(At(number).key)];
  At(number).next = head;
  head = number + 1;
}

void Dedupe::Unlink(uint32_t number) {
  uint32_t* link = &buckets_[BucketOf(At(number).key)];
  while (*link != number + 1) link = &At(*link - 1).next;
  *link = At(number).next;
}

void Dedupe::SplitOne() {
  uint32_t source = static_cast<uint32_t>(buckets_.size() - (size_t{1} << level_));
  uint32_t chain = buckets_[source];
  buckets_[source] = 0;
  buckets_.push_back(0);
  while (chain != 0) {
    uint32_t number = chain - 1;
    chain = At(number).next;
    Link(number);
  }
  if (buckets_.size() == size_t{2} << level_) ++level_;
  uint32_t soon = buckets_[source + kAhead];  // of kBucketsMin at least, so it is there
  if (soon != 0) __builtin_prefetch(&At(soon - 1), /*rw=*/1);
}

void Dedupe::MergeOne() {
  uint32_t chain = buckets_.back();
  if (buckets_.size() == size_t{1} << level_) --level_;
  buckets_.pop_back();
  while (chain != 0) {
    uint32_t number = chain - 1;
    chain = At(number).next;
    Link(number);
  }
}

void Dedupe::PrefetchBucket(const EntryDigest& digest) const {
  __builtin_prefetch(&buckets_[BucketOf(digest.key)]);
}

void Dedupe::PrefetchSlot(const EntryDigest& digest) const {
  uint32_t link = buckets_[BucketOf(digest.key)];
  if (link != 0) __builtin_prefetch(&At(link - 1));
}

Dedupe::Answer Dedupe::Find(const EntryDigest& digest) const {
  for (uint32_t link = buckets_[BucketOf(digest.key)]; link != 0;) {
    const Slot& slot = At(link - 1);
    if (slot.key == digest.key) {
      bool same = (slot.content_and_time & kContentMask) == (digest.content & kContentMask);
      return {same ? Verdict::kDuplicate : Verdict::kConflict, {slot.sequence, slot.TimeMs()}};
    }
    link = slot.next;
  }
  return {};
}

Dedupe::Answer Dedupe::Add(const EntryDigest& digest, Cursor cursor) {
  Answer answer = Find(digest);
  if (answer.verdict != Verdict::kNew) return answer;
  uint32_t number = (oldest_ + static_cast<uint32_t>(size_)) & kNumberMask;
  if (((number - block_first_) & kNumberMask) / kBlockSlots == blocks_.size()) {
    blocks_.push_back(std::make_unique_for_overwrite<Slot[]>(kBlockSlots));
  }
  At(number) = {.key = digest.key,
                .sequence = cursor.sequence,
                .content_and_time =
                    (digest.content & kContentMask) | ((cursor.time_ms >> 32) & ~kContentMask),
                .time_low = static_cast<uint32_t>(cursor.time_ms),
                .next = 0};
  Link(number);
  if (++size_ > buckets_.size()) SplitOne();
  return answer;
}

void Dedupe::PopOldest() {
  if (size_ > kAhead) {
    const Slot& soon = At((oldest_ + kAhead) & kNumberMask);
    __builtin_prefetch(&buckets_[BucketOf(soon.key)]);
  }
  Unlink(oldest_);
  oldest_ = (oldest_ + 1) & kNumberMask;
  --size_;
  if (((oldest_ - block_first_) & kNumberMask) == kBlockSlots) {
    blocks_.pop_front();
    block_first_ = oldest_;
  }
  if (size_ < buckets_.size() / 2 && buckets_.size() > kBucketsMin) MergeOne();
}

void Dedupe::PopNewest() {
  --size_;
  Unlink((oldest_ + static_cast<uint32_t>(size_)) & kNumberMask);
}

void Dedupe::ForgetNewest(size_t count) {
  CHECK(count <= size_);
  while (count-- > 0) PopNewest();
}

void Dedupe::Trim(Cursor floor) {
  while (size_ > 0 && At(oldest_).sequence <= floor.sequence) PopOldest();
  for (; size_ > keys_max_; ++evicted_by_count_) PopOldest();
}

}  // namespace galaxy::push
