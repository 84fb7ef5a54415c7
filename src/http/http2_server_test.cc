#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <functional>
#include <map>

#include "http/http2_test_peer.h"
#include "http/server_connection.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

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

TEST_F(Http2Server, HandsOutARequestAndSendsItsResponse) {
  on_request_ = [](Exchange& exchange) {
    exchange.Respond({.status = 201, .headers = {{"x-a", "b"}}}, "hello");
  };
  SendHeaders(1, h2::kEndHeaders | h2::kEndStream,
              {{"cookie", "a=1"}, {"cookie", "b=2"}, {"x-c", "d"}});
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0].method, "POST");
  EXPECT_EQ(requests_[0].path, "/p");
  EXPECT_EQ(requests_[0].query, "q=1");
  EXPECT_EQ(requests_[0].authority, "here");
  EXPECT_EQ(requests_[0].version, 20);
  EXPECT_EQ(requests_[0].peer_host, "127.0.0.1");
  EXPECT_EQ(requests_[0].headers.Get("cookie"), "a=1; b=2");
  auto frames = Receive();
  ASSERT_EQ(frames.size(), 2u);
  auto head = Decode(frames[0]);
  EXPECT_EQ(head[":status"], "201");
  EXPECT_EQ(head["x-a"], "b");
  EXPECT_EQ(head["content-length"], "5");
  EXPECT_EQ(frames[1].payload, "hello");
  EXPECT_EQ(frames[1].flags, h2::kEndStream);
  EXPECT_FALSE(last());
}

TEST_F(Http2Server, LeavesOutFieldsThatWouldBreakTheMessage) {
  on_request_ = [](Exchange& exchange) {
    exchange.Respond({.status = 200,
                      .headers = {{"connection", "close"},
                                  {"x-evil", "a\r\nb: c"},
                                  {"Up", "x"},
                                  {":status", "500"},
                                  {"", "x"},
                                  {"x-good", "yes"}}},
                     "");
  };
  SendHeaders(1);
  auto head = Decode(Receive(h2::kHeaders).at(0));
  EXPECT_THAT(head, testing::UnorderedElementsAre(testing::Pair(":status", "200"),
                                                  testing::Pair("x-good", "yes"),
                                                  testing::Pair("content-length", "0")));
}

TEST_F(Http2Server, AnswersHeadWithoutABody) {
  on_request_ = [](Exchange& exchange) { exchange.Respond({}, "hello"); };
  Send(Frame(h2::kHeaders, h2::kEndHeaders | h2::kEndStream, 1,
             Block({{":method", "HEAD"}, {":scheme", "http"}, {":path", "/"}, {"host", "h"}})));
  auto frames = Receive();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].flags, h2::kEndHeaders | h2::kEndStream);
  EXPECT_EQ(Decode(frames[0])["content-length"], "5");
  EXPECT_EQ(requests_[0].authority, "h");
}

TEST_F(Http2Server, RefusesTheRestOfABodyAfterAWholeResponse) {
  on_request_ = [](Exchange& exchange) { exchange.Respond({}, "no"); };
  SendHeaders(1);
  auto frames = Receive();
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[1].flags, h2::kEndStream);
  EXPECT_EQ(frames[2].type, h2::kReset);
  EXPECT_EQ(h2::ReadU32(frames[2].payload), 0u);
}

TEST_F(Http2Server, PullsNoMoreThanTheWindowAllows) {
  Send(Frame(h2::kSettings, 0, 0, h2::Setting(4, 0)));
  stock_.bytes = std::string(100, 'x');
  Serve();
  EXPECT_EQ(stock_.pulls, 0);
  WindowUpdate(1, 30);
  EXPECT_EQ(stock_.at, 30u);
  EXPECT_EQ(DataBytes(Receive()), 30u);
}

// semantics.md 5.1, 5.2, 6.2: a stream that its peer has stalled can be ended, without another
// entry.
TEST_F(Http2Server, TrailersPassAClosedWindowAndDropTheBody) {
  Send(Frame(h2::kSettings, 0, 0, h2::Setting(4, 10)));
  stock_.bytes = std::string(100, 'x');
  auto exchange = Serve();
  EXPECT_EQ(DataBytes(Receive()), 10u);
  exchange->Finish({{"grpc-status", "10"}});
  loop_.Poll();
  auto frames = Receive();
  ASSERT_GE(frames.size(), 1u);
  EXPECT_EQ(frames[0].type, h2::kHeaders);
  EXPECT_EQ(frames[0].flags, h2::kEndHeaders | h2::kEndStream);
  EXPECT_EQ(Decode(frames[0])["grpc-status"], "10");
  WindowUpdate(0, 1000);
  EXPECT_EQ(DataBytes(Receive()), 0u);
  EXPECT_EQ(stock_.at, 10u);
  EXPECT_FALSE(exchange->open());
}

