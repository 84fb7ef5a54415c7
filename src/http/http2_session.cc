#include "http/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "http/http2_callbacks.h"
#include "http/http2_fields.h"

namespace galaxy::push {
namespace {

// One turn writes this much at most before the loop sees to its other connections.
constexpr uint64_t kFlushBytesMax = 4 * 1024 * 1024;
constexpr size_t kBatchBytes = kHttp2FrameBytesMax;
// Frames of ours that wait for a peer that does not read.
constexpr size_t kOutboundFramesMax = 10'000;

constexpr double kControlBurst = 1000;
constexpr double kControlPerMs = 0.2;

constexpr uint64_t kBytesPerWindowUpdate = 128;
constexpr uint64_t kUpdatesPerMessage = 4;  // gRPC C++ sends two, of the stream and the connection
constexpr uint64_t kWindowCreditBytesMax = 4 * 1024 * 1024;
constexpr size_t kBlockTimesMax = 4;  // of the limit of a head, before the connection ends
constexpr uint64_t kStallLooks = 4;   // within the time

constexpr uint64_t kDrainNoticeMs = 500;  // at the latest then the notice counts as received
constexpr uint64_t kLingerMs = 1000;      // for the peer to close after our last byte

constexpr char kDrainPing[9] = "drainreq";

Error Lost(std::string message) { return {Code::kUnavailable, std::move(message), {}}; }

}  // namespace

Http2Session::Http2Session(Loop& loop, std::unique_ptr<Connection> connection, Http2Options options)
    : loop_(loop),
      connection_(std::move(connection)),
      options_(options),
      control_tokens_(kControlBurst),
      control_refill_ms_(loop.clock().MonoMs()),
      ping_interval_ms_(options.ping_interval_ms) {
  ng_ = Http2Callbacks::NewSession(*this, options_);
}

// While one exists, closed streams and the session itself stay: their callbacks may be on the
// stack.
class Http2Session::Busy {
 public:
  explicit Busy(Http2Session& session) : self_(session.shared_from_this()) { ++self_->busy_; }
  ~Busy() {
    if (--self_->busy_ > 0) return;
    auto closed = std::move(self_->closed_);
    self_->closed_.clear();
    for (auto& stream : closed) stream->OnReleased();
  }

 private:
  std::shared_ptr<Http2Session> self_;
};

Http2Session::~Http2Session() {
  for (auto& [id, stream] : streams_) stream->session_ = nullptr;
  nghttp2_session_del(ng_);
}

void Http2Session::Begin(std::string_view unread) {
  nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options_.streams_max},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options_.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, options_.header_list_bytes_max},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kHttp2FrameBytesMax},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
  };
  size_t count = std::size(settings) - (options_.server ? 1 : 0);
  nghttp2_submit_settings(ng_, NGHTTP2_FLAG_NONE, settings, count);
  nghttp2_session_set_local_window_size(ng_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(options_.connection_window_bytes));
  ArmKeepalive();
  connection_->Start(*this);
  ScheduleFlush();
  if (!unread.empty() && alive_) OnBytes(unread);
}

void Http2Session::Attach(std::shared_ptr<Http2Stream> stream, int32_t id) {
  stream->session_ = this;
  stream->id_ = id;
  streams_.emplace(id, std::move(stream));
}

bool Http2Session::AcceptsRequests() const {
  return alive_ && !draining_ && !terminated_ && !half_closed_ &&
         nghttp2_session_check_request_allowed(ng_) != 0;
}

void Http2Session::ScheduleFlush() {
  if (flush_scheduled_ || flushing_ || !alive_) return;
  flush_scheduled_ = true;
  loop_.Defer([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->Flush();
  });
}

// ---- input

