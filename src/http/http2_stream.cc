#include "http/http2_stream.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "http/http2_session.h"

namespace galaxy::push {
namespace {

// Fields that a peer must treat as a malformed message (RFC 9113 8.2): a header of the application
// is left out rather than the stream or the connection lost.
bool MaySend(const HeaderField& field) {
  static constexpr std::string_view kConnectionFields[] = {
      "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"};
  if (std::ranges::find(kConnectionFields, field.name) != std::end(kConnectionFields)) return false;
  auto bytes = [](const std::string& text) {
    return reinterpret_cast<const uint8_t*>(text.data());
  };
  return nghttp2_check_header_name(bytes(field.name), field.name.size()) != 0 &&
         field.name.front() != ':' &&
         nghttp2_check_header_value_rfc9113(bytes(field.value), field.value.size()) != 0;
}

// The array that nghttp2 copies from; the strings outlive it.
class FieldArray {
 public:
  void Add(std::string_view name, std::string_view value) {
    // nghttp2 does not write through these.
    auto bytes = [](std::string_view text) {
      return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
    };
    fields_.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  void Add(const Headers& headers) {
    for (const HeaderField& field : headers.fields()) {
      if (MaySend(field)) Add(field.name, field.value);
    }
  }
  const nghttp2_nv* data() const { return fields_.data(); }
  size_t size() const { return fields_.size(); }

 private:
  std::vector<nghttp2_nv> fields_;
};

}  // namespace

struct Http2Stream::Provider {
  explicit Provider(Http2Stream* stream) {
    ng.source.ptr = stream;
    ng.read_callback = [](nghttp2_session*, int32_t, uint8_t*, size_t length, uint32_t* flags,
                          nghttp2_data_source* source, void*) -> ssize_t {
      return static_cast<Http2Stream*>(source->ptr)->ReadBody(length, flags);
    };
  }
  nghttp2_data_provider ng;
};

void Http2Stream::SubmitResponse(const ResponseHead& head, BodySource* source) {
  if (!attached() || send_ended_) return;
  std::string status = std::to_string(head.status);
  FieldArray fields;
  fields.Add(":status", status);
  fields.Add(head.headers);
  source_ = source;
  waiting_ = source == nullptr;
  Provider provider(this);
  nghttp2_submit_response(session_->ng(), id_, fields.data(), fields.size(), &provider.ng);
  session_->WatchStalls();
  session_->ScheduleFlush();
}

void Http2Stream::SubmitResponseEnd(const ResponseHead& head) {
  if (!attached() || send_ended_) return;
  std::string status = std::to_string(head.status);
  FieldArray fields;
  fields.Add(":status", status);
  fields.Add(head.headers);
  finish_ = true;
  nghttp2_submit_response(session_->ng(), id_, fields.data(), fields.size(), nullptr);
  session_->ScheduleFlush();
}

int32_t Http2Stream::SubmitRequest(nghttp2_session* ng, const RequestHead& head,
                                   BodySource* source) {
  std::string path = head.path.empty() ? "/" : head.path;
  if (!head.query.empty()) path += "?" + head.query;
  FieldArray fields;
  fields.Add(":method", head.method);
  fields.Add(":scheme", head.scheme.empty() ? std::string_view("http") : head.scheme);
  fields.Add(":path", path);
  if (!head.authority.empty()) fields.Add(":authority", head.authority);
  fields.Add(head.headers);
  source_ = source;
  finish_ = source == nullptr;
  Provider provider(this);
  return nghttp2_submit_request(ng, nullptr, fields.data(), fields.size(),
                                source != nullptr ? &provider.ng : nullptr, this);
}

void Http2Stream::WakeBody() {
  woken_ = true;
  if (!attached() || !waiting_ || finish_ || source_ == nullptr) return;
  waiting_ = false;
  nghttp2_session_resume_data(session_->ng(), id_);
  session_->WatchStalls();
  session_->ScheduleFlush();
}

bool Http2Stream::HeldUp() const {
  if (!attached() || source_ == nullptr || waiting_ || send_ended_) return false;
  nghttp2_session* ng = session_->ng();
  return nghttp2_session_get_stream_remote_window_size(ng, id_) <= 0 ||
         nghttp2_session_get_remote_window_size(ng) <= 0;
}

void Http2Stream::FinishBody(Headers trailers) {
  if (!attached() || finish_) return;
  finish_ = true;
  if (pulling_) {
    trailers_ = std::move(trailers);  // they follow what this Pull() yields
    return;
  }
  source_ = nullptr;
  // Trailers overtake the DATA that waits for the window or its source: HEADERS are not subject
  // to flow control, and with END_STREAM they make nghttp2 drop that DATA. So an end without
  // trailers is an empty DATA frame only where the window lets one through.
  nghttp2_session* ng = session_->ng();
  bool window_open = nghttp2_session_get_stream_remote_window_size(ng, id_) > 0 &&
                     nghttp2_session_get_remote_window_size(ng) > 0;
  if (trailers.empty() && window_open) {
    end_by_data_ = true;
    nghttp2_session_resume_data(ng, id_);
  } else {
    SubmitTrailers(trailers);
  }
  session_->ScheduleFlush();
}

void Http2Stream::SubmitTrailers(const Headers& trailers) {
  FieldArray fields;
  fields.Add(trailers);
  nghttp2_submit_trailer(session_->ng(), id_, fields.data(), fields.size());
}

void Http2Stream::ResetStream(uint32_t http2_error) {
  if (!attached()) return;
  finish_ = true;
  source_ = nullptr;
  nghttp2_submit_rst_stream(session_->ng(), NGHTTP2_FLAG_NONE, id_, http2_error);
  session_->ScheduleFlush();
}

void Http2Stream::ConsumeBody(size_t bytes) {
  bytes = std::min(bytes, unconsumed_);
  unconsumed_ -= bytes;
  if (!attached() || bytes == 0) return;
  nghttp2_session_consume(session_->ng(), id_, bytes);
  session_->ScheduleFlush();
}

size_t Http2Stream::QueuedBodyBytes() const {
  if (!attached() || queued_end_ <= session_->accepted_end_) return 0;
  return static_cast<size_t>(queued_end_ - session_->accepted_end_);
}

BodySource::State Http2Stream::PullBody(size_t bytes_max, size_t& taken) {
  BodySource::State state;
  do {
    woken_ = false;
    pulling_ = true;
    state = source_->Pull(bytes_max, staged_);
    pulling_ = false;
    taken = 0;
    for (const Slice& slice : staged_) taken += slice.size();
  } while (taken == 0 && woken_ && !finish_ && attached() && state != BodySource::State::kEnd);
  CHECK(taken <= bytes_max);
  waiting_ = state != BodySource::State::kEnd && !woken_ &&
             (state == BodySource::State::kWait || taken == 0);
  return state;
}

ssize_t Http2Stream::ReadBody(size_t bytes_max, uint32_t* data_flags) {
  staged_.clear();
  *data_flags = NGHTTP2_DATA_FLAG_NO_COPY;
  if (end_by_data_) {
    *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    return 0;
  }
  if (source_ == nullptr || waiting_) return NGHTTP2_ERR_DEFERRED;
  size_t taken = 0;
  bool end = PullBody(bytes_max, taken) == BodySource::State::kEnd;
  if (!attached() || (finish_ && source_ == nullptr)) return NGHTTP2_ERR_DEFERRED;  // was reset
  if (!end && !finish_) {
    if (taken > 0) return static_cast<ssize_t>(taken);
    return NGHTTP2_ERR_DEFERRED;
  }
  finish_ = true;
  *data_flags |= NGHTTP2_DATA_FLAG_EOF;
  if (!trailers_.empty()) {
    *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    SubmitTrailers(trailers_);
  }
  return static_cast<ssize_t>(taken);
}

}  // namespace galaxy::push
