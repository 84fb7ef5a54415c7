#include "http/http2_server_fixture.h"

namespace galaxy::push {
namespace {

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
  SendHeaders(1, h2::kEndHeaders | h2::kEndStream);
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
  SendHeaders(1, h2::kEndHeaders | h2::kEndStream);
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
  SendHeaders(1, h2::kEndHeaders | h2::kEndStream);
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

// semantics.md 6.3: the kernel may hold more than a slow link carries in ten seconds.
TEST_F(Http2Server, APeerBehindASlowLinkIsNotTakenForDeadBeforeThePingIsThere) {
  Send(Frame(h2::kSettings, 0, 0, h2::Setting(4, 100'000'000)));
  WindowUpdate(0, 100'000'000);
  stock_.bytes = std::string(500'000, 'x');
  SendHeaders(1);
  last()->SendHead({}, &stock_);
  Advance(1'000);
  socket_->unsent = 500'000;  // the kernel took all of it
  Advance(20'000);
  ASSERT_EQ(Receive(h2::kPing).size(), 1u);
  for (; socket_->unsent > 0; socket_->unsent -= 50'000) {
    Advance(5'000);
    ASSERT_EQ(gone_, 0) << socket_->unsent;
  }
  Advance(10'020);  // since the PING is there
  EXPECT_EQ(gone_, 0);
  Advance(10'020);
  EXPECT_EQ(gone_, 1);
}

// semantics.md 6.3
TEST_F(Http2Server, APeerWhoseKernelTakesMoreAndMoreBehindThePingIsDead) {
  Send(Frame(h2::kSettings, 0, 0, h2::Setting(4, 100'000'000)));
  WindowUpdate(0, 100'000'000);
  SendHeaders(1);
  last()->SendHead({}, &stock_);
  Advance(20'020);
  ASSERT_EQ(Receive(h2::kPing).size(), 1u);
  for (int i = 0; i < 20 && gone_ == 0; ++i) {
    stock_.bytes += "a little";
    last()->Wake();
    socket_->unsent = static_cast<size_t>(i % 2);
    Advance(1'000);
  }
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
