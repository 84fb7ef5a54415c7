#include "base/seeded_random.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/random_source.h"

namespace galaxy::push {

// Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014).
uint64_t SeededRandom::U64() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void SeededRandom::Fill(std::span<unsigned char> out) {
  while (!out.empty()) {
    uint64_t word = U64();
    size_t n = std::min(out.size(), sizeof word);
    std::memcpy(out.data(), &word, n);
    out = out.subspan(n);
  }
}

ScopedSeededRandom::ScopedSeededRandom(uint64_t seed) : random_(seed) {
  CHECK(random_source.fill == nullptr);
  random_source = {&ScopedSeededRandom::Fill, this};
}

ScopedSeededRandom::~ScopedSeededRandom() { random_source = {}; }

void ScopedSeededRandom::Fill(void* self, std::span<unsigned char> out) {
  static_cast<ScopedSeededRandom*>(self)->random_.Fill(out);
}

}  // namespace galaxy::push