TEST_F(Http2Server, AnEndWithoutTrailersPassesAClosedWindowToo) {
  Send(Frame(h2::kSettings, 0, 0, h2::Setting(4, 10)));
  stock_.bytes = std::string(100, 'x');
  auto exchange = Serve();
  Receive();
  exchange->Finish({});
  loop_.Poll();
  auto frames = Receive();
  ASSERT_GE(frames.size(), 1u);
  EXPECT_TRUE(frames[0].flags & h2::kEndStream);
  EXPECT_FALSE(exchange->open());
}

TEST_F(Http2Server, TrailersFollowWhatTheLastPullYields) {
  stock_.bytes = "last words";
  stock_.on_pull = [this] { last()->Finish({{"x-end", "1"}}); };
  Serve();
  auto frames = Receive();
  ASSERT_GE(frames.size(), 3u);
  EXPECT_EQ(frames[1].payload, "last words");
  EXPECT_EQ(frames[1].flags, 0);
  EXPECT_EQ(frames[2].type, h2::kHeaders);
  EXPECT_TRUE(frames[2].flags & h2::kEndStream);
  EXPECT_EQ(stock_.pulls, 1);
}

TEST_F(Http2Server, TrailersGoOutWhileTheSourceHasNothing) {
  auto exchange = Serve();
  EXPECT_EQ(stock_.pulls, 1);
  exchange->Finish({{"x-end", "1"}});
  loop_.Poll();
  auto frames = Receive(h2::kHeaders);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_TRUE(frames[1].flags & h2::kEndStream);
}

TEST_F(Http2Server, AResponseWithoutASourceEndsWithFinish) {
  SendHeaders(1);
  last()->SendHead({}, nullptr);
  loop_.Poll();
  EXPECT_EQ(Receive(h2::kHeaders).size(), 1u);
  last()->Finish({});
  loop_.Poll();
  auto frames = Receive(h2::kData);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].flags, h2::kEndStream);
}

TEST_F(Http2Server, AWaitingSourceIsPulledAgainOnlyAfterWake) {
  auto exchange = Serve();
  EXPECT_EQ(stock_.pulls, 1);
  stock_.bytes = "more";
  WindowUpdate(1, 10);
  EXPECT_EQ(stock_.pulls, 1);
  exchange->Wake();
  loop_.Poll();
  EXPECT_EQ(DataBytes(Receive()), 4u);
}

