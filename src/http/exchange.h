#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/slice.h"
#include "http/message.h"
#include "net/connection.h"

namespace galaxy::push {

class Loop;

// BodySource yields a body on demand: the transport pulls when the peer can take bytes, so what
// waits is where its owner can bound or drop it.
class BodySource {
 public:
  enum class State {
    kMore,  // there is more; pull again when the peer can take it
    kWait,  // nothing further now; the owner calls Wake() when there is
    kEnd,   // this was the last of it (Exchange::Finish() trailers follow, if set)
  };
  virtual ~BodySource() = default;
  // Appends slices of at most `bytes_max` bytes in all to `out`.
  virtual State Pull(size_t bytes_max, SliceList& out) = 0;
  // After kEnd, of a request to a server: the fields that follow the body where it goes in chunks
  // (RFC 9110 6.5), and not otherwise. A response has Exchange::Finish() for them.
  virtual Headers Trailers() { return {}; }
};

// The application's half of an exchange.
class ExchangeHandler {
 public:
  virtual ~ExchangeHandler() = default;
  // Part of the request body; valid during the call only. The peer may send on as the handler calls
  // Exchange::Consumed().
  virtual void OnBody(std::string_view bytes) = 0;
  virtual void OnBodyEnd() = 0;
  // The exchange ended before it was complete (peer reset, connection lost, our Reset()). Last
  // call.
  virtual void OnAborted(const Error& error) = 0;
  // The transport accepted bytes of ours after it had been blocked: the peer is alive and reading.
  virtual void OnProgress() {}
};

// One request and its response, over HTTP/1.1 or HTTP/2 alike.
//
//   Ownership  The server connection holds it until it is complete or aborted; weak_from_this() for
//   work
//              that outlives the call (check open()). It owns its handler and destroys it when it
//              ends.
//   Threads    The connection's loop only.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  virtual ~Exchange() = default;
  virtual const RequestHead& request() const = 0;
  virtual Loop& loop() = 0;
  // False once complete or aborted; then every call below does nothing.
  virtual bool open() const = 0;

  // Sets who gets the body; to be called within OnRequest(), unless Respond() is.
  virtual void SetHandler(std::unique_ptr<ExchangeHandler> handler) = 0;
  // `bytes` of the body have been dealt with: the peer may send as many more (flow control).
  virtual void Consumed(size_t bytes) = 0;

  // A whole response. Content-Length is set here. Unread request body is discarded (HTTP/2:
  // refused).
  virtual void Respond(ResponseHead head, std::string body) = 0;
  // A response whose body comes from `source` (which the caller keeps alive until the exchange
  // ends) or, when null, ends with Finish(). The head goes out at once.
  virtual void SendHead(ResponseHead head, BodySource* source) = 0;
  // What followed the request body (RFC 9110 6.5); from OnBodyEnd() on.
  virtual const Headers& trailers() const {
    static const Headers none;
    return none;
  }
  // The source has more after kWait.
  virtual void Wake() = 0;
  // Ends the response body where it stands and sends the trailers (HTTP/1.1: only when chunked).
  // After it the source is not pulled any more.
  virtual void Finish(Headers trailers) = 0;
  // Ends the exchange at once: RST_STREAM with `http2_error`, or closes an HTTP/1.1 connection.
  virtual void Reset(uint32_t http2_error) = 0;
  // Bytes of the response that are queued in the transport, not yet taken by the kernel.
  virtual size_t QueuedBytes() const = 0;
  // Lets go of the memory of request(), which is empty afterwards: for streams that stay open for
  // hours. May do nothing.
  virtual void ForgetRequest() {}
  // HTTP/1.1 only: writes `head` (101) and hands the socket over together with the bytes that were
  // read beyond the request. The exchange is complete then. kInvalidArgument on HTTP/2.
  struct Upgraded {
    std::unique_ptr<Connection> connection;
    std::string unread;
  };
  virtual Result<Upgraded> Upgrade(ResponseHead head) = 0;
};

// Where requests arrive. OnRequest() must answer, or set a handler that will.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  virtual void OnRequest(Exchange& exchange) = 0;
};

}  // namespace galaxy::push
