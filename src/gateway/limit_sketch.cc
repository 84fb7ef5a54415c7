#include "gateway/limit_sketch.h"

#include <algorithm>

#include "base/check.h"

namespace galaxy::push {

RateSketch::RateSketch(uint32_t per_s, uint32_t burst)
    : step_us_(1'000'000 / per_s),
      tolerance_us_((uint64_t{burst} - 1) * step_us_),
      ahead_us_(std::make_unique<uint64_t[]>(SketchCells::kCount)) {
  CHECK(per_s >= 1 && burst >= 1);
}

uint64_t RateSketch::Level(uint64_t hash) const {
  uint64_t least = ~uint64_t{0};
  for (size_t row = 0; row < SketchCells::kRows; ++row) {
    least = std::min(least, ahead_us_[SketchCells::Of(hash, row)]);
  }
  return least;
}

bool RateSketch::May(uint64_t hash, uint64_t now_ms) const {
  return Level(hash) <= now_ms * 1'000 + tolerance_us_;
}

bool RateSketch::Spend(uint64_t hash, uint64_t now_ms) {
  uint64_t level = Level(hash);
  if (level > now_ms * 1'000 + tolerance_us_) return false;
  level = std::max(level, now_ms * 1'000) + step_us_;
  // Cells that others have driven further stay as they are (conservative update).
  for (size_t row = 0; row < SketchCells::kRows; ++row) {
    uint64_t& cell = ahead_us_[SketchCells::Of(hash, row)];
    cell = std::max(cell, level);
  }
  return true;
}

CountSketch::CountSketch() : cells_(std::make_unique<uint32_t[]>(SketchCells::kCount)) {}

uint32_t CountSketch::Count(uint64_t hash) const {
  uint32_t least = ~uint32_t{0};
  for (size_t row = 0; row < SketchCells::kRows; ++row) {
    least = std::min(least, cells_[SketchCells::Of(hash, row)]);
  }
  return least;
}

void CountSketch::Add(uint64_t hash) {
  for (size_t row = 0; row < SketchCells::kRows; ++row) ++cells_[SketchCells::Of(hash, row)];
}

void CountSketch::Remove(uint64_t hash) {
  for (size_t row = 0; row < SketchCells::kRows; ++row) {
    uint32_t& cell = cells_[SketchCells::Of(hash, row)];
    CHECK(cell > 0);
    --cell;
  }
}

}  // namespace galaxy::push
