#include "base/base64.h"

#include <array>
#include <cstdint>

namespace galaxy::push {
namespace {

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<int8_t, 256> Inverse(std::string_view alphabet) {
  std::array<int8_t, 256> table{};
  table.fill(-1);
  for (size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<int8_t>(i);
  }
  return table;
}
constexpr std::array<int8_t, 256> kStandardInverse = Inverse(kStandard);
constexpr std::array<int8_t, 256> kUrlInverse = Inverse(kUrl);

unsigned At(std::string_view bytes, size_t i) { return static_cast<unsigned char>(bytes[i]); }

// The characters without padding.
void Encode(std::string& out, std::string_view bytes, std::string_view alphabet) {
  size_t begin = out.size();
  out.resize(begin + (bytes.size() * 4 + 2) / 3);
  char* to = out.data() + begin;
  size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    unsigned group = At(bytes, i) << 16 | At(bytes, i + 1) << 8 | At(bytes, i + 2);
    *to++ = alphabet[group >> 18];
    *to++ = alphabet[group >> 12 & 63];
    *to++ = alphabet[group >> 6 & 63];
    *to++ = alphabet[group & 63];
  }
  size_t left = bytes.size() - i;
  if (left == 0) return;
  unsigned group = At(bytes, i) << 16 | (left == 2 ? At(bytes, i + 1) << 8 : 0);
  *to++ = alphabet[group >> 18];
  *to++ = alphabet[group >> 12 & 63];
  if (left == 2) *to++ = alphabet[group >> 6 & 63];
}

Result<std::string> Decode(std::string_view text, const std::array<int8_t, 256>& inverse) {
  if (text.size() % 4 == 1) return Fail(Code::kInvalidArgument, "base64 of an impossible length");
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    int value = inverse[static_cast<unsigned char>(c)];
    if (value < 0) return Fail(Code::kInvalidArgument, "base64 with a foreign character");
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count));
    bits &= (1u << count) - 1;
  }
  if (bits != 0) return Fail(Code::kInvalidArgument, "base64 that is not canonical");
  return out;
}

}  // namespace

void AppendBase64Url(std::string& out, std::string_view bytes) { Encode(out, bytes, kUrl); }

std::string Base64Url(std::string_view bytes) {
  std::string out;
  AppendBase64Url(out, bytes);
  return out;
}

Result<std::string> DecodeBase64Url(std::string_view text) { return Decode(text, kUrlInverse); }

void AppendBase64(std::string& out, std::string_view bytes) {
  Encode(out, bytes, kStandard);
  out.append((3 - bytes.size() % 3) % 3, '=');
}

Result<std::string> DecodeBase64(std::string_view text) {
  if (text.size() % 4 != 0) return Fail(Code::kInvalidArgument, "base64 of an impossible length");
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return Decode(text, kStandardInverse);
}

}  // namespace galaxy::push