void Http2Session::OnBytes(std::string_view bytes) {
  if (terminated_ || half_closed_) return;
  Busy busy(*this);
  received_ += bytes.size();
  ssize_t used =
      nghttp2_session_mem_recv(ng_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (!alive_) return;
  if (used < 0) {
    OnRefused(used == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS ? HttpAbuse::kContinuationFlood
              : used == NGHTTP2_ERR_FLOODED              ? HttpAbuse::kUnreadAnswers
                                                         : HttpAbuse::kMalformed);
    // Not HTTP/2, or a peer that lets our answers pile up: nothing that it would read either.
    return Abort(Lost(std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(used))));
  }
  if (nghttp2_session_get_outbound_queue_size(ng_) > kOutboundFramesMax) {
    OnRefused(HttpAbuse::kUnreadAnswers);
    return Abort(Lost("HTTP/2: the peer does not read its answers"));
  }
  ScheduleFlush();
}

void Http2Session::OnWritable() { Flush(); }

void Http2Session::OnEnd() { OnClosed(Lost("the peer closed the connection")); }

void Http2Session::OnClosed(const Error& error) { Abort(Lost(error.message)); }

bool Http2Session::SpendControlFrame(HttpAbuse kind) {
  uint64_t now = loop_.clock().MonoMs();
  control_tokens_ += static_cast<double>(now - control_refill_ms_) * kControlPerMs;
  control_tokens_ = std::min(control_tokens_, kControlBurst) - 1;
  control_refill_ms_ = now;
  if (control_tokens_ >= 0) return true;
  Calm(kind);
  return false;
}

// A peer that reads what it gets needs one now and then. One for each byte would have us send a
// body in frames of a byte.
void Http2Session::SpendWindowUpdate() {
  if (window_credit_bytes_ >= kBytesPerWindowUpdate) {
    window_credit_bytes_ -= kBytesPerWindowUpdate;
  } else {
    SpendControlFrame(HttpAbuse::kWindowUpdateFlood);
  }
}

// HPACK makes four kilobytes of a byte: what is over the limit of a head is read for a while, so
// that the answer can say so, and not without end.
bool Http2Session::CountField(size_t bytes) {
  block_bytes_ += bytes;
  if (!options_.server || block_bytes_ <= kBlockTimesMax * options_.header_list_bytes_max) {
    return true;
  }
  Calm(HttpAbuse::kHeadTooLarge);
  return false;
}

void Http2Session::Calm(HttpAbuse kind) {
  if (std::exchange(terminated_, true)) return;
  calm_reason_ = kind;
  nghttp2_session_terminate_session(ng_, NGHTTP2_ENHANCE_YOUR_CALM);
  ScheduleFlush();
}

// ---- streams

Http2Stream* Http2Session::Find(int32_t id) {
  auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : it->second.get();
}

void Http2Session::StreamClosed(int32_t id, uint32_t http2_error) {
  auto it = streams_.find(id);
  if (it == streams_.end()) return;
  std::shared_ptr<Http2Stream> stream = std::move(it->second);
  streams_.erase(it);
  stream->session_ = nullptr;
  if (stream->unconsumed_ > 0) nghttp2_session_consume_connection(ng_, stream->unconsumed_);
  bool clean = stream->send_ended_ && (stream->receive_ended_ || options_.server);
  stream->OnStreamClosed(clean, Http2Error(http2_error));
  closed_.push_back(std::move(stream));
  if (streams_.empty() && alive_) OnLastStreamClosed();
}

