#include "log/siphash.h"

#include <bit>
#include <cstring>

namespace galaxy::push {
namespace {

static_assert(std::endian::native == std::endian::little);

uint64_t Load(const void* bytes, size_t count = 8) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, count);
  return word;
}

}  // namespace

SipHasher::SipHasher(const Key& key) {
  uint64_t k0 = Load(key.data());
  uint64_t k1 = Load(key.data() + 8);
  state_ = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee, k0 ^ 0x6c7967656e657261,
            k1 ^ 0x7465646279746573};
}

inline void SipHasher::State::Round() {
  v0 += v1;
  v1 = std::rotl(v1, 13) ^ v0;
  v0 = std::rotl(v0, 32);
  v2 += v3;
  v3 = std::rotl(v3, 16) ^ v2;
  v0 += v3;
  v3 = std::rotl(v3, 21) ^ v0;
  v2 += v1;
  v1 = std::rotl(v1, 17) ^ v2;
  v2 = std::rotl(v2, 32);
}

inline void SipHasher::State::Absorb(uint64_t word) {
  v3 ^= word;
  Round();
  Round();
  v0 ^= word;
}

void SipHasher::AddWord(uint64_t word) {
  state_.Absorb(word);
  ++words_;
}

void SipHasher::AddField(std::string_view bytes) {
  State state = state_;  // in registers for the length of the field
  state.Absorb(bytes.size());
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) state.Absorb(Load(at));
  if (left > 0) state.Absorb(Load(at, left));
  state_ = state;
  words_ += 1 + (bytes.size() + 7) / 8;
}

std::array<uint64_t, 2> SipHasher::Finish() {
  AddWord(words_ * 8 << 56);
  State state = state_;
  state.v2 ^= 0xee;
  for (int i = 0; i < 4; ++i) state.Round();
  uint64_t first = state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
  state.v1 ^= 0xdd;
  for (int i = 0; i < 4; ++i) state.Round();
  return {first, state.v0 ^ state.v1 ^ state.v2 ^ state.v3};
}

}  // namespace galaxy::push
