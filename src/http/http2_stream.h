#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/exchange.h"
#include "http/message.h"

struct nghttp2_session;

namespace galaxy::push {

class Http2Session;

// One HTTP/2 stream, the half that both roles share: sending a head, a body that is pulled, and
// trailers. What arrives goes to the virtual functions.
//
//   Ownership  The session holds it from Attach() until the stream closed; whoever else shares it
//              sees attached() == false from then on, and every call does nothing.
//   Threads    The session's loop.
//   Reentrancy Every sending call is allowed from within every callback, Pull() included.
//   Flow       The body is subject to flow control, trailers are not: Finish() drops body that
//              waits for the peer's window and ends the stream at once.
class Http2Stream {
 public:
  virtual ~Http2Stream() = default;

  bool attached() const { return session_ != nullptr; }
  int32_t id() const { return id_; }

  // Body bytes may be pulled again after kWait.
  void WakeBody();
  // Ends the body where it stands. Requires that a head with a body was submitted.
  void FinishBody(Headers trailers);
  void ResetStream(uint32_t http2_error);
  // `bytes` of what arrived were dealt with.
  void ConsumeBody(size_t bytes);
  // True while bytes of this stream are in the session's output queue.
  size_t QueuedBodyBytes() const;

 protected:
  friend class Http2Session;
  friend struct Http2Callbacks;

  enum class Block { kHead, kTrailers };

  // One field of the block that is being received, pseudo fields included.
  virtual void OnField(Block block, std::string_view name, std::string_view value) = 0;
  // The block is whole. True when it was the head: what follows are trailers (an informational
  // response is followed by another head).
  virtual bool OnFieldsEnd(Block block) = 0;
  virtual void OnData(std::string_view bytes) = 0;
  virtual void OnEndStream() = 0;
  // The last call. `error` has kInternal etc. unless both directions were complete (`clean`).
  virtual void OnStreamClosed(bool clean, const Error& error) = 0;
  // After OnStreamClosed(), when none of the stream's callbacks is on the stack.
  virtual void OnReleased() {}
  // The kernel took bytes of the body.
  virtual void OnBytesAccepted() {}

  Http2Session* session() const { return session_; }
  // A head whose body comes from `source`, or, when null, ends with FinishBody().
  void SubmitResponse(const ResponseHead& head, BodySource* source);
  // A head that is the whole response.
  void SubmitResponseEnd(const ResponseHead& head);
  // A request, without a body when `source` is null. Returns the stream's id or an nghttp2 error
  // (negative). Called before the stream is attached.
  int32_t SubmitRequest(nghttp2_session* ng, const RequestHead& head, BodySource* source);
  bool send_ended() const { return send_ended_; }
  bool receive_ended() const { return receive_ended_; }
  // Bytes that arrived and were not dealt with yet.
  size_t unconsumed() const { return unconsumed_; }

 private:
  struct Provider;
  // nghttp2's read callback: the bytes taken into staged_, or a (negative) nghttp2 code.
  ssize_t ReadBody(size_t bytes_max, uint32_t* data_flags);
  BodySource::State PullBody(size_t bytes_max, size_t& taken);
  void SubmitTrailers(const Headers& trailers);
  // There is body to send and no window for it.
  bool HeldUp() const;

  Http2Session* session_ = nullptr;
  int32_t id_ = -1;
  BodySource* source_ = nullptr;
  SliceList staged_;               // pulled, to be framed by the next send-data callback
  Headers trailers_;               // given within Pull()
  uint64_t queued_end_ = 0;        // where in the session's output our last body byte stands
  size_t unconsumed_ = 0;          // received and not yet credited
  uint64_t stalled_since_ms_ = 0;  // 0: the peer's window does not hold the body up …
  uint64_t stalled_at_ = 0;        // … since it stood there
  bool waiting_ = false;           // the source said kWait
  bool woken_ = false;             // Wake() since Pull() was called
  bool pulling_ = false;           // within Pull()
  bool finish_ = false;            // no more pulling
  bool end_by_data_ = false;       // the next read yields the end and nothing else
  bool send_ended_ = false;        // END_STREAM of ours was framed
  bool receive_ended_ = false;
  bool head_received_ = false;
};

}  // namespace galaxy::push