void Http2Session::FrameSent(int32_t id, bool end_stream) {
  Http2Stream* stream = Find(id);
  if (stream == nullptr || !end_stream) return;
  stream->send_ended_ = true;
  // The response is complete: what the client still sends is of no use (RFC 9113 8.1).
  if (options_.server && !stream->receive_ended_) {
    nghttp2_submit_rst_stream(ng_, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
  }
}

void Http2Session::QueueData(Http2Stream& stream, std::string_view frame_header) {
  output_.AppendCopy(frame_header);
  output_end_ += frame_header.size();
  uint64_t body_begin = output_end_;
  for (Slice& slice : stream.staged_) {
    output_end_ += slice.size();
    output_.Append(std::move(slice));
  }
  stream.staged_.clear();
  window_credit_bytes_ += output_end_ - body_begin;
  // All that there was: small because it is, not by the peer's window.
  if (stream.waiting_) window_credit_bytes_ += kUpdatesPerMessage * kBytesPerWindowUpdate;
  window_credit_bytes_ = std::min(window_credit_bytes_, kWindowCreditBytesMax);
  stream.queued_end_ = output_end_;
  marks_.push_back({stream.id_, output_end_});
}

void Http2Session::FailStreams(const Error& error) {
  auto streams = std::move(streams_);
  streams_.clear();
  for (auto& [id, stream] : streams) stream->session_ = nullptr;
  for (auto& [id, stream] : streams) {
    stream->OnStreamClosed(stream->send_ended_ && options_.server, error);
  }
  for (auto& [id, stream] : streams) closed_.push_back(std::move(stream));
}

// Looks at bodies while there are some that could be held up.
void Http2Session::WatchStalls() {
  if (!options_.server || stall_timer_.running() || !alive_) return;
  stall_timer_ =
      loop_.RunAfter(options_.stall_timeout_ms / kStallLooks, [this] { ResetStalled(); });
}

void Http2Session::ResetStalled() {
  uint64_t now_ms = loop_.clock().MonoMs();
  bool held_up = false;
  std::vector<std::shared_ptr<Http2Stream>> stalled;
  for (auto& [id, stream] : streams_) {
    if (!stream->HeldUp()) {
      stream->stalled_since_ms_ = 0;
      continue;
    }
    held_up = true;
    bool moved = stream->stalled_at_ != stream->queued_end_;
    if (stream->stalled_since_ms_ == 0 || moved) {
      stream->stalled_since_ms_ = now_ms;
      stream->stalled_at_ = stream->queued_end_;
    } else if (now_ms - stream->stalled_since_ms_ >= options_.stall_timeout_ms) {
      stalled.push_back(stream);
    }
  }
  for (auto& stream : stalled) {
    OnRefused(HttpAbuse::kSlowReader);
    stream->ResetStream(NGHTTP2_ENHANCE_YOUR_CALM);
  }
  if (held_up) WatchStalls();
}

// ---- output

void Http2Session::Flush() {
  flush_scheduled_ = false;
  if (!alive_ || flushing_) return;
  Busy busy(*this);
  flushing_ = true;
  uint64_t start = output_end_;
  // The queue is empty before more is pulled: a body is taken only when the kernel takes it.
  while (WriteQueue() && Pump()) {
    if (output_end_ - start >= kFlushBytesMax) {
      loop_.Post([weak = weak_from_this()] {
        if (auto session = weak.lock()) session->Flush();
      });
      break;
    }
  }
  flushing_ = false;
  if (alive_) CloseIfDone();
}

// Queues one batch. False when there is nothing to send now, or the session is gone.
bool Http2Session::Pump() {
  bool pinging = ping_unanswered_ && ping_end_ == kNotQueued;
  bool idle = pinging && Acknowledged() == output_end_;
  while (alive_ && !half_closed_ && output_.bytes() < kBatchBytes) {
    const uint8_t* bytes = nullptr;
    ssize_t size = nghttp2_session_mem_send(ng_, &bytes);
    if (size < 0 && alive_) Abort(Lost("HTTP/2: out of memory"));
    if (size <= 0) break;
    output_.AppendCopy({reinterpret_cast<const char*>(bytes), static_cast<size_t>(size)});
    output_end_ += static_cast<uint64_t>(size);
  }
  // Where nothing lies before it, the PING itself is no sign of life.
  if (pinging) ping_end_ = idle ? 0 : output_end_;
  return alive_ && !output_.empty();
}

bool Http2Session::WriteQueue() {
  if (!alive_) return false;
  if (output_.empty()) return true;
  bool all = output_.Flush(*connection_);
  uint64_t accepted = output_end_ - output_.bytes();
  if (accepted != accepted_end_) {
    accepted_end_ = accepted;
    MarksAccepted();
  }
  return all && alive_;
}

void Http2Session::MarksAccepted() {
  int32_t last = -1;
  while (!marks_.empty()) {
    FrameMark mark = marks_.front();
    // The first frame that is not wholly taken has been begun at most: its bytes count as well.
    bool whole = mark.end <= accepted_end_;
    if (whole) marks_.pop_front();
    if (mark.stream_id != last) {
      last = mark.stream_id;
      if (Http2Stream* stream = Find(last)) stream->OnBytesAccepted();
    }
    if (!whole || !alive_) break;
  }
}

void Http2Session::CloseIfDone() {
  if (!output_.empty() || half_closed_) return;
  if (nghttp2_session_want_read(ng_) != 0 || nghttp2_session_want_write(ng_) != 0) return;
  // Closing at once could destroy our last bytes in the peer's kernel, if it has sent more.
  half_closed_ = true;
  connection_->ShutdownWrite();
  FailStreams(Lost("the connection was closed"));
  linger_timer_ = loop_.RunAfter(kLingerMs, [this] { Abort(Lost("the connection was closed")); });
}

void Http2Session::Abort(const Error& error, bool quiet) {
  if (!alive_) return;
  Busy busy(*this);
  alive_ = false;
  ping_timer_.Cancel();
  drain_timer_.Cancel();
  linger_timer_.Cancel();
  stall_timer_.Cancel();
  if (half_closed_) {
    connection_->Close();
  } else {
    connection_->Reset();
  }
  FailStreams(error);
  output_.Clear();
  marks_.clear();
  if (!quiet) OnSessionGone(error);
}

// ---- keepalive and drain

void Http2Session::ArmKeepalive() {
  ping_timer_ = loop_.RunAfter(ping_interval_ms_, [this] { SendKeepalive(); });
}

void Http2Session::SetPingInterval(uint64_t ms) {
  if (std::exchange(ping_interval_ms_, ms) == ms || !alive_) return;
  if (!ping_unanswered_) ArmKeepalive();
}

void Http2Session::SendKeepalive() {
  ping_unanswered_ = true;
  uint64_t number = ++ping_number_;
  uint8_t payload[8];
  std::memcpy(payload, &number, sizeof payload);
  nghttp2_submit_ping(ng_, NGHTTP2_FLAG_NONE, payload);
  ping_end_ = kNotQueued;
  WaitForPing();
  ScheduleFlush();
}

void Http2Session::WaitForPing() {
  received_before_ = received_;
  acknowledged_before_ = Acknowledged();
  ping_timer_ = loop_.RunAfter(options_.ping_timeout_ms, [this] { KeepaliveExpired(); });
}

// Bytes of output that have reached the peer's kernel.
uint64_t Http2Session::Acknowledged() const {
  return accepted_end_ - std::min<uint64_t>(accepted_end_, connection_->UnsentBytes());
}

void Http2Session::KeepaliveExpired() {
  // A peer that reads slowly, or is far away, may not have the PING yet, but it lives.
  bool sent = received_ != received_before_;
  bool took = acknowledged_before_ < ping_end_ && acknowledged_before_ != Acknowledged();
  if (sent || took) return WaitForPing();
  Abort(Lost("the peer answered no PING"));
}

void Http2Session::PingAnswered(const uint8_t* payload) {
  if (std::memcmp(payload, kDrainPing, 8) == 0) {
    if (draining_) FinalGoaway();
    return;
  }
  uint64_t number = 0;
  std::memcpy(&number, payload, sizeof number);
  if (number != ping_number_) return;
  ping_unanswered_ = false;
  ArmKeepalive();
}

void Http2Session::SettingsReceived() {
  if (std::exchange(settings_seen_, true)) return;
  OnFirstSettings();
}

void Http2Session::DrainStreams() {
  if (draining_ || !alive_) return;
  draining_ = true;
  nghttp2_submit_shutdown_notice(ng_);
  drain_timer_ = loop_.RunAfter(kDrainNoticeMs, [this] { FinalGoaway(); });
  ScheduleFlush();
}

void Http2Session::GoawaySent(uint32_t http2_error) {
  if (http2_error != NGHTTP2_NO_ERROR) return OnRefused(calm_reason_);
  // The answer to a PING behind the notice says that the peer has seen it.
  if (!drain_timer_.running()) return;
  nghttp2_submit_ping(ng_, NGHTTP2_FLAG_NONE, reinterpret_cast<const uint8_t*>(kDrainPing));
}

void Http2Session::FinalGoaway() {
  drain_timer_.Cancel();
  nghttp2_submit_goaway(ng_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(ng_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  ScheduleFlush();
}

}  // namespace galaxy::push
