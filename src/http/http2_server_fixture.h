#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <functional>
#include <map>

#include "http/http2_test_peer.h"
#include "http/server_connection.h"
#include "net/loop.h"

// What the tests of an HTTP/2 server connection share: a connection on a fake socket under virtual
// time, a peer that speaks raw frames, and handlers that record.
namespace galaxy::push {

using h2::Block;
using h2::Fields;
using h2::Frame;

// What happened to one exchange.
struct Seen {
  std::string body;
  bool body_end = false;
  bool destroyed = false;
  int progress = 0;
  std::vector<Error> aborted;
};

class Recorder final : public ExchangeHandler {
 public:
  Recorder(Seen& seen, std::function<void(std::string_view)> on_body)
      : seen_(seen), on_body_(std::move(on_body)) {}
  ~Recorder() override { seen_.destroyed = true; }
  void OnBody(std::string_view bytes) override {
    seen_.body += bytes;
    if (on_body_) on_body_(bytes);
  }
  void OnBodyEnd() override { seen_.body_end = true; }
  void OnAborted(const Error& error) override { seen_.aborted.push_back(error); }
  void OnProgress() override { ++seen_.progress; }

 private:
  Seen& seen_;
  std::function<void(std::string_view)> on_body_;
};

// A source that yields what was put into it.
class Stock final : public BodySource {
 public:
  State Pull(size_t bytes_max, SliceList& out) override {
    ++pulls;
    size_t size = std::min(bytes_max, bytes.size() - at);
    if (size > 0) out.push_back({nullptr, std::string_view(bytes).substr(at, size)});
    at += size;
    if (on_pull) on_pull();
    if (at < bytes.size()) return State::kMore;
    return end ? State::kEnd : State::kWait;
  }
  std::string bytes;
  size_t at = 0;
  int pulls = 0;
  bool end = false;
  std::function<void()> on_pull;
};

class Http2Server : public testing::Test, public RequestHandler {
 protected:
  Http2Server() {
    Connect();
    Send(std::string(h2::kPreface) + Frame(h2::kSettings, 0, 0, "") +
         Frame(h2::kSettings, h2::kAck, 0, ""));
    Receive();
  }
  ~Http2Server() override {
    server_.reset();
    nghttp2_hd_inflate_del(inflater_);
  }

  void Connect(std::string unread = "") {
    socket_ = std::make_shared<FakeSocket>();
    server_ = NewHttp2ServerConnection(loop_, std::make_unique<FakeConnection>(socket_),
                                       std::move(unread), limits_, *this, stats_,
                                       [this](ServerConnection*) { ++gone_; });
    loop_.Poll();
  }

  void OnRequest(Exchange& exchange) override {
    last_ = exchange.weak_from_this();
    requests_.push_back(exchange.request());
    if (on_request_) return on_request_(exchange);
    exchange.SetHandler(std::make_unique<Recorder>(seen_, on_body_));
  }

  void Send(std::string_view bytes) {
    if (socket_->handler != nullptr) socket_->handler->OnBytes(bytes);
    loop_.Poll();
  }
  void SendHeaders(int32_t stream, int flags = h2::kEndHeaders, Fields extra = {}) {
    Send(HeadersFrame(stream, flags, std::move(extra)));
  }
  static std::string HeadersFrame(int32_t stream, int flags = h2::kEndHeaders, Fields extra = {}) {
    Fields fields = {
        {":method", "POST"}, {":scheme", "http"}, {":path", "/p?q=1"}, {":authority", "here"}};
    fields.insert(fields.end(), extra.begin(), extra.end());
    return Frame(h2::kHeaders, flags, stream, Block(fields));
  }
  void WindowUpdate(int32_t stream, uint32_t bytes) {
    Send(Frame(h2::kWindowUpdate, 0, stream, h2::U32(bytes)));
  }
  void Advance(uint64_t ms) {
    clock_.Advance(ms);
    loop_.Poll();
  }
  // The kernel takes so much more.
  void Writable(size_t bytes) {
    socket_->capacity = bytes;
    socket_->handler->OnWritable();
    loop_.Poll();
  }

  std::vector<RawFrame> Receive() { return h2::TakeFrames(socket_->written); }
  std::vector<RawFrame> Receive(int type) {
    std::vector<RawFrame> frames = Receive();
    std::erase_if(frames, [&](const RawFrame& frame) { return frame.type != type; });
    return frames;
  }
  std::map<std::string, std::string> Decode(const RawFrame& frame) {
    std::map<std::string, std::string> out;
    auto* at = reinterpret_cast<const uint8_t*>(frame.payload.data());
    size_t left = frame.payload.size();
    for (;;) {
      nghttp2_nv field;
      int flags = 0;
      ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, at, left, 1);
      if (used < 0) ADD_FAILURE() << "HPACK";
      if (used < 0) return out;
      at += used;
      left -= static_cast<size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        out[{reinterpret_cast<char*>(field.name), field.namelen}] = {
            reinterpret_cast<char*>(field.value), field.valuelen};
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return out;
  }
  static size_t DataBytes(const std::vector<RawFrame>& frames) {
    size_t bytes = 0;
    for (const RawFrame& frame : frames) {
      if (frame.type == h2::kData) bytes += frame.payload.size();
    }
    return bytes;
  }
  std::shared_ptr<Exchange> last() { return last_.lock(); }
  uint64_t Abuse(HttpAbuse kind) const { return stats_.abuse[static_cast<size_t>(kind)]; }
  // A request whose response is `stock_`.
  std::shared_ptr<Exchange> Serve(int32_t stream = 1) {
    SendHeaders(stream);
    last()->SendHead({}, &stock_);
    loop_.Poll();
    return last();
  }

  FakeClock clock_;
  Loop loop_{clock_};
  HttpLimits limits_;
  HttpStats stats_;
  Stock stock_;
  Seen seen_;
  int gone_ = 0;
  std::vector<RequestHead> requests_;
  std::function<void(Exchange&)> on_request_;
  std::function<void(std::string_view)> on_body_;
  std::weak_ptr<Exchange> last_;
  std::shared_ptr<FakeSocket> socket_;
  std::unique_ptr<ServerConnection> server_;
  nghttp2_hd_inflater* inflater_ = [] {
    nghttp2_hd_inflater* inflater = nullptr;
    nghttp2_hd_inflate_new(&inflater);
    return inflater;
  }();
};

}  // namespace galaxy::push
