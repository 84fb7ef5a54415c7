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

SipHash128::SipHash128(const Key& key) {
  uint64_t k0 = Load(key.data());
  uint64_t k1 = Load(key.data() + 8);
  v0_ = k0 ^ 0x736f6d6570736575;
  v1_ = k1 ^ 0x646f72616e646f6d ^ 0xee;
  v2_ = k0 ^ 0x6c7967656e657261;
  v3_ = k1 ^ 0x7465646279746573;
}

void SipHash128::Round() {
  v0_ += v1_;
  v1_ = std::rotl(v1_, 13) ^ v0_;
  v0_ = std::rotl(v0_, 32);
  v2_ += v3_;
  v3_ = std::rotl(v3_, 16) ^ v2_;
  v0_ += v3_;
  v3_ = std::rotl(v3_, 21) ^ v0_;
  v2_ += v1_;
  v1_ = std::rotl(v1_, 17) ^ v2_;
  v2_ = std::rotl(v2_, 32);
}

void SipHash128::AddWord(uint64_t word) {
  v3_ ^= word;
  Round();
  Round();
  v0_ ^= word;
  ++words_;
}

void SipHash128::AddField(std::string_view bytes) {
  AddWord(bytes.size());
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) AddWord(Load(at));
  if (left > 0) AddWord(Load(at, left));
}

std::array<uint64_t, 2> SipHash128::Finish() {
  AddWord(words_ * 8 << 56);
  v2_ ^= 0xee;
  for (int i = 0; i < 4; ++i) Round();
  uint64_t first = v0_ ^ v1_ ^ v2_ ^ v3_;
  v1_ ^= 0xdd;
  for (int i = 0; i < 4; ++i) Round();
  return {first, v0_ ^ v1_ ^ v2_ ^ v3_};
}

}  // namespace galaxy::push
