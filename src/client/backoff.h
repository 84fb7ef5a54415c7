#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "base/random.h"

namespace galaxy::push {

// ClientBackoff says how long to wait before the next attempt: exponential with full jitter, a
// value anywhere from 0 to a bound that doubles (docs/semantics.md 6.4, docs/edge-protocol.md).
class ClientBackoff {
 public:
  using Random = std::function<uint64_t()>;
  ClientBackoff(uint64_t min_ms, uint64_t max_ms, Random random = RandomU64)
      : min_ms_(min_ms), max_ms_(max_ms), random_(std::move(random)) {}

  uint64_t Next() {
    uint64_t bound = min_ms_ << std::min<unsigned>(attempt_, 20);
    if (bound < max_ms_) ++attempt_;
    return random_() % (std::min(bound, max_ms_) + 1);
  }
  // A connection lived: the next wait starts from the smallest bound again.
  void Reset() { attempt_ = 0; }

 private:
  uint64_t min_ms_;
  uint64_t max_ms_;
  Random random_;
  unsigned attempt_ = 0;
};

}  // namespace galaxy::push
