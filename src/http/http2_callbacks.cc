#include "http/http2_callbacks.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/check.h"
#include "http/http2_session.h"

namespace galaxy::push {
namespace {

std::string_view View(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// PING and SETTINGS frames of the peer that wait to be acknowledged because it does not read.
constexpr size_t kOutboundAcksMax = 1000;
constexpr size_t kSettingsEntriesMax = 32;

// A frame that makes work here and costs the peer nothing, and what many of them are. DATA and
// WINDOW_UPDATE are looked at once they are whole.
std::optional<HttpAbuse> ControlFlood(const nghttp2_frame_hd& head) {
  switch (head.type) {
    case NGHTTP2_PING:
    case NGHTTP2_GOAWAY:
      return HttpAbuse::kPingFlood;
    case NGHTTP2_SETTINGS:
      return HttpAbuse::kSettingsFlood;
    case NGHTTP2_RST_STREAM:
      return HttpAbuse::kResetFlood;
    case NGHTTP2_PRIORITY:
      return HttpAbuse::kPriorityFlood;
    default:
      return std::nullopt;
  }
}

}  // namespace

struct Http2Callbacks::Table {
  static Http2Session& Session(void* context) { return *static_cast<Http2Session*>(context); }

  static Http2Stream::Block BlockOf(const nghttp2_frame* frame, const Http2Stream& stream) {
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) return Http2Stream::Block::kHead;
    return stream.head_received_ ? Http2Stream::Block::kTrailers : Http2Stream::Block::kHead;
  }

  static int OnBeginFrame(nghttp2_session*, const nghttp2_frame_hd* head, void* context) {
    Http2Session& session = Session(context);
    if (!session.options_.server) return 0;
    if (std::optional<HttpAbuse> kind = ControlFlood(*head)) session.SpendControlFrame(*kind);
    return 0;
  }

