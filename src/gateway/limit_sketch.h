#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace galaxy::push {

// What is counted for very many keys in memory that does not grow: a count-min sketch (Cormode,
// Muthukrishnan 2005). A key, given as its keyed hash, has one cell in each of four rows; what is
// known of it is the least of the four. Keys that share all four cells with busier ones are taken
// for busier than they are, never for less busy: a limit errs to the safe side, and nobody gets
// past one by coming under many names.
//
//   Threads  One loop.
//   Memory   All of it from the start: 4 rows of 32,768 cells.
//   Cost     Four cells looked at; no allocation.
struct SketchCells {
  static constexpr size_t kRows = 4;
  static constexpr size_t kColumns = size_t{1} << 15;
  static constexpr size_t kCount = kRows * kColumns;
  // The cell of the key in that row. The hash is keyed, so that its bits cannot be chosen.
  static size_t Of(uint64_t hash, size_t row) {
    return row * kColumns + (hash >> (16 * row) & (kColumns - 1));
  }
};

// RateSketch lets each key act `per_s` times a second, and `burst` times at once after a pause: a
// token bucket in the form of GCRA, one time for each cell.
//
//   Safe side  With more than 32,768 * per_s keys acting each second cells stay full and keys are
//              refused that did nothing. That is beyond what one loop accepts.
class RateSketch {
 public:
  // `per_s` and `burst` are at least 1.
  RateSketch(uint32_t per_s, uint32_t burst);
  // Whether the key may act now, without counting it.
  bool May(uint64_t hash, uint64_t now_ms) const;
  // Counts one action; false, and nothing is counted, when it is one too many.
  bool Spend(uint64_t hash, uint64_t now_ms);

 private:
  uint64_t Level(uint64_t hash) const;

  const uint64_t step_us_;       // between two actions at the rate
  const uint64_t tolerance_us_;  // how far ahead of the time a key may be
  const std::unique_ptr<uint64_t[]> ahead_us_;
};

// CountSketch counts what each key has open.
class CountSketch {
 public:
  CountSketch();
  // At least what the key has open.
  uint32_t Count(uint64_t hash) const;
  void Add(uint64_t hash);
  void Remove(uint64_t hash);  // requires an Add() before

 private:
  const std::unique_ptr<uint32_t[]> cells_;
};

}  // namespace galaxy::push
