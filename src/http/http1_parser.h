#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "http/message.h"
#include "http/server.h"

namespace galaxy::push {

// Why a message is refused: the error and the HTTP status that says it best (400, 431, 501, 505 …).
struct Http1Refusal {
  int status = 400;
  Error error;
};

// Http1Parser reads one HTTP/1.1 message (RFC 9112), sans-I/O, from bytes cut anywhere.
//
//   Strict   Everything on which two parsers may disagree is refused: Content-Length twice or
//            together with Transfer-Encoding, codings other than "chunked", folded lines, bare LF,
//            space before the colon, Host missing or twice, bad chunks.
//   Limits   HttpLimits header bytes and count; trailers and chunk headers count as header bytes.
//   Memory   The head is parsed once it is complete; until then its bytes stay with the caller. Of
//   a
//            body all that arrives is taken.
//   Errors   After a refusal the parser is not to be used again.
class Http1Parser {
 public:
  class BodySink {
   public:
    virtual ~BodySink() = default;
    virtual void OnParsedBody(std::string_view bytes) = 0;
  };
  static std::unique_ptr<Http1Parser> ForRequest(const HttpLimits& limits, BodySink& sink);
  // `to_head`: the response to a HEAD request, which has no body.
  static std::unique_ptr<Http1Parser> ForResponse(const HttpLimits& limits, BodySink& sink,
                                                  bool to_head);
  virtual ~Http1Parser() = default;

  // Takes what it can use of `bytes` and returns how much that was. Stops after the head and after
  // the message. What it did not take is to be offered again together with what arrives next.
  virtual std::expected<size_t, Http1Refusal> Feed(std::string_view bytes) = 0;
  // The peer sent its last byte: completes a response body that ends with the connection.
  virtual std::expected<void, Http1Refusal> End() = 0;

  virtual bool head_done() const = 0;
  virtual bool done() const = 0;
  // Once head_done(). A message without a body is done() together with its head.
  virtual RequestHead TakeRequest() = 0;
  virtual ResponseHead TakeResponse() = 0;
  virtual bool keep_alive() const = 0;
  // Once done().
  virtual const Headers& trailers() const = 0;
};

}  // namespace galaxy::push
