#include "grpc/text.h"

#include <charconv>

#include "base/base64.h"

namespace galaxy::push {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<uint64_t> ParseDigits(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

}  // namespace

std::string EncodeGrpcMessage(std::string_view message) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(message.size());
  for (char c : message) {
    auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte <= 0x7e && c != '%') {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string DecodeGrpcMessage(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (text[i] == '%' && high >= 0 && low >= 0) {
      out += static_cast<char>(high << 4 | low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::optional<uint64_t> ParseGrpcTimeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return {};
  std::optional<uint64_t> value = ParseDigits(text.substr(0, text.size() - 1));
  if (!value) return {};
  switch (text.back()) {
    case 'H':
      return *value * 3'600'000;
    case 'M':
      return *value * 60'000;
    case 'S':
      return *value * 1000;
    case 'm':
      return *value;
    case 'u':
      return (*value + 999) / 1000;
    case 'n':
      return (*value + 999'999) / 1'000'000;
    default:
      return {};
  }
}

std::string FormatGrpcTimeout(uint64_t milliseconds) {
  constexpr uint64_t kDigitsMax = 99'999'999;
  if (milliseconds <= kDigitsMax) return std::to_string(milliseconds) + "m";
  uint64_t seconds = milliseconds / 1000;
  if (seconds <= kDigitsMax) return std::to_string(seconds) + "S";
  uint64_t hours = seconds / 3600;
  return std::to_string(hours <= kDigitsMax ? hours : kDigitsMax) + "H";
}

GrpcStatus ParseGrpcStatus(std::string_view text) {
  std::optional<uint64_t> value = ParseDigits(text);
  if (!value || *value > static_cast<uint64_t>(GrpcStatus::kUnauthenticated)) {
    return GrpcStatus::kUnknown;
  }
  return static_cast<GrpcStatus>(*value);
}

GrpcStatus GrpcStatusOfHttp(int http_status) {
  switch (http_status) {
    case 400:
      return GrpcStatus::kInternal;
    case 401:
      return GrpcStatus::kUnauthenticated;
    case 403:
      return GrpcStatus::kPermissionDenied;
    case 404:
      return GrpcStatus::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return GrpcStatus::kUnavailable;
    default:
      return GrpcStatus::kUnknown;
  }
}

GrpcContentType ClassifyContentType(std::string_view content_type) {
  constexpr std::string_view kGrpc = "application/grpc";
  if (!content_type.starts_with(kGrpc)) return GrpcContentType::kNone;
  std::string_view rest = content_type.substr(kGrpc.size());
  rest = rest.substr(0, rest.find(';'));
  if (rest.empty() || rest == "+proto") return GrpcContentType::kProto;
  return rest.front() == '+' ? GrpcContentType::kOtherCodec : GrpcContentType::kNone;
}

std::string EncodeBinaryMetadata(std::string_view bytes) {
  std::string text;
  AppendBase64(text, bytes);
  text.erase(text.find_last_not_of('=') + 1);
  return text;
}

std::optional<std::string> DecodeBinaryMetadata(std::string_view text) {
  std::string padded(text.substr(0, text.find_last_not_of('=') + 1));
  padded.append((4 - padded.size() % 4) % 4, '=');
  Result<std::string> bytes = DecodeBase64(padded);
  if (!bytes) return {};
  return std::move(*bytes);
}

void AppendGrpcPrefix(std::string& out, size_t message_bytes) {
  out += '\0';
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(message_bytes >> shift);
}

}  // namespace galaxy::push
