#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http/http2_stream.h"
#include "http/http_abuse.h"
#include "net/connection.h"
#include "net/loop.h"
#include "net/output.h"

struct nghttp2_session;

namespace galaxy::push {

struct Http2Options {
  bool server = true;
  uint32_t streams_max = 1000;  // that the peer may open
  uint32_t stream_window_bytes = 256 * 1024;
  uint32_t connection_window_bytes = 4 * 1024 * 1024;
  uint32_t header_list_bytes_max = 16 * 1024;
  uint64_t ping_interval_ms = 20'000;  // docs/semantics.md 6.3
  uint64_t ping_timeout_ms = 10'000;
  uint64_t stall_timeout_ms = 30'000;  // a server's: a body that the peer's window holds up
};

// One HTTP/2 connection (RFC 9113) over nghttp2, what both roles share.
//
//   out   streams' sources --Pull--> DATA frames --.
//         nghttp2's control frames ----------------+--> OutputQueue --writev--> Connection
//
//   Ownership  Shared: its owner drops it by Close(), callbacks on the stack keep it alive. Owns
//              connection and streams.
//   Threads    One loop.
//   Output     Everything that is woken within one turn of the loop goes out in one writev at its
//              end. Bodies are pulled only when the queue is empty, one batch of 256 KiB at a time,
//              so what a source still holds can be dropped or replaced; slices are not copied.
//   Input      Flow control by ConsumeBody(). The connection's window is larger than a stream's, so
//              a stream that stalls does not block its neighbours.
//   Limits     Of a server. Control frames that cost the peer nothing (PING, SETTINGS, RST_STREAM,
//              PRIORITY, GOAWAY, empty DATA, and WINDOW_UPDATE beyond one for 128 bytes of body
//              and four for a piece of it that the source ended):
//              1,000 at once and 200 a second, then GOAWAY ENHANCE_YOUR_CALM. Heads four times over
//              their limit: the same. CONTINUATION: 8 in a block. Answers that the peer does not
//              read: 1,000. A body that the peer's window holds up for `stall_timeout_ms`: reset.
//   Errors     A peer that answers no PING and takes and sends no byte in the time is reset.
class Http2Session : public ConnectionHandler, public std::enable_shared_from_this<Http2Session> {
 public:
  Http2Session(Loop& loop, std::unique_ptr<Connection> connection, Http2Options options);
  ~Http2Session() override;
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  // Sends SETTINGS and starts reading; `unread` was read before. Requires a shared_ptr.
  void Begin(std::string_view unread);
  // Ends all streams with `error` and resets the socket. OnSessionGone() is called unless `quiet`.
  void Abort(const Error& error, bool quiet = false);
  // GOAWAY: streams in flight go on, then the connection closes.
  void DrainStreams();
  // For all PINGs from now on. After a change the next comes so long after this call, or after the
  // answer to the one that is out.
  void SetPingInterval(uint64_t ms);

  bool alive() const { return alive_; }
  bool idle() const { return streams_.empty(); }
  // False after a GOAWAY in either direction.
  bool AcceptsRequests() const;
  Loop& loop() { return loop_; }
  const Connection& connection() const { return *connection_; }

  // The session writes at the end of this turn.
  void ScheduleFlush();

  // ConnectionHandler
  void OnBytes(std::string_view bytes) override;
  void OnWritable() override;
  void OnEnd() override;
  void OnClosed(const Error& error) override;

 protected:
  friend class Http2Stream;
  friend struct Http2Callbacks;

  // A peer opened a stream (server).
  virtual std::shared_ptr<Http2Stream> NewStream() = 0;
  virtual void OnSessionGone(const Error& error) = 0;
  virtual void OnLastStreamClosed() {}
  virtual void OnFirstSettings() {}
  virtual void OnHeadersBegun() {}
  virtual void OnHeadersEnded() {}
  virtual void OnGoaway(uint32_t /*http2_error*/, std::string_view /*debug*/) {}
  // The peer broke the protocol or a limit.
  virtual void OnRefused(HttpAbuse /*kind*/) {}

  void Attach(std::shared_ptr<Http2Stream> stream, int32_t id);
  nghttp2_session* ng() { return ng_; }

 private:
  class Busy;
  struct FrameMark {  // a DATA frame in the queue
    int32_t stream_id;
    uint64_t end;  // its end, in bytes of output since the start
  };

  // Events of nghttp2, see http2_callbacks.cc.
  Http2Stream* Find(int32_t id);
  void StreamClosed(int32_t id, uint32_t http2_error);
  void FrameSent(int32_t id, bool end_stream);
  void QueueData(Http2Stream& stream, std::string_view frame_header);
  bool SpendControlFrame(HttpAbuse kind);
  void SpendWindowUpdate();
  bool CountField(size_t bytes);
  void PingAnswered(const uint8_t* payload);
  void SettingsReceived();
  void GoawaySent(uint32_t http2_error);

  void Flush();
  bool Pump();
  bool WriteQueue();
  void MarksAccepted();
  void CloseIfDone();
  void FailStreams(const Error& error);
  void ArmKeepalive();
  void SendKeepalive();
  void WaitForPing();
  uint64_t Acknowledged() const;
  void KeepaliveExpired();
  void FinalGoaway();
  void Calm(HttpAbuse kind);
  void WatchStalls();
  void ResetStalled();

  Loop& loop_;
  std::unique_ptr<Connection> connection_;
  const Http2Options options_;
  nghttp2_session* ng_ = nullptr;
  std::unordered_map<int32_t, std::shared_ptr<Http2Stream>> streams_;
  std::vector<std::shared_ptr<Http2Stream>> closed_;  // until no callback can be on the stack

  OutputQueue output_;
  std::deque<FrameMark> marks_;
  uint64_t output_end_ = 0;    // bytes ever queued
  uint64_t accepted_end_ = 0;  // bytes ever taken by the kernel
  uint64_t received_ = 0;

  double control_tokens_;
  uint64_t control_refill_ms_;
  uint64_t window_credit_bytes_ = 0;  // of bodies sent, for WINDOW_UPDATE frames to come
  size_t block_bytes_ = 0;            // of the fields that are being received
  HttpAbuse calm_reason_ = HttpAbuse::kMalformed;
  uint64_t ping_interval_ms_;
  bool ping_unanswered_ = false;
  uint64_t ping_number_ = 0;
  static constexpr uint64_t kNotQueued = ~uint64_t{0};
  uint64_t ping_end_ = 0;  // of the last PING, in bytes of output (a batch at most beyond it)
  uint64_t received_before_ = 0;  // when the wait for its answer began
  uint64_t acknowledged_before_ = 0;
  Timer ping_timer_, drain_timer_, linger_timer_, stall_timer_;

  bool alive_ = true;
  bool settings_seen_ = false;
  bool flush_scheduled_ = false;
  bool flushing_ = false;
  bool draining_ = false;
  bool terminated_ = false;   // GOAWAY for a fault: nothing more is read
  bool half_closed_ = false;  // everything was said, the peer closes or a timer does
  int busy_ = 0;
};

}  // namespace galaxy::push
