#include "client/received_frame.h"

#include <gtest/gtest.h>

#include "galaxy/gateway/v1/edge.pb.h"

namespace galaxy::push {
namespace {

TEST(ReceivedFrame, AWelcomeIsRead) {
  auto frame = ReceivedFrame::Parse(
      R"({"welcome":{"session":"s","user":"u","resume":"gap","reason":"evicted","head":"h",)"
      R"("heartbeat_ms":1000,"now_ms":5,"token_expires_ms":9}})");
  ASSERT_TRUE(frame);
  auto& welcome = std::get<ReceivedFrame::Welcome>(frame->content);
  EXPECT_EQ(welcome.session, "s");
  EXPECT_EQ(welcome.reason, "evicted");
  EXPECT_EQ(welcome.heartbeat_ms, 1000u);
}

TEST(ReceivedFrame, EveryOtherFrameIsRead) {
  auto read = [](std::string_view text) { return ReceivedFrame::Parse(text)->content; };
  EXPECT_EQ(std::get<ReceivedFrame::CaughtUp>(read(R"({"caught_up":{"cursor":"c"}})")).cursor, "c");
  EXPECT_EQ(std::get<ReceivedFrame::Position>(read(R"({"position":{"cursor":"c"}})")).cursor, "c");
  EXPECT_EQ(std::get<ReceivedFrame::Gap>(read(R"({"gap":{"head":"h","spread_ms":3}})")).spread_ms,
            3u);
  EXPECT_EQ(std::get<ReceivedFrame::Bye>(read(R"({"bye":{"code":4503,"verdict":"never"}})")).code,
            4503u);
  EXPECT_EQ(std::get<ReceivedFrame::Refreshed>(read(R"({"refreshed":{"token_expires_ms":4}})"))
                .token_expires_ms,
            4u);
}

TEST(ReceivedFrame, ProtobufReadsTheSame) {
  namespace pb = ::galaxy::gateway::v1;
  auto read = [](const pb::Frame& frame) {
    return ReceivedFrame::ParseProto(frame.SerializeAsString())->content;
  };
  pb::Frame frame;
  frame.mutable_welcome()->set_session("s");
  frame.mutable_welcome()->set_resume("gap");
  frame.mutable_welcome()->set_heartbeat_ms(1'000);
  auto welcome = std::get<ReceivedFrame::Welcome>(read(frame));
  EXPECT_EQ(welcome.session + welcome.resume, "sgap");
  EXPECT_EQ(welcome.heartbeat_ms, 1'000u);
  frame.mutable_caught_up()->set_cursor("c");
  EXPECT_EQ(std::get<ReceivedFrame::CaughtUp>(read(frame)).cursor, "c");
  frame.mutable_position()->set_cursor("p");
  EXPECT_EQ(std::get<ReceivedFrame::Position>(read(frame)).cursor, "p");
  frame.mutable_gap()->set_head("h");
  frame.mutable_gap()->set_spread_ms(3);
  EXPECT_EQ(std::get<ReceivedFrame::Gap>(read(frame)).spread_ms, 3u);
  frame.mutable_refreshed()->set_token_expires_ms(4);
  EXPECT_EQ(std::get<ReceivedFrame::Refreshed>(read(frame)).token_expires_ms, 4u);
  frame.mutable_bye()->set_code(4503);
  frame.mutable_bye()->set_verdict("never");
  EXPECT_EQ(std::get<ReceivedFrame::Bye>(read(frame)).verdict, "never");
  EXPECT_TRUE(std::holds_alternative<ReceivedFrame::Unknown>(read(pb::Frame())));

  frame.mutable_welcome()->set_resume("resumedd");
  EXPECT_EQ(ReceivedFrame::ParseProto(frame.SerializeAsString()).error().field, "resume");
  frame.mutable_event()->set_cursor("c");
  EXPECT_FALSE(ReceivedFrame::ParseProto(frame.SerializeAsString())) << "an event without a proof";
  EXPECT_FALSE(ReceivedFrame::ParseProto("\x0a\xff"));
}

TEST(ReceivedFrame, AFrameOfANewerGatewayIsPassedOver) {
  auto frame = ReceivedFrame::Parse(R"({"weather":{"wind":3}})");
  ASSERT_TRUE(frame);
  EXPECT_EQ(std::get<ReceivedFrame::Unknown>(frame->content).name, "weather");
}

TEST(ReceivedFrame, WhatIsNoFrameIsRefused) {
  for (const char* text :
       {"", "{}", "[]", "1", R"({"bye":1})", R"({"bye":{},"gap":{}})",
        R"({"welcome":{"session":1}})", R"({"bye":{"code":"x"}})", R"({"bye":{"code":-1}})",
        R"({"event":{}})", R"({ "event":{}})", R"({"position":{"cursor":"c"})"})
    EXPECT_FALSE(ReceivedFrame::Parse(text)) << text;
}

TEST(ReceivedFrame, AWelcomeThatDoesNotSayHowItResumesIsRefused) {
  // semantics.md 7.4
  for (const char* text : {R"({"welcome":{}})", R"({"welcome":{"resume":"resumedd"}})"}) {
    auto frame = ReceivedFrame::Parse(text);
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().field, "resume");
  }
}

// Sums of such times would overflow.
TEST(ReceivedFrame, TimesBeyondWhatJsonCarriesAreRefused) {
  EXPECT_TRUE(ReceivedFrame::Parse(R"({"welcome":{"resume":"fresh","now_ms":9007199254740991}})"));
  for (const char* text : {R"({"welcome":{"resume":"fresh","now_ms":9007199254740992}})",
                           R"({"bye":{"retry_after_ms":18446744073709551615}})",
                           R"({"gap":{"spread_ms":9223372036854775808}})"})
    EXPECT_FALSE(ReceivedFrame::Parse(text)) << text;
  galaxy::gateway::v1::Frame frame;
  frame.mutable_welcome()->set_resume("fresh");
  frame.mutable_welcome()->set_now_ms(1ull << 53);
  EXPECT_EQ(ReceivedFrame::ParseProto(frame.SerializeAsString()).error().field, "now_ms");
  frame.mutable_welcome()->set_now_ms(1);
  frame.mutable_welcome()->set_token_expires_ms(~0ull);
  EXPECT_EQ(ReceivedFrame::ParseProto(frame.SerializeAsString()).error().field, "token_expires_ms");
}

TEST(ReceivedFrame, HelloCarriesACursorOnlyWhenThereIsOne) {
  EXPECT_EQ(HelloText("t", ""), R"({"hello":{"token":"t"}})");
  EXPECT_EQ(HelloText("t", "c"), R"({"hello":{"cursor":"c","token":"t"}})");
  EXPECT_EQ(RefreshText("t"), R"({"refresh":{"token":"t"}})");
}

}  // namespace
}  // namespace galaxy::push
