#include "http/http2_server_fixture.h"

namespace galaxy::push {
namespace {

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

}  // namespace
}  // namespace galaxy::push
