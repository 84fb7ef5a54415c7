#include "base/siphash.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace galaxy::push {
namespace {

constexpr Bits128 kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

// The bytes 0, 1, 2 … count - 1.
std::string Counting(int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

std::string Word(uint64_t word) { return {reinterpret_cast<const char*>(&word), sizeof word}; }

// The vectors of the reference implementation: key 00..0f, input 00..n-1.
TEST(SipHash, MatchesThePublishedVectors) {
  EXPECT_EQ(SipHash64(kKey, ""), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(SipHash64(kKey, Counting(8)), 0x93f5f5799a932462u);
  EXPECT_EQ(SipHash64(kKey, Counting(15)), 0xa129ca6149be45e5u);
}

// openssl mac -macopt hexkey:000102…0f -macopt size:16 SIPHASH
TEST(SipHash, WideFormAgreesWithOpenSsl) {
  EXPECT_EQ(SipHash128(kKey, ""), (Bits128{0xe6a825ba047f81a3, 0x930255c71472f66d}));
  EXPECT_EQ(SipHash128(kKey, Counting(8)), (Bits128{0x61f55862baa9623b, 0xb49714f364e2830f}));
  EXPECT_EQ(SipHash128(kKey, Counting(64)), (Bits128{0x3fcdd4c07d07af1e, 0x4ba75836384dad8c}));
}

TEST(SipHasher, HashesLengthsAndFilledUpFieldsAsOneText) {
  for (const std::vector<std::string>& fields : std::vector<std::vector<std::string>>{
           {}, {""}, {"a"}, {"12345678"}, {"123456789", "", "xyz"}, {Counting(200), "end"}}) {
    SipHasher hasher(kKey);
    std::string text;
    for (const std::string& field : fields) {
      hasher.AddField(field);
      text += Word(field.size()) + field;
      text.resize((text.size() + 7) / 8 * 8);
    }
    EXPECT_EQ(hasher.Finish(), SipHash128(kKey, text)) << fields.size();
  }
}

TEST(SipHasher, RandomKeysDiffer) { EXPECT_NE(Bits128::Random(), Bits128::Random()); }

}  // namespace
}  // namespace galaxy::push
