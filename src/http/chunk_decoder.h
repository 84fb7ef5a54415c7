#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "http/http1_parser.h"
#include "http/message.h"

namespace galaxy::push {

// ChunkDecoder reads a chunked body (RFC 9112 7.1) from bytes cut anywhere; it buffers only a
// trailer line. Our own, since Beast 1.81 decides some malformed bodies late and asserts on a last
// chunk that arrives in pieces.
//
//   size *( ";" extension ) CRLF data CRLF … "0" CRLF *( trailer CRLF ) CRLF
//
//   Strict  Line ends are CRLF, sizes are at most 16 hexadecimal digits, no space around them;
//           extensions are passed over; trailers that would frame or route the message are refused.
//   Limits  Chunk lines and trailers by HttpLimits header bytes and count.
class ChunkDecoder {
 public:
  ChunkDecoder(const HttpLimits& limits, Http1Parser::BodySink& sink)
      : limits_(limits), sink_(sink) {}
  // Takes all of `bytes` unless the body ends within them.
  std::expected<size_t, Http1Refusal> Feed(std::string_view bytes);
  bool done() const { return state_ == State::kDone; }
  const Headers& trailers() const { return trailers_; }

 private:
  enum class State : uint8_t {
    kSizeFirst,  // at least one digit
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailer,
    kTrailerLf,
    kDone,
  };
  std::expected<void, Http1Refusal> Take(char c);
  std::expected<void, Http1Refusal> TakeDigit(char c);
  std::expected<void, Http1Refusal> EndTrailer();

  const HttpLimits& limits_;
  Http1Parser::BodySink& sink_;
  State state_ = State::kSizeFirst;
  bool last_ = false;
  uint64_t size_ = 0;      // of the chunk; then what is left of it
  size_t line_bytes_ = 0;  // of the chunk line; of all trailers
  std::string line_;
  Headers trailers_;
};

}  // namespace galaxy::push
