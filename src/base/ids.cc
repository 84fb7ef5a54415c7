#include "base/ids.h"

#include <array>
#include <cstdio>
#include <cstring>

#include "base/random.h"

namespace galaxy::push {
namespace {

// Length of the well-formed UTF-8 sequence (RFC 3629) at the start of `s`, or 0.
size_t SequenceLength(std::string_view s) {
  auto at = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  auto tail = [&](size_t i) { return i < s.size() && (at(i) & 0xC0) == 0x80; };
  unsigned char a = at(0);
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF) return tail(1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if (a == 0xE0 && at(1) < 0xA0) return 0;
    if (a == 0xED && at(1) > 0x9F) return 0;
    return 3;
  }
  if (a >= 0xF0 && a <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (a == 0xF0 && at(1) < 0x90) return 0;
    if (a == 0xF4 && at(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

bool IsControl(std::string_view sequence) {
  unsigned char a = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return a < 0x20 || a == 0x7F;
  return sequence.size() == 2 && a == 0xC2 && static_cast<unsigned char>(sequence[1]) < 0xA0;
}

}  // namespace

// Nearly all of it is ASCII: eight bytes at a time.
bool IsValidUtf8(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  size_t i = 0;
  while (i < text.size()) {
    uint64_t word = kHighBits;
    if (text.size() - i >= 8) std::memcpy(&word, text.data() + i, 8);
    if ((word & kHighBits) == 0) {
      i += 8;
      continue;
    }
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    size_t n = SequenceLength(text.substr(i));
    if (n == 0) return false;
    i += n;
  }
  return true;
}

Status CheckId(std::string_view field, std::string_view text, size_t bytes_max) {
  // The name is copied only for a refusal: this runs several times per event.
  auto refuse = [field](const std::string& what) {
    return Fail(Code::kInvalidArgument, std::string(field) + what, std::string(field));
  };
  if (text.size() > bytes_max) {
    return refuse(" has " + std::to_string(text.size()) + " bytes, the limit is " +
                  std::to_string(bytes_max));
  }
  for (size_t i = 0; i < text.size();) {
    auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte < 0x7F) {
      ++i;
      continue;
    }
    size_t n = SequenceLength(text.substr(i));
    if (n == 0) return refuse(" is not valid UTF-8");
    if (IsControl(text.substr(i, n))) return refuse(" has a control character");
    i += n;
  }
  return {};
}

std::string NewUuidV7(uint64_t wall_ms) {
  std::array<unsigned char, 16> b;
  RandomBytes(b);
  for (int i = 0; i < 6; ++i)
    b[static_cast<size_t>(i)] = static_cast<unsigned char>(wall_ms >> (40 - 8 * i));
  b[6] = static_cast<unsigned char>(0x70 | (b[6] & 0x0F));
  b[8] = static_cast<unsigned char>(0x80 | (b[8] & 0x3F));
  std::array<char, 37> text{};
  std::snprintf(text.data(), text.size(),
                "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
                b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                b[15]);
  return {text.data(), 36};
}

}  // namespace galaxy::push