  static int OnInvalidFrame(nghttp2_session*, const nghttp2_frame* frame, int, void* context) {
    Http2Session& session = Session(context);
    // A connection's faults: GoawaySent().
    if (frame->hd.stream_id != 0) session.OnRefused(HttpAbuse::kMalformed);
    if (session.options_.server) session.SpendControlFrame(HttpAbuse::kInvalidFrameFlood);
    return 0;
  }

  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* context) {
    Http2Session& session = Session(context);
    if (!session.alive_) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    session.OnHeadersBegun();
    session.block_bytes_ = 0;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    std::shared_ptr<Http2Stream> stream = session.NewStream();
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    session.Attach(std::move(stream), frame->hd.stream_id);
    return 0;
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                      void* context) {
    if (!Session(context).CountField(name_size + value_size + 32)) {  // RFC 9113 6.5.2
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    Http2Stream* stream = Session(context).Find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    stream->OnField(BlockOf(frame, *stream), View(name, name_size), View(value, value_size));
    return 0;
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* context) {
    Http2Session& session = Session(context);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        session.OnHeadersEnded();
        HeadersReceived(session, frame);
        break;
      case NGHTTP2_DATA:
        if (session.options_.server && frame->hd.length == frame->data.padlen &&
            (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
          session.SpendControlFrame(HttpAbuse::kEmptyDataFlood);
        }
        EndOfStream(session, frame);
        break;
      case NGHTTP2_WINDOW_UPDATE:
        if (session.options_.server) session.SpendWindowUpdate();
        break;
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) session.SettingsReceived();
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
          session.PingAnswered(frame->ping.opaque_data);
        }
        break;
      case NGHTTP2_GOAWAY:
        session.OnGoaway(frame->goaway.error_code,
                         View(frame->goaway.opaque_data, frame->goaway.opaque_data_len));
        break;
      default:
        break;
    }
    return 0;
  }

  static void HeadersReceived(Http2Session& session, const nghttp2_frame* frame) {
    Http2Stream* stream = session.Find(frame->hd.stream_id);
    if (stream == nullptr) return;
    bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    Http2Stream::Block block = BlockOf(frame, *stream);
    // Responses with 1xx come before the head, never with END_STREAM.
    if (end) stream->receive_ended_ = true;
    stream->head_received_ |= stream->OnFieldsEnd(block);
    EndOfStream(session, frame);
  }

  static void EndOfStream(Http2Session& session, const nghttp2_frame* frame) {
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return;
    Http2Stream* stream = session.Find(frame->hd.stream_id);
    if (stream == nullptr) return;
    stream->receive_ended_ = true;
    stream->OnEndStream();
  }

  static int OnData(nghttp2_session* ng, uint8_t, int32_t id, const uint8_t* bytes, size_t size,
                    void* context) {
    Http2Stream* stream = Session(context).Find(id);
    if (stream == nullptr) {
      nghttp2_session_consume_connection(ng, size);
      return 0;
    }
    stream->unconsumed_ += size;
    stream->OnData(View(bytes, size));
    return 0;
  }

  static int OnStreamClose(nghttp2_session*, int32_t id, uint32_t http2_error, void* context) {
    Session(context).StreamClosed(id, http2_error);
    return 0;
  }

  static int OnFrameSent(nghttp2_session*, const nghttp2_frame* frame, void* context) {
    if (frame->hd.type == NGHTTP2_GOAWAY) Session(context).GoawaySent(frame->goaway.error_code);
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) return 0;
    Session(context).FrameSent(frame->hd.stream_id,
                               (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    return 0;
  }

  // A request that could not be sent any more, because of a GOAWAY.
  static int OnFrameNotSent(nghttp2_session*, const nghttp2_frame* frame, int, void* context) {
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    Session(context).StreamClosed(frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
    return 0;
  }

  static int SendData(nghttp2_session*, nghttp2_frame*, const uint8_t* frame_header, size_t,
                      nghttp2_data_source* source, void* context) {
    Http2Session& session = Session(context);
    session.QueueData(*static_cast<Http2Stream*>(source->ptr), View(frame_header, 9));
    // Enough for one writev: the next frame is pulled when the kernel has taken this one.
    return session.output_.bytes() >= kHttp2FrameBytesMax ? NGHTTP2_ERR_PAUSE : 0;
  }

  static ssize_t ReadLength(nghttp2_session*, uint8_t, int32_t, int32_t session_window,
                            int32_t stream_window, uint32_t frame_bytes_max, void*) {
    int64_t length = std::min<int64_t>(session_window, stream_window);
    length = std::min<int64_t>(length, frame_bytes_max);
    return static_cast<ssize_t>(std::min<int64_t>(length, kHttp2FrameBytesMax));
  }

  static nghttp2_session_callbacks* New() {
    nghttp2_session_callbacks* table = nullptr;
    CHECK(nghttp2_session_callbacks_new(&table) == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(table, OnBeginFrame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(table, OnInvalidFrame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(table, OnBeginHeaders);
    nghttp2_session_callbacks_set_on_header_callback(table, OnHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(table, OnFrame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table, OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(table, OnStreamClose);
    nghttp2_session_callbacks_set_on_frame_send_callback(table, OnFrameSent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(table, OnFrameNotSent);
    nghttp2_session_callbacks_set_send_data_callback(table, SendData);
    nghttp2_session_callbacks_set_data_source_read_length_callback(table, ReadLength);
    return table;
  }
};

nghttp2_session* Http2Callbacks::NewSession(Http2Session& session, const Http2Options& options) {
  static nghttp2_session_callbacks* const table = Table::New();
  nghttp2_option* option = nullptr;
  CHECK(nghttp2_option_new(&option) == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_max_outbound_ack(option, kOutboundAcksMax);
  nghttp2_option_set_max_settings(option, kSettingsEntriesMax);
  // Resets are counted by SpendControlFrame() on the loop's clock.
  nghttp2_option_set_stream_reset_rate_limit(option, 1'000'000, 1'000'000);
  nghttp2_session* ng = nullptr;
  int made = options.server ? nghttp2_session_server_new2(&ng, table, &session, option)
                            : nghttp2_session_client_new2(&ng, table, &session, option);
  nghttp2_option_del(option);
  CHECK(made == 0);
  return ng;
}

}  // namespace galaxy::push
