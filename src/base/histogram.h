#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace galaxy::push {

// LatencyHistogram counts how long something took, in the same fixed buckets everywhere, so that
// any two of our histograms can be laid beside each other.
//
//   Threads  One; a copy is a snapshot (180 bytes, no heap).
//   Limits   Bounds from 100 µs to 2 min; what took longer counts in the last bucket.
//   Cost     Observe(): a search among 19 bounds.
class LatencyHistogram {
 public:
  // Upper bounds, inclusive, in microseconds; the bucket beyond the last has none.
  static constexpr std::array<uint64_t, 19> kBoundsUs = {
      100,       250,        500,        1'000,      2'500,      5'000,     10'000,
      25'000,    50'000,     100'000,    250'000,    500'000,    1'000'000, 2'500'000,
      5'000'000, 10'000'000, 30'000'000, 60'000'000, 120'000'000};
  static constexpr size_t kBuckets = kBoundsUs.size() + 1;

  // `times`: so many took as long.
  void ObserveUs(uint64_t us, uint64_t times = 1) {
    auto place = std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), us) - kBoundsUs.begin();
    counts_[static_cast<size_t>(place)] += times;
    sum_us_ += us * times;
  }
  void ObserveMs(uint64_t ms, uint64_t times = 1) { ObserveUs(ms * 1000, times); }

  // Of each bucket alone, not of those below it as well.
  const std::array<uint64_t, kBuckets>& counts() const { return counts_; }
  uint64_t sum_us() const { return sum_us_; }
  uint64_t count() const {
    uint64_t all = 0;
    for (uint64_t count : counts_) all += count;
    return all;
  }

 private:
  std::array<uint64_t, kBuckets> counts_{};
  uint64_t sum_us_ = 0;
};

}  // namespace galaxy::push
