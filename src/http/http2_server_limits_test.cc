#include "http/http2_server_fixture.h"

namespace galaxy::push {
namespace {

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
  EXPECT_EQ(Abuse(HttpAbuse::kResetFlood), 1u);
}

TEST_F(Http2Server, CancellingAHundredCallsASecondIsWelcome) {
  for (int32_t stream = 1; stream < 10'000; stream += 2) {
    Send(HeadersFrame(stream) + Frame(h2::kReset, 0, stream, h2::U32(8)));
    Advance(10);
  }
  EXPECT_TRUE(Receive(h2::kGoaway).empty());
  EXPECT_EQ(requests_.size(), 5000u);
}

// semantics.md 10.4
TEST_F(Http2Server, CutsOffFloodsOfFramesThatCostThePeerNothing) {
  struct Flood {
    HttpAbuse kind;
    std::string frame;
  };
  const std::string padded = std::string(1, '\3') + std::string(3, '\0');
  for (const Flood& flood : {
           Flood{HttpAbuse::kPingFlood, Frame(h2::kPing, 0, 0, "12345678")},
           Flood{HttpAbuse::kPingFlood, Frame(h2::kPing, h2::kAck, 0, "12345678")},
           Flood{HttpAbuse::kPingFlood, Frame(h2::kGoaway, 0, 0, std::string(8, '\0'))},
           Flood{HttpAbuse::kSettingsFlood, Frame(h2::kSettings, 0, 0, h2::Setting(3, 100))},
           Flood{HttpAbuse::kPriorityFlood,
                 Frame(h2::kPriority, 0, 1, std::string("\0\0\0\0\1", 5))},
           Flood{HttpAbuse::kEmptyDataFlood, Frame(h2::kData, 0, 1, "")},
           Flood{HttpAbuse::kEmptyDataFlood, Frame(h2::kData, h2::kPadded, 1, padded)},
           Flood{HttpAbuse::kWindowUpdateFlood, Frame(h2::kWindowUpdate, 0, 0, h2::U32(1))},
           Flood{HttpAbuse::kWindowUpdateFlood, Frame(h2::kWindowUpdate, 0, 1, h2::U32(1))},
       }) {
    stats_ = {};
    Connect(std::string(h2::kPreface) + Frame(h2::kSettings, 0, 0, "") + HeadersFrame(1));
    int sent = 0;
    while (!socket_->half_closed && !socket_->reset && ++sent < 5000) Send(flood.frame);
    EXPECT_LE(sent, 1010) << HttpAbuseName(flood.kind);
    EXPECT_GE(sent, 990) << HttpAbuseName(flood.kind);
    EXPECT_EQ(Abuse(flood.kind), 1u) << HttpAbuseName(flood.kind);
    EXPECT_EQ(stats_.refused_total, 1u) << HttpAbuseName(flood.kind);
  }
}

// semantics.md 10.4: CVE-2019-9511. A window that is opened by a byte at a time.
TEST_F(Http2Server, CutsOffAPeerThatHasABodyCutIntoBytes) {
  stock_.bytes = std::string(100'000, 'b');
  Connect(std::string(h2::kPreface) + Frame(h2::kSettings, 0, 0, h2::Setting(4, 0)));
  Serve();
  int sent = 0;
  while (!socket_->half_closed && ++sent < 5000) WindowUpdate(1, 1);
  EXPECT_LE(sent, 1010);
  EXPECT_EQ(Abuse(HttpAbuse::kWindowUpdateFlood), 1u);
}

TEST_F(Http2Server, APeerThatReadsInSmallPiecesMayUpdateItsWindow) {
  stock_.bytes = std::string(1'000'000, 'b');
  Connect(std::string(h2::kPreface) + Frame(h2::kSettings, 0, 0, h2::Setting(4, 1024)));
  Serve();
  for (int i = 0; i < 3'000; ++i) {
    WindowUpdate(1, 300);
    WindowUpdate(0, 300);
  }
  EXPECT_GT(DataBytes(Receive()), 900'000u);
  EXPECT_EQ(stats_.refused_total, 0u);
}

// Clients of gRPC update both windows for each message, however small.
TEST_F(Http2Server, APeerMayUpdateItsWindowsForEachSmallMessage) {
  Connect(std::string(h2::kPreface) + Frame(h2::kSettings, 0, 0, ""));
  auto exchange = Serve();
  for (int i = 0; i < 3'000; ++i) {
    stock_.bytes += "four";
    exchange->Wake();
    loop_.Poll();
    WindowUpdate(1, 4);
    WindowUpdate(0, 4);
  }
  EXPECT_EQ(DataBytes(Receive()), 12'000u);
  EXPECT_EQ(stats_.refused_total, 0u);
}

// semantics.md 10.4: CVE-2024-27316.
TEST_F(Http2Server, CutsOffAHeadInEndlessContinuations) {
  std::string bytes = HeadersFrame(1, 0);
  for (int i = 0; i < 8; ++i) bytes += Frame(h2::kContinuation, 0, 1, Block({{"x", "y"}}));
  Send(bytes);
  EXPECT_FALSE(socket_->reset);
  Send(Frame(h2::kContinuation, 0, 1, Block({{"x", "y"}})));
  EXPECT_TRUE(socket_->reset);
  EXPECT_EQ(Abuse(HttpAbuse::kContinuationFlood), 1u);
  EXPECT_EQ(gone_, 1);
}

// semantics.md 10.4: a byte of HPACK that stands for four kilobytes.
TEST_F(Http2Server, CutsOffAHeadThatGrowsWhenItIsDecoded) {
  std::string large = Block({});
  large += '\x40';  // literal with incremental indexing (RFC 7541 6.2.1)
  large += std::string("\1x\x7f\x81\x1d", 5) + std::string(3'840 - 0, 'v');
  std::string head = HeadersFrame(1, 0, {});
  Send(head + Frame(h2::kContinuation, h2::kEndHeaders, 1, large + std::string(5'000, '\xbe')));
  auto goaway = Receive(h2::kGoaway);
  ASSERT_EQ(goaway.size(), 1u);
  EXPECT_EQ(h2::ReadU32(std::string_view(goaway[0].payload).substr(4)), 0xbu);
  EXPECT_EQ(Abuse(HttpAbuse::kHeadTooLarge), 1u);
  EXPECT_TRUE(requests_.empty());
}

// semantics.md 10.4: a zero window, while the peer answers every PING.
TEST_F(Http2Server, ResetsABodyThatThePeersWindowHoldsUp) {
  stock_.bytes = std::string(1'000, 'b');
  Connect(std::string(h2::kPreface) + Frame(h2::kSettings, 0, 0, h2::Setting(4, 10)));
  for (int32_t stream : {1, 3}) {
    SendHeaders(stream, h2::kEndHeaders | h2::kEndStream);
    last()->SendHead({}, &stock_);
  }
  for (int second = 0; second < 28; second += 4) {
    Advance(4'000);
    for (const RawFrame& ping : Receive(h2::kPing))
      Send(Frame(h2::kPing, h2::kAck, 0, ping.payload));
    WindowUpdate(3, 10);
  }
  EXPECT_EQ(stats_.refused_total, 0u);
  for (int second = 0; second < 16; second += 4) {
    Advance(4'000);
    WindowUpdate(3, 10);
  }
  auto resets = Receive(h2::kReset);
  ASSERT_EQ(resets.size(), 1u) << "the one that reads goes on";
  EXPECT_EQ(resets[0].stream, 1);
  EXPECT_EQ(Abuse(HttpAbuse::kSlowReader), 1u);
}

TEST_F(Http2Server, AStreamWithNothingToSendIsNotStalled) {
  Connect(std::string(h2::kPreface) + Frame(h2::kSettings, 0, 0, h2::Setting(4, 10)));
  SendHeaders(1, h2::kEndHeaders | h2::kEndStream);
  last()->SendHead({}, &stock_);
  for (int minute = 0; minute < 20; ++minute) {
    Advance(10'000);
    for (const RawFrame& ping : Receive(h2::kPing))
      Send(Frame(h2::kPing, h2::kAck, 0, ping.payload));
  }
  EXPECT_TRUE(last() != nullptr && last()->open());
  EXPECT_EQ(stats_.refused_total, 0u);
}

// semantics.md 10.4
TEST_F(Http2Server, OverflowingAWindowIsAnError) {
  stock_.bytes = std::string(1'000'000, 'b');
  Serve();
  WindowUpdate(1, 0x7fffffff);
  WindowUpdate(1, 1);
  auto resets = Receive(h2::kReset);
  ASSERT_EQ(resets.size(), 1u);
  EXPECT_EQ(h2::ReadU32(resets[0].payload), 3u);  // FLOW_CONTROL_ERROR
  for (int i = 0; i < 2; ++i) WindowUpdate(0, 0x7fffffff);
  EXPECT_EQ(Receive(h2::kGoaway).size(), 1u);
  EXPECT_GE(Abuse(HttpAbuse::kMalformed), 1u);
}

// semantics.md 10.4
TEST_F(Http2Server, ResetsARequestWhoseBodyMakesNoProgress) {
  SendHeaders(1);
  std::shared_ptr<Exchange> first = last();
  SendHeaders(3, h2::kEndHeaders, {{"content-type", "application/grpc"}});
  for (int i = 0; i < 3; ++i) {
    Advance(20'000);
    for (const RawFrame& ping : Receive(h2::kPing))
      Send(Frame(h2::kPing, h2::kAck, 0, ping.payload));
    Send(Frame(h2::kData, 0, 1, "x"));
    first->Consumed(1);
  }
  EXPECT_EQ(stats_.refused_total, 0u);
  for (int i = 0; i < 4; ++i) {
    Advance(10'000);
    for (const RawFrame& ping : Receive(h2::kPing))
      Send(Frame(h2::kPing, h2::kAck, 0, ping.payload));
  }
  EXPECT_EQ(Abuse(HttpAbuse::kSlowBody), 1u);
  EXPECT_TRUE(last()->open()) << "between messages gRPC may be silent";
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

}  // namespace
}  // namespace galaxy::push
