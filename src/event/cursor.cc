#include "event/cursor.h"

#include <array>

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

// Value of a lower-case hex digit, or 0xFF.
constexpr auto kHexValues = [] {
  std::array<uint8_t, 256> values{};
  values.fill(0xFF);
  for (unsigned i = 0; i < 10; ++i) values['0' + i] = static_cast<uint8_t>(i);
  for (unsigned i = 0; i < 6; ++i) values['a' + i] = static_cast<uint8_t>(10 + i);
  return values;
}();

void PutHex(uint64_t value, size_t digits, char* out) {
  for (size_t at = digits; at >= 2; at -= 2) {
    out[at - 2] = kHexPairs[value & 0xFF][0];
    out[at - 1] = kHexPairs[value & 0xFF][1];
    value >>= 8;
  }
}

// False when a byte of `text` is not a lower-case hex digit.
bool TakeHex(std::string_view text, uint64_t& value) {
  uint8_t bad = 0;
  value = 0;
  for (char c : text) {
    uint8_t digit = kHexValues[static_cast<unsigned char>(c)];
    bad |= digit & 0xF0;
    value = value << 4 | (digit & 0x0F);
  }
  return bad == 0;
}

}  // namespace

Result<Cursor> Cursor::Parse(std::string_view text) {
  Cursor cursor;
  if (text.size() != kCursorTextBytes || text[kSequenceDigits] != '-' ||
      !TakeHex(text.substr(0, kSequenceDigits), cursor.sequence) ||
      !TakeHex(text.substr(kSequenceDigits + 1), cursor.time_ms)) {
    return Fail(Code::kInvalidArgument,
                "a cursor is 16 lower-case hex digits, a hyphen and 12 more", "cursor");
  }
  return cursor;
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
