#include "http/http1_exchange.h"

#include <charconv>

#include "http/http1_connection.h"
#include "http/http1_write.h"

namespace galaxy::push {
namespace {

bool StatusHasBody(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

void Http1Exchange::SetHandler(std::unique_ptr<ExchangeHandler> handler) {
  if (open_) handler_ = std::move(handler);
}

void Http1Exchange::Consumed(size_t bytes) {
  if (open_) connection_->Consumed(bytes);
}

void Http1Exchange::Respond(ResponseHead head, std::string body) {
  if (!open_ || head_sent_) return;
  bool has_body = StatusHasBody(head.status);
  WriteHead(head, has_body ? Framing::kLength : Framing::kNone, body.size());
  if (has_body && !head_request_) connection_->out_.Append(Slice::Own(std::move(body)));
  remaining_ = 0;
  EndBody();
}

void Http1Exchange::SendHead(ResponseHead head, BodySource* source) {
  if (!open_ || head_sent_) return;
  Framing framing = version_ >= 11 ? Framing::kChunked : Framing::kToClose;
  if (auto text = head.headers.Get("content-length")) {
    auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), remaining_);
    if (error == std::errc() && end == text->data() + text->size()) framing = Framing::kLength;
  }
  if (!StatusHasBody(head.status)) framing = Framing::kNone;
  WriteHead(head, framing, remaining_);
  if (framing == Framing::kNone || head_request_) {
    framing_ = Framing::kNone;
    return EndBody();
  }
  source_ = source;
  connection_->Flush();
}

void Http1Exchange::WriteHead(const ResponseHead& head, Framing framing, uint64_t length) {
  Http1Connection& c = *connection_;
  head_sent_ = true;
  framing_ = framing;
  // Who waits for 100 Continue may send the body or not: the next request cannot be told from it.
  if (framing == Framing::kToClose || c.draining_ || c.want_continue_) c.close_after_ = true;
  std::string fields;
  if (framing == Framing::kLength) {
    fields = "content-length: " + std::to_string(length) + "\r\n";
  } else if (framing == Framing::kChunked) {
    fields = "transfer-encoding: chunked\r\n";
  }
  if (c.close_after_) {
    fields += "connection: close\r\n";
  } else if (version_ < 11) {
    fields += "connection: keep-alive\r\n";
  }
  std::string text;
  AppendResponseHead(text, head, fields, c.loop_.clock().WallMs());
  c.out_.AppendCopy(text);
}

void Http1Exchange::Wake() {
  if (!open_ || !source_) return;
  waiting_ = false;
  connection_->Flush();
}

bool Http1Exchange::PullOnce(size_t bytes_max) {
  if (!wants_pull()) return false;
  SliceList slices;
  waiting_ = true;  // unless Wake() is called from within
  BodySource::State state = source_->Pull(bytes_max, slices);
  if (!open_) return false;
  if (state != BodySource::State::kWait) waiting_ = false;
  size_t size = 0;
  for (const Slice& slice : slices) size += slice.size();
  if (framing_ == Framing::kLength) {
    if (size > remaining_) {  // more than was announced: the peer must not take it for a response
      Reset(0);
      return false;
    }
    remaining_ -= size;
  }
  OutputQueue& out = connection_->out_;
  if (size > 0) {
    std::string header;
    if (framing_ == Framing::kChunked) AppendChunkHeader(header, size);
    out.AppendCopy(header);
    for (Slice& slice : slices) out.Append(std::move(slice));
    if (framing_ == Framing::kChunked) out.AppendCopy("\r\n");
  }
  if (state == BodySource::State::kEnd) {
    EndBody();
    return false;
  }
  // Nothing and kMore: again when the kernel takes more. Nothing, but woken meanwhile: once again.
  return size > 0 || (state == BodySource::State::kWait && !waiting_);
}

void Http1Exchange::Finish(Headers trailers) {
  if (!open_) return;
  if (!head_sent_) return Reset(0);
  trailers_ = std::move(trailers);
  EndBody();
}

void Http1Exchange::EndBody() {
  source_ = nullptr;
  Http1Connection& c = *connection_;
  if (framing_ == Framing::kChunked) {
    std::string last;
    AppendLastChunk(last, trailers_);
    c.out_.AppendCopy(last);
  } else if (framing_ == Framing::kLength && remaining_ > 0) {
    return Reset(0);  // less than was announced
  }
  open_ = false;
  c.ExchangeEnded();
  c.Flush();
}

void Http1Exchange::Reset(uint32_t) {
  if (!open_) return;
  connection_->Lose({Code::kCancelled, "the exchange was reset", {}});
}

size_t Http1Exchange::QueuedBytes() const { return connection_ ? connection_->out_.bytes() : 0; }

const RequestHead& Http1Exchange::request() const {
  static const RequestHead forgotten;
  return request_ ? *request_ : forgotten;
}

const Headers& Http1Exchange::trailers() const {
  return received_trailers_ ? *received_trailers_ : Exchange::trailers();
}

void Http1Exchange::ForgetRequest() { request_.reset(); }

Result<Exchange::Upgraded> Http1Exchange::Upgrade(ResponseHead head) {
  if (!open_ || head_sent_) return Fail(Code::kInvalidArgument, "the response has begun");
  Http1Connection& c = *connection_;
  if (version_ < 11) return Fail(Code::kInvalidArgument, "HTTP/1.0 has no upgrade");
  if (c.parser_ && !c.parser_->done()) {
    return Fail(Code::kInvalidArgument, "an upgrade request has no body");
  }
  std::string text;
  AppendUpgradeHead(text, head);
  c.out_.AppendCopy(text);
  if (!c.out_.Flush(*c.connection_)) {
    // Only when the peer pipelined and does not read: nothing a WebSocket client does.
    Reset(0);
    return Fail(Code::kUnavailable, "the connection is blocked");
  }
  Upgraded upgraded;
  c.connection_->Detach();
  upgraded.connection = std::move(c.connection_);
  upgraded.unread = std::move(c.input_);
  upgraded.unread += c.current_;
  c.input_ = {};
  c.current_ = {};
  open_ = false;
  c.ExchangeEnded();
  c.Gone();
  return upgraded;
}

void Http1Exchange::Abort(const Error& error) {
  if (!open_) return;
  open_ = false;
  source_ = nullptr;
  aborted_ = std::make_unique<const Error>(error);
}

void Http1Exchange::Settle() {
  std::unique_ptr<ExchangeHandler> handler = std::move(handler_);
  if (handler && aborted_) handler->OnAborted(*aborted_);
}

}  // namespace galaxy::push
