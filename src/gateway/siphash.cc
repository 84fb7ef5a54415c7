#include "gateway/siphash.h"

#include <bit>
#include <cstring>

#include "base/random.h"

namespace galaxy::push {
namespace {

class SipState {
 public:
  explicit SipState(const Bits128& key)
      : v0_(key.low ^ 0x736f6d6570736575u),
        v1_(key.high ^ 0x646f72616e646f6du),
        v2_(key.low ^ 0x6c7967656e657261u),
        v3_(key.high ^ 0x7465646279746573u) {}

  void Widen() { v1_ ^= 0xee; }

  void Absorb(std::string_view text) {
    size_t whole = text.size() & ~size_t{7};
    for (size_t at = 0; at < whole; at += 8) Compress(Load(text.data() + at, 8));
    size_t rest = text.size() - whole;
    Compress(Load(text.data() + whole, rest) | static_cast<uint64_t>(text.size()) << 56);
  }

  uint64_t Finish(uint8_t mark_v2, uint8_t mark_v1) {
    v2_ ^= mark_v2;
    v1_ ^= mark_v1;
    for (int i = 0; i < 4; ++i) Round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  static uint64_t Load(const char* bytes, size_t n) {
    static_assert(std::endian::native == std::endian::little);
    uint64_t word = 0;
    std::memcpy(&word, bytes, n);
    return word;
  }

  void Compress(uint64_t word) {
    v3_ ^= word;
    Round();
    Round();
    v0_ ^= word;
  }

  void Round() {
    v0_ += v1_, v1_ = std::rotl(v1_, 13) ^ v0_, v0_ = std::rotl(v0_, 32);
    v2_ += v3_, v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ += v3_, v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ += v1_, v1_ = std::rotl(v1_, 17) ^ v2_, v2_ = std::rotl(v2_, 32);
  }

  uint64_t v0_, v1_, v2_, v3_;
};

}  // namespace

uint64_t SipHash64(const Bits128& key, std::string_view text) {
  SipState state(key);
  state.Absorb(text);
  return state.Finish(0xff, 0);
}

Bits128 SipHash128(const Bits128& key, std::string_view text) {
  SipState state(key);
  state.Widen();
  state.Absorb(text);
  uint64_t low = state.Finish(0xee, 0);
  return {low, state.Finish(0, 0xdd)};
}

Bits128 RandomKey() { return {RandomU64(), RandomU64()}; }

}  // namespace galaxy::push
