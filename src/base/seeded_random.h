#pragma once

#include <cstdint>
#include <span>

namespace galaxy::push {

// SeededRandom yields the same numbers from the same seed on every machine (splitmix64). For tests
// and the simulation; never a source of salts or keys in production.
class SeededRandom {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t U64();
  // In [0, bound), bound > 0.
  uint64_t Below(uint64_t bound) { return U64() % bound; }
  // In [low, high], low <= high.
  uint64_t Between(uint64_t low, uint64_t high) { return low + Below(high - low + 1); }
  // True once in `n` times.
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  bool PerMillion(uint64_t parts) { return Below(1'000'000) < parts; }
  void Fill(std::span<unsigned char> out);

 private:
  uint64_t state_;
};

// While it lives, RandomBytes() and RandomU64() (random.h) on this thread draw from a seed instead
// of the kernel: ids, salts, keys, masks and backoffs come out the same in every run. One at a time
// on a thread. It is in a library of its own (galaxy_seeded_random) that the product is not linked
// with.
class ScopedSeededRandom {
 public:
  explicit ScopedSeededRandom(uint64_t seed);
  ~ScopedSeededRandom();
  ScopedSeededRandom(const ScopedSeededRandom&) = delete;
  ScopedSeededRandom& operator=(const ScopedSeededRandom&) = delete;

 private:
  static void Fill(void* self, std::span<unsigned char> out);
  SeededRandom random_;
};

}  // namespace galaxy::push
