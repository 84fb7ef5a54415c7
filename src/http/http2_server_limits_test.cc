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

// semantics.md 10.4
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

}  // namespace
}  // namespace galaxy::push
