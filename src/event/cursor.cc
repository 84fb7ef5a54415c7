#include "event/cursor.h"

#include <array>
#include <bit>
#include <cstring>

namespace galaxy::push {
namespace {

constexpr size_t kSequenceDigits = 16;
constexpr size_t kTimeDigits = 12;

// The two digits of every byte value.
constexpr auto kHexPairs = [] {
  std::array<std::array<char, 2>, 256> pairs{};
  for (size_t i = 0; i < 256; ++i) {
    pairs[i] = {"0123456789abcdef"[i >> 4], "0123456789abcdef"[i & 15]};
  }
  return pairs;
}();

void PutHex(uint64_t value, size_t digits, char* out) {
  for (size_t at = digits; at >= 2; at -= 2) {
    out[at - 2] = kHexPairs[value & 0xFF][0];
    out[at - 1] = kHexPairs[value & 0xFF][1];
    value >>= 8;
  }
}

constexpr uint64_t kBytes = 0x0101010101010101;
constexpr uint64_t kHighBits = 0x80 * kBytes;

// The high bit of each byte of `bytes` that is at least `least`. Requires bytes and `least` below
// 0x80.
constexpr uint64_t AtLeast(uint64_t bytes, uint64_t least) {
  return (bytes + (0x80 - least) * kBytes) & kHighBits;
}

static_assert(std::endian::native == std::endian::little);

// Eight digits at a time, each in a byte of its own. False when one is not lower-case hex.
bool TakeHexWord(const char* text, uint64_t& value) {
  uint64_t bytes;
  std::memcpy(&bytes, text, 8);
  if ((bytes & kHighBits) != 0) return false;
  uint64_t digits = AtLeast(bytes, '0') & ~AtLeast(bytes, '9' + 1);
  uint64_t letters = AtLeast(bytes, 'a') & ~AtLeast(bytes, 'f' + 1);
  if ((digits | letters) != kHighBits) return false;
  // '0' is 0x30, 'a' is 0x61: the low half of the byte, and 9 more for a letter.
  uint64_t nibbles = (bytes & 0x0F * kBytes) + (letters >> 7) * 9;
  // Of the first byte, which is the lowest, the nibble counts most.
  nibbles = __builtin_bswap64(nibbles);
  nibbles = (nibbles | nibbles >> 4) & 0x00FF00FF00FF00FF;
  nibbles = (nibbles | nibbles >> 8) & 0x0000FFFF0000FFFF;
  value = (nibbles | nibbles >> 16) & 0xFFFFFFFF;
  return true;
}

}  // namespace

Result<Cursor> Cursor::Parse(std::string_view text) {
  uint64_t high, low, time_high, time_low;
  const char* at = text.data();
  // The time's last eight digits begin among its first eight.
  if (text.size() != kCursorTextBytes || at[kSequenceDigits] != '-' || !TakeHexWord(at, high) ||
      !TakeHexWord(at + 8, low) || !TakeHexWord(at + kSequenceDigits + 1, time_high) ||
      !TakeHexWord(at + kCursorTextBytes - 8, time_low)) {
    return Fail(Code::kInvalidArgument,
                "a cursor is 16 lower-case hex digits, a hyphen and 12 more", "cursor");
  }
  return Cursor{high << 32 | low, (time_high >> 16) << 32 | time_low};
}

void Cursor::FormatTo(char* out) const {
  PutHex(sequence, kSequenceDigits, out);
  out[kSequenceDigits] = '-';
  PutHex(time_ms, kTimeDigits, out + kSequenceDigits + 1);
}

std::string Cursor::Format() const {
  std::string text(kCursorTextBytes, '\0');
  FormatTo(text.data());
  return text;
}

}  // namespace galaxy::push
