#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iosfwd>
#include <string>
#include <string_view>

namespace galaxy::push::sim {

// History is what happened in a world, line by line with its virtual time. All lines go into the
// hash, which two runs of one seed must share; the newest `lines_max` are kept for people.
class History {
 public:
  explicit History(size_t lines_max = 20'000) : lines_max_(lines_max) {}

  void SetTime(uint64_t now_ms) { now_ms_ = now_ms; }
  // Every line also goes there at once (galaxy-sim -v).
  void Echo(std::ostream* out) { echo_ = out; }

  void Add(std::string_view who, std::string_view what);
  uint64_t hash() const { return hash_; }
  uint64_t lines() const { return count_; }
  void Print(std::ostream& out, size_t newest) const;

 private:
  const size_t lines_max_;
  std::deque<std::string> lines_;
  uint64_t now_ms_ = 0;
  uint64_t count_ = 0;
  uint64_t hash_ = 0xCBF29CE484222325;  // FNV-1a
  std::ostream* echo_ = nullptr;
};

}  // namespace galaxy::push::sim
