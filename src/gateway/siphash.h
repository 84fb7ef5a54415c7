#pragma once

#include <cstdint>
#include <string_view>

namespace galaxy::push {

// 128 bits: a key of SipHash, or its result.
struct Bits128 {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const Bits128&) const = default;
};

// SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash whose results nobody can steer without the
// key, so that users cannot pick ids that collide. The 128-bit form stands for the text itself.
uint64_t SipHash64(const Bits128& key, std::string_view text);
Bits128 SipHash128(const Bits128& key, std::string_view text);

// A fresh random key.
Bits128 RandomKey();

}  // namespace galaxy::push
