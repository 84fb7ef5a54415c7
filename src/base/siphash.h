#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/random.h"

namespace galaxy::push {

// 128 bits: a key of SipHash, or its result.
struct Bits128 {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const Bits128&) const = default;

  // A fresh random key.
  static Bits128 Random() { return {RandomU64(), RandomU64()}; }
};

// SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash whose results nobody can steer without the
// key, so that users cannot pick ids that collide. About a nanosecond a byte; inline, because ids
// are short and a call would cost as much as a word of them.
namespace sip {

static_assert(std::endian::native == std::endian::little);

struct State {
  uint64_t v0, v1, v2, v3;

  explicit State(const Bits128& key)
      : v0(key.low ^ 0x736f6d6570736575),
        v1(key.high ^ 0x646f72616e646f6d),
        v2(key.low ^ 0x6c7967656e657261),
        v3(key.high ^ 0x7465646279746573) {}

  void Round() {
    v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
  }
  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
  // The whole words of `text`; returns its last 0 to 7 bytes, filled up with zeros.
  uint64_t AbsorbWords(std::string_view text) {
    const char* at = text.data();
    size_t left = text.size();
    uint64_t word;
    for (; left >= 8; left -= 8, at += 8) {
      std::memcpy(&word, at, 8);
      Absorb(word);
    }
    word = 0;
    if (left > 0) std::memcpy(&word, at, left);
    return word;
  }
  uint64_t Squeeze() {
    for (int i = 0; i < 4; ++i) Round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

}  // namespace sip

inline uint64_t SipHash64(const Bits128& key, std::string_view text) {
  sip::State state(key);
  uint64_t rest = state.AbsorbWords(text);
  state.Absorb(rest | static_cast<uint64_t>(text.size()) << 56);
  state.v2 ^= 0xff;
  return state.Squeeze();
}

// The 128-bit form of SipHash over fields added one by one; it can stand for the fields themselves.
class SipHasher {
 public:
  explicit SipHasher(const Bits128& key) : state_(key) { state_.v1 ^= 0xee; }

  // A field: its length as a word, then its bytes as words, the last one filled up with zeros.
  // Sequences of fields do not run into each other.
  void AddField(std::string_view bytes) {
    state_.Absorb(bytes.size());
    uint64_t rest = state_.AbsorbWords(bytes);
    if (bytes.size() % 8 != 0) state_.Absorb(rest);
    words_ += 1 + (bytes.size() + 7) / 8;
  }
  Bits128 Finish() { return Finish("", words_ * 8); }

  // The plain hash of one text.
  static Bits128 Hash(const Bits128& key, std::string_view text) {
    return SipHasher(key).Finish(text, text.size());
  }

 private:
  Bits128 Finish(std::string_view text, uint64_t bytes) {
    uint64_t rest = state_.AbsorbWords(text);
    state_.Absorb(rest | bytes << 56);
    state_.v2 ^= 0xee;
    uint64_t low = state_.Squeeze();
    state_.v1 ^= 0xdd;
    return {low, state_.Squeeze()};
  }

  sip::State state_;
  uint64_t words_ = 0;
};

inline Bits128 SipHash128(const Bits128& key, std::string_view text) {
  return SipHasher::Hash(key, text);
}

}  // namespace galaxy::push