// semantics.md 6.1: what a slow peer has not taken stays in the source, it is not copied to memory
// here.
TEST_F(Http2Server, ABlockedSocketLeavesTheBodyWithItsSource) {
  Send(Frame(h2::kSettings, 0, 0, h2::Setting(4, 100'000'000)));
  WindowUpdate(0, 100'000'000);
  stock_.bytes = std::string(10'000'000, 'x');
  SendHeaders(1);
  socket_->capacity = 100'000;
  last()->SendHead({}, &stock_);
  loop_.Poll();
  EXPECT_LE(stock_.at, 100'000u + 2 * 256 * 1024);
  EXPECT_GT(last()->QueuedBytes(), 0u);
  size_t before = stock_.at;
  last()->Wake();
  loop_.Poll();
  EXPECT_EQ(stock_.at, before);
  Writable(10'000);
  EXPECT_EQ(stock_.at, before);  // the kernel has not taken the batch yet
  while (stock_.at < stock_.bytes.size()) Writable(1'000'000);
  Writable(SIZE_MAX);
  EXPECT_EQ(DataBytes(Receive()), stock_.bytes.size());
  EXPECT_EQ(last()->QueuedBytes(), 0u);
}

TEST_F(Http2Server, TellsTheHandlerWhenBytesWereAccepted) {
  stock_.bytes = std::string(1000, 'x');
  SendHeaders(1);
  socket_->capacity = 0;
  last()->SendHead({}, &stock_);
  loop_.Poll();
  EXPECT_EQ(seen_.progress, 0);
  Writable(100);
  EXPECT_EQ(seen_.progress, 1);
  Advance(1000);
  EXPECT_EQ(seen_.progress, 1);
}

TEST_F(Http2Server, BodiesAreWrittenFromTheirOwnMemory) {
  stock_.bytes = std::string(4096, 'x');
  Serve();
  EXPECT_THAT(socket_->bases, testing::Contains(static_cast<const void*>(stock_.bytes.data())));
}

TEST_F(Http2Server, FramesAreAsLargeAsThePeerTakesThem) {
  Send(Frame(h2::kSettings, 0, 0, h2::Setting(4, 10'000'000) + h2::Setting(5, 1 << 20)));
  WindowUpdate(0, 10'000'000);
  stock_.bytes = std::string(1'000'000, 'x');
  Serve();
  auto frames = Receive(h2::kData);
  EXPECT_EQ(frames.at(0).payload.size(), 256u * 1024);
  EXPECT_EQ(DataBytes(frames), 1'000'000u);
}

TEST_F(Http2Server, WhatIsWokenInOneTurnGoesOutInOneWrite) {
  std::vector<std::shared_ptr<Exchange>> exchanges;
  for (int32_t stream : {1, 3, 5}) {
    SendHeaders(stream);
    exchanges.push_back(last());
  }
  int writes = socket_->writes;
  for (auto& exchange : exchanges) exchange->Respond({}, "answer");
  loop_.Poll();
  EXPECT_EQ(socket_->writes, writes + 1);
}

TEST_F(Http2Server, CreditIsGivenForWhatWasConsumedOnly) {
  SendHeaders(1);
  std::string chunk(16384, 'b');
  for (int i = 0; i < 16; ++i) Send(Frame(h2::kData, 0, 1, chunk));  // the whole window
  EXPECT_EQ(seen_.body.size(), 16u * 16384);
  EXPECT_TRUE(Receive(h2::kWindowUpdate).empty());
  last()->Consumed(200'000);
  loop_.Poll();
  auto updates = Receive(h2::kWindowUpdate);
  ASSERT_EQ(updates.size(), 1u);
  EXPECT_EQ(updates[0].stream, 1);
  EXPECT_EQ(h2::ReadU32(updates[0].payload), 200'000u);
}

TEST_F(Http2Server, AStreamThatIsNotConsumedLeavesRoomForOthers) {
  SendHeaders(1);
  std::string chunk(16384, 'b');
  for (int i = 0; i < 16; ++i) Send(Frame(h2::kData, 0, 1, chunk));
  SendHeaders(3);
  size_t before = seen_.body.size();
  for (int i = 0; i < 16; ++i) Send(Frame(h2::kData, 0, 3, chunk));
  EXPECT_EQ(seen_.body.size(), before + 16 * 16384);
  EXPECT_TRUE(Receive(h2::kGoaway).empty());
}

TEST_F(Http2Server, WhatAnAbortedStreamHeldIsCreditedToTheConnection) {
  std::string chunk(16384, 'b');
  size_t credited = 0;
  for (int32_t stream = 1; stream < 200; stream += 2) {
    SendHeaders(stream);
    for (int i = 0; i < 8; ++i) Send(Frame(h2::kData, 0, stream, chunk));
    Send(Frame(h2::kReset, 0, stream, h2::U32(8)));
    for (const RawFrame& frame : Receive(h2::kWindowUpdate)) {
      if (frame.stream == 0) credited += h2::ReadU32(frame.payload);
    }
  }
  EXPECT_GE(credited, 100u * 8 * 16384 - 4 * 1024 * 1024);
}

TEST_F(Http2Server, AResetByThePeerAborts) {
  SendHeaders(1);
  Send(Frame(h2::kReset, 0, 1, h2::U32(8)));
  ASSERT_EQ(seen_.aborted.size(), 1u);
  EXPECT_EQ(seen_.aborted[0].code, Code::kCancelled);
  EXPECT_TRUE(seen_.destroyed);
}

TEST_F(Http2Server, AnIncompleteRequestBodyThenItsEnd) {
  SendHeaders(1);
  Send(Frame(h2::kData, 0, 1, "ab"));
  EXPECT_FALSE(seen_.body_end);
  Send(Frame(h2::kData, h2::kEndStream, 1, "c"));
  EXPECT_EQ(seen_.body, "abc");
  EXPECT_TRUE(seen_.body_end);
}

TEST_F(Http2Server, ALostConnectionAbortsEveryExchange) {
  SendHeaders(1);
  auto exchange = last();
  socket_->handler->OnClosed({Code::kUnavailable, "gone", {}});
  EXPECT_EQ(seen_.aborted.size(), 1u);
  EXPECT_FALSE(exchange->open());
  EXPECT_EQ(gone_, 1);
  exchange->Respond({}, "does nothing");
  exchange->Wake();
  exchange->Consumed(5);
  exchange->Finish({});
  exchange->Reset(0);
  loop_.Poll();
}

TEST_F(Http2Server, MayBeDestroyedFromWithinACallback) {
  on_body_ = [this](std::string_view) { server_.reset(); };
  SendHeaders(1);
  Send(Frame(h2::kData, 0, 1, "x"));
  EXPECT_EQ(seen_.aborted.size(), 1u);
  EXPECT_TRUE(seen_.destroyed);
  EXPECT_EQ(gone_, 0);
  loop_.Poll();
}

TEST_F(Http2Server, MayBeAbortedFromWithinAPull) {
  stock_.bytes = "x";
  stock_.on_pull = [this] { server_->Abort(); };
  Serve();
  EXPECT_EQ(gone_, 1);
  EXPECT_TRUE(socket_->reset);
}

TEST_F(Http2Server, OurResetEndsTheStream) {
  SendHeaders(1);
  last()->Reset(8);
  loop_.Poll();
  EXPECT_EQ(h2::ReadU32(Receive(h2::kReset).at(0).payload), 8u);
  EXPECT_EQ(seen_.aborted.size(), 1u);
}

// ---- limits

TEST_F(Http2Server, RefusesAHeadOverTheLimitOfFields) {
  Fields many;
  for (int i = 0; i < 101; ++i) many.push_back({"x-" + std::to_string(i), "v"});
  SendHeaders(1, h2::kEndHeaders, many);
  EXPECT_EQ(Decode(Receive(h2::kHeaders).at(0))[":status"], "431");
  EXPECT_TRUE(requests_.empty());
  EXPECT_EQ(stats_.refused_total, 1u);
  SendHeaders(3);
  EXPECT_EQ(requests_.size(), 1u);
}

TEST_F(Http2Server, RefusesAHeadOverTheLimitOfBytes) {
  Fields large;
  for (int i = 0; i < 90; ++i) large.push_back({"x-" + std::to_string(i), std::string(126, 'v')});
  for (int i = 0; i < 9; ++i) large.push_back({std::string(126, 'a' + i), std::string(126, 'v')});
  SendHeaders(1, h2::kEndHeaders, large);
  EXPECT_EQ(Decode(Receive(h2::kHeaders).at(0))[":status"], "431");
  EXPECT_TRUE(requests_.empty());
}

TEST_F(Http2Server, RefusesStreamsBeyondTheMaximum) {
  limits_.streams_max = 3;
  Connect(std::string(h2::kPreface) + Frame(h2::kSettings, 0, 0, ""));
  Receive();
  for (int32_t stream : {1, 3, 5, 7}) SendHeaders(stream);
  EXPECT_EQ(requests_.size(), 3u);
  auto resets = Receive(h2::kReset);
  ASSERT_EQ(resets.size(), 1u);
  EXPECT_EQ(resets[0].stream, 7);
  // A client that has acknowledged the limit and breaks it is broken.
  Send(Frame(h2::kSettings, h2::kAck, 0, "") + HeadersFrame(9));
  EXPECT_EQ(Receive(h2::kGoaway).size(), 1u);
}

// semantics.md 10.4: CVE-2023-44487.
TEST_F(Http2Server, CutsOffRapidResets) {
  int32_t stream = 1;
  for (; stream < 10'000 && !socket_->half_closed; stream += 2) {
    Send(HeadersFrame(stream) + Frame(h2::kReset, 0, stream, h2::U32(8)));
  }
  EXPECT_LT(stream, 2 * 1010);
  auto goaway = Receive(h2::kGoaway);
  ASSERT_EQ(goaway.size(), 1u);
  EXPECT_EQ(h2::ReadU32(std::string_view(goaway[0].payload).substr(4)), 0xbu);
  EXPECT_EQ(stats_.refused_total, 1u);
}

TEST_F(Http2Server, CancellingAHundredCallsASecondIsWelcome) {
  for (int32_t stream = 1; stream < 10'000; stream += 2) {
    Send(HeadersFrame(stream) + Frame(h2::kReset, 0, stream, h2::U32(8)));
    Advance(10);
  }
  EXPECT_TRUE(Receive(h2::kGoaway).empty());
  EXPECT_EQ(requests_.size(), 5000u);
}

TEST_F(Http2Server, CutsOffFloodsOfFramesThatCostThePeerNothing) {
  SendHeaders(1);
  for (const std::string& frame :
       {Frame(h2::kPing, 0, 0, "12345678"), Frame(h2::kSettings, 0, 0, h2::Setting(3, 100)),
        Frame(h2::kPriority, 0, 1, std::string("\0\0\0\0\1", 5)), Frame(h2::kData, 0, 1, "")}) {
    Connect(std::string(h2::kPreface) + Frame(h2::kSettings, 0, 0, "") + HeadersFrame(1));
    int sent = 0;
    while (!socket_->half_closed && !socket_->reset && ++sent < 5000) Send(frame);
    EXPECT_LE(sent, 1010) << static_cast<int>(frame[3]);
  }
}

TEST_F(Http2Server, CutsOffAPeerThatDoesNotReadItsAnswers) {
  socket_->capacity = 0;
  int sent = 0;
  while (!socket_->reset && ++sent < 100'000) {
    Send(Frame(h2::kPing, 0, 0, "12345678"));
    Advance(5);
  }
  EXPECT_LE(sent, 1010);
  EXPECT_EQ(gone_, 1);
}

TEST_F(Http2Server, ClosesOnBytesThatAreNoHttp2) {
  Connect(std::string(h2::kPreface) + "GET / HTTP/1.1\r\nhost: x\r\n\r\n" + std::string(100, 'x'));
  Advance(2000);
  EXPECT_TRUE(socket_->reset || socket_->closed);
  EXPECT_EQ(gone_, 1);
  EXPECT_GE(stats_.refused_total, 1u);
}

TEST_F(Http2Server, AnswersABrokenFrameWithGoaway) {
  Send(Frame(h2::kPing, 0, 0, "123"));
  auto goaway = Receive(h2::kGoaway);
  ASSERT_EQ(goaway.size(), 1u);
  EXPECT_EQ(h2::ReadU32(std::string_view(goaway[0].payload).substr(4)), 6u);  // FRAME_SIZE_ERROR
  EXPECT_TRUE(socket_->half_closed);
  Advance(2000);
  EXPECT_TRUE(socket_->closed);
  EXPECT_EQ(gone_, 1);
}

TEST_F(Http2Server, RefusesMalformedHeads) {
  SendHeaders(1, h2::kEndHeaders, {{"connection", "close"}});
  SendHeaders(3, h2::kEndHeaders, {{"x", "a\rb"}});
  Send(Frame(h2::kHeaders, h2::kEndHeaders, 5, Block({{":method", "GET"}, {":scheme", "http"}})));
  EXPECT_TRUE(requests_.empty());
  EXPECT_EQ(Receive(h2::kReset).size(), 3u);
}

TEST_F(Http2Server, AHeadThatIsNotCompletedInTimeEndsTheConnection) {
  SendHeaders(1, 0);
  Advance(limits_.head_timeout_ms - 20);
  EXPECT_EQ(gone_, 0);
  Advance(40);
  EXPECT_EQ(gone_, 1);
  EXPECT_TRUE(socket_->reset);
}

TEST_F(Http2Server, APrefaceWithoutSettingsEndsTheConnection) {
  Connect(std::string(h2::kPreface));
  Advance(limits_.head_timeout_ms + 20);
  EXPECT_TRUE(socket_->reset);
}

TEST_F(Http2Server, AnIdleConnectionIsDrained) {
  limits_.ping_interval_ms = 1'000'000;
  Connect(std::string(h2::kPreface) + Frame(h2::kSettings, 0, 0, ""));
  Advance(limits_.idle_timeout_ms + 20);
  EXPECT_EQ(Receive(h2::kGoaway).size(), 1u);
  Advance(1000);
  EXPECT_TRUE(socket_->half_closed);
}

TEST_F(Http2Server, AConnectionWithAStreamIsNotIdle) {
  SendHeaders(1);
  for (int i = 0; i < 20; ++i) {
    Advance(20'000);
    for (const RawFrame& ping : Receive(h2::kPing)) {
      Send(Frame(h2::kPing, h2::kAck, 0, ping.payload));
    }
  }
  EXPECT_TRUE(Receive(h2::kGoaway).empty());
  EXPECT_EQ(gone_, 0);
}

// ---- keepalive

// semantics.md 6.3
TEST_F(Http2Server, PingsEveryTwentySecondsAndGivesTenForTheAnswer) {
  SendHeaders(1);
  Receive();
  Advance(19'980);
  EXPECT_TRUE(Receive(h2::kPing).empty());
  Advance(40);
  auto pings = Receive(h2::kPing);
  ASSERT_EQ(pings.size(), 1u);
  Send(Frame(h2::kPing, h2::kAck, 0, pings[0].payload));
  Advance(15'000);
  EXPECT_EQ(gone_, 0);
  Advance(5'040);
  EXPECT_EQ(Receive(h2::kPing).size(), 1u);
  Advance(9'960);
  EXPECT_EQ(gone_, 0);
  Advance(60);
  EXPECT_EQ(gone_, 1);
  EXPECT_TRUE(socket_->reset);
  ASSERT_EQ(seen_.aborted.size(), 1u);
  EXPECT_EQ(seen_.aborted[0].code, Code::kUnavailable);
}

// semantics.md 6.3
TEST_F(Http2Server, PingsAtTenSecondsAreNeverTooMany) {
  SendHeaders(1);
  Receive();
  for (int i = 0; i < 10'000; ++i) {
    Send(Frame(h2::kPing, 0, 0, "12345678"));
    Advance(10'000);
    for (const RawFrame& frame : Receive()) {
      ASSERT_NE(frame.type, h2::kGoaway);
      if (frame.flags == 0) Send(Frame(h2::kPing, h2::kAck, 0, frame.payload));
    }
  }
  EXPECT_EQ(gone_, 0);
}

TEST_F(Http2Server, ASlowReaderIsNotTakenForDead) {
  Send(Frame(h2::kSettings, 0, 0, h2::Setting(4, 100'000'000)));
  WindowUpdate(0, 100'000'000);
  stock_.bytes = std::string(10'000'000, 'x');
  SendHeaders(1);
  socket_->capacity = 0;
  last()->SendHead({}, &stock_);
  for (int i = 0; i < 30; ++i) {
    Advance(5000);
    ASSERT_EQ(gone_, 0);
    Writable(1000);
  }
  for (int i = 0; i < 3; ++i) Advance(10'020);
  EXPECT_EQ(gone_, 1);
}

// ---- drain

// semantics.md 6.5
TEST_F(Http2Server, ADrainLetsWhatIsInFlightEnd) {
  SendHeaders(1);
  auto exchange = last();
  Receive();
  server_->Drain();
  loop_.Poll();
  auto frames = Receive();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(h2::ReadU32(frames[0].payload), 0x7fffffffu);
  ASSERT_EQ(frames[1].type, h2::kPing);
  SendHeaders(3);  // was on its way
  auto late = last();
  EXPECT_EQ(requests_.size(), 2u);
  Send(Frame(h2::kPing, h2::kAck, 0, frames[1].payload));
  auto goaway = Receive(h2::kGoaway);
  ASSERT_EQ(goaway.size(), 1u);
  EXPECT_EQ(h2::ReadU32(goaway[0].payload), 3u);
  SendHeaders(5);
  EXPECT_EQ(requests_.size(), 2u);
  late->Respond({}, "late");
  loop_.Poll();
  EXPECT_FALSE(socket_->half_closed);
  exchange->Respond({}, "done");
  loop_.Poll();
  EXPECT_EQ(Receive(h2::kData).size(), 2u);
  EXPECT_TRUE(socket_->half_closed);
  socket_->handler->OnEnd();
  EXPECT_TRUE(socket_->closed);
  EXPECT_EQ(gone_, 1);
}

TEST_F(Http2Server, ADrainDoesNotWaitForASilentPeer) {
  server_->Drain();
  Advance(600);
  EXPECT_TRUE(socket_->half_closed);
  Advance(1100);
  EXPECT_EQ(gone_, 1);
}

}  // namespace
}  // namespace galaxy::push
