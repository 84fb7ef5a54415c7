#include "http/chunk_decoder.h"

#include <algorithm>
#include <utility>

#include "http/text.h"

namespace galaxy::push {
namespace {

std::unexpected<Http1Refusal> Bad(std::string message) {
  return std::unexpected(Http1Refusal{400, {Code::kBadRequest, std::move(message), {}}});
}

std::unexpected<Http1Refusal> TooLong() {
  return std::unexpected(Http1Refusal{
      431, {Code::kTooLarge, "a chunk header or the trailers are over the limit", {}}});
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What would change how the message is framed or where it goes (RFC 9110 6.5.1).
bool ForbiddenTrailer(std::string_view name) {
  for (std::string_view forbidden : {"content-length", "transfer-encoding", "host", "connection",
                                     "trailer", "authorization", "cookie"}) {
    if (name == forbidden) return true;
  }
  return false;
}

}  // namespace

std::expected<size_t, Http1Refusal> ChunkDecoder::Feed(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size() && state_ != State::kDone) {
    if (state_ == State::kData) {
      auto n = static_cast<size_t>(std::min<uint64_t>(size_, bytes.size() - used));
      size_ -= n;
      if (size_ == 0) state_ = State::kDataCr;
      sink_.OnParsedBody(bytes.substr(used, n));
      used += n;
      continue;
    }
    if (auto taken = Take(bytes[used++]); !taken) return std::unexpected(taken.error());
  }
  return used;
}

std::expected<void, Http1Refusal> ChunkDecoder::Take(char c) {
  if (state_ != State::kDataCr && state_ != State::kDataLf) {
    if (++line_bytes_ > limits_.header_bytes_max) return TooLong();
  }
  switch (state_) {
    case State::kSizeFirst:
    case State::kSize:
      return TakeDigit(c);
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeLf;
      } else if (!IsFieldValue({&c, 1})) {
        return Bad("a chunk extension has a control character");
      }
      return {};
    case State::kSizeLf:
      if (c != '\n') return Bad("a chunk header ends without LF");
      line_bytes_ = 0;
      last_ = size_ == 0;
      state_ = last_ ? State::kTrailer : State::kData;
      return {};
    case State::kDataCr:
      if (c != '\r') return Bad("a chunk is longer than its size says");
      state_ = State::kDataLf;
      return {};
    case State::kDataLf:
      if (c != '\n') return Bad("a chunk ends without LF");
      state_ = State::kSizeFirst;
      return {};
    case State::kTrailer:
      if (c == '\n') return Bad("a trailer ends without CR");
      c == '\r' ? void(state_ = State::kTrailerLf) : line_.push_back(c);
      return {};
    case State::kTrailerLf:
      if (c != '\n') return Bad("a trailer ends without LF");
      return EndTrailer();
    case State::kData:
    case State::kDone:
      break;
  }
  return {};
}

std::expected<void, Http1Refusal> ChunkDecoder::TakeDigit(char c) {
  if (int digit = HexDigit(c); digit >= 0) {
    if (size_ >> 60 != 0) return Bad("a chunk size is over 64 bits");
    if (state_ == State::kSizeFirst) size_ = 0;
    size_ = size_ << 4 | static_cast<uint64_t>(digit);
    state_ = State::kSize;
    return {};
  }
  if (state_ == State::kSizeFirst) return Bad("a chunk has no size");
  if (c == '\r') {
    state_ = State::kSizeLf;
  } else if (c == ';') {
    state_ = State::kExtension;
  } else {
    return Bad("a chunk size is not hexadecimal");
  }
  return {};
}

std::expected<void, Http1Refusal> ChunkDecoder::EndTrailer() {
  std::string line = std::exchange(line_, {});
  if (line.empty()) {
    state_ = State::kDone;
    return {};
  }
  state_ = State::kTrailer;
  size_t colon = std::min(line.find(':'), line.size());
  std::string name = AsciiLower(std::string_view(line).substr(0, colon));
  if (colon == line.size() || !IsToken(name)) return Bad("a trailer is malformed");
  std::string_view value = TrimSpace(std::string_view(line).substr(colon + 1));
  if (!IsFieldValue(value)) return Bad("a trailer has a control character");
  if (ForbiddenTrailer(name)) return Bad("the field " + name + " must not be a trailer");
  if (trailers_.fields().size() >= limits_.header_count_max) return TooLong();
  trailers_.Add(std::move(name), std::string(value));
  return {};
}

}  // namespace galaxy::push
