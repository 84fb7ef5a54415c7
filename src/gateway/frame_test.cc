#include "gateway/frame.h"

#include <gtest/gtest.h>

#include "galaxy/gateway/v1/edge.pb.h"
#include "gateway/client_frame.h"

namespace galaxy::push {
namespace {

namespace pb = ::galaxy::gateway::v1;

TEST(ClientFrame, HelloAndRefreshAreAllAClientSays) {
  auto hello = ParseJsonClientFrame("{\"hello\":{\"token\":\"t\",\"cursor\":\"c\",\"more\":1}}");
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->kind, ClientFrame::Kind::kHello);
  EXPECT_EQ(hello->token, "t");
  EXPECT_EQ(hello->cursor, "c");
  EXPECT_EQ(ParseJsonClientFrame("{\"refresh\":{\"token\":\"t\"}}")->kind,
            ClientFrame::Kind::kRefresh);
  for (const char* bad :
       {"", "[]", "{}", "{\"hello\":1}", "{\"hello\":{}}", "{\"hello\":{\"token\":1}}",
        "{\"hello\":{\"token\":\"t\",\"cursor\":1}}", "{\"hello\":{\"token\":\"t\"},\"x\":1}",
        "{\"hello\":{\"token\":\"t\"},\"hello\":{\"token\":\"u\"}}", "{\"ping\":{}}",
        "{\"refresh\":{\"cursor\":\"c\"}}", "{\"hello\":{\"token\":\"t\"}} x",
        "{\"hello\":", "{\"hello\":{\"token\":[[[[[[1]]]]]]}}", "\xff"}) {
    auto refused = ParseJsonClientFrame(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, Code::kBadRequest) << bad;
  }
}

TEST(ClientFrame, ProtobufSaysTheSame) {
  pb::ClientFrame hello;
  hello.mutable_hello()->set_token("t");
  hello.mutable_hello()->set_cursor("c");
  auto frame = ParseProtoClientFrame(hello.SerializeAsString());
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->kind, ClientFrame::Kind::kHello);
  EXPECT_EQ(frame->token, "t");
  EXPECT_EQ(frame->cursor, "c");
  pb::ClientFrame refresh;
  refresh.mutable_refresh()->set_token("t");
  EXPECT_EQ(ParseProtoClientFrame(refresh.SerializeAsString())->kind, ClientFrame::Kind::kRefresh);

  pb::ClientFrame no_token;
  no_token.mutable_hello()->set_cursor("c");
  for (std::string bad :
       {std::string(), no_token.SerializeAsString(), hello.SerializeAsString().substr(0, 4),
        std::string("\x0a\x03\x0a\x01\xff", 5), std::string("{\"hello\":{\"token\":\"t\"}}")}) {
    auto refused = ParseProtoClientFrame(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, Code::kBadRequest) << bad;
  }
}

// The forms of one frame say the same, member by member.
TEST(Frame, ProtobufSaysWhatJsonSays) {  // docs/edge-protocol.md
  auto said = [](const ControlFrame& frame) {
    pb::Frame message;
    EXPECT_TRUE(message.ParseFromString(FrameProto(frame)));
    return message;
  };
  pb::Frame welcome = said(WelcomeFrame{.session = "s",
                                        .user = "u",
                                        .resume = WelcomeResume::kGap,
                                        .reason = "evicted",
                                        .head = "h",
                                        .heartbeat_ms = 25'000,
                                        .now_ms = 1'763'850'000'123,
                                        .token_expires_ms = 1'763'853'600'000});
  EXPECT_EQ(welcome.welcome().session() + welcome.welcome().user(), "su");
  EXPECT_EQ(welcome.welcome().resume() + welcome.welcome().reason(), "gapevicted");
  EXPECT_EQ(welcome.welcome().head(), "h");
  EXPECT_EQ(welcome.welcome().heartbeat_ms(), 25'000u);
  EXPECT_EQ(welcome.welcome().now_ms(), 1'763'850'000'123u);
  EXPECT_EQ(welcome.welcome().token_expires_ms(), 1'763'853'600'000u);
  EXPECT_EQ(said(CaughtUpFrame{"c"}).caught_up().cursor(), "c");
  EXPECT_EQ(said(PositionFrame{"c"}).position().cursor(), "c");
  pb::Frame gap = said(GapFrame{.reason = "unknown", .head = "h", .spread_ms = 30'000});
  EXPECT_EQ(gap.gap().reason() + gap.gap().head(), "unknownh");
  EXPECT_EQ(gap.gap().spread_ms(), 30'000u);
  EXPECT_EQ(said(RefreshedFrame{5}).refreshed().token_expires_ms(), 5u);
  pb::Frame bye = said(Farewell{.code = Code::kDrain, .reason = "", .retry_after_ms = 500});
  EXPECT_EQ(bye.bye().code(), 1001u);
  EXPECT_EQ(bye.bye().reason() + bye.bye().verdict(), "drainresume");
  EXPECT_EQ(bye.bye().retry_after_ms(), 500u);
}

TEST(Frame, SharedFrameIsMadeOnceForEachEncoding) {
  SharedFrame frame(PositionFrame{"c"}, "c");
  for (size_t i = 0; i < kEncodingCount; ++i) {
    auto encoding = static_cast<Encoding>(i);
    const char* first = frame.In(encoding).bytes.data();
    EXPECT_EQ(frame.In(encoding).bytes.data(), first) << EncodingName(encoding);
  }
}

TEST(Frame, ByeSaysWhatToDo) {
  EXPECT_EQ(FrameJson(Farewell{.code = Code::kDrain, .reason = "", .retry_after_ms = 500}),
            "{\"bye\":{\"code\":1001,\"reason\":\"drain\",\"verdict\":\"resume\","
            "\"retry_after_ms\":500}}");
  EXPECT_EQ(FrameJson(Farewell{.code = Code::kUserRevoked, .reason = "a\"b"}),
            "{\"bye\":{\"code\":4503,\"reason\":\"a\\\"b\",\"verdict\":\"reauthenticate\"}}");
}

TEST(Frame, EveryEndOfAConnectionKeepsTheClassOfItsCode) {  // docs/edge-protocol.md
  for (int i = 0; i < kCodeCount; ++i) {
    const CodeInfo& info = Describe(static_cast<Code>(i));
    if (info.close_code < 4400) continue;
    EXPECT_EQ(info.close_code < 4500, info.verdict == Verdict::kResume) << info.name;
  }
}

TEST(Frame, SseCarriesTheCursorAsItsId) {
  std::string out;
  AppendFrame(out, Encoding::kSse, "c-1", PositionFrame{"c-1"});
  AppendContent(out, Encoding::kSse, "", "{}");
  EXPECT_EQ(out, "id: c-1\ndata: {\"position\":{\"cursor\":\"c-1\"}}\n\ndata: {}\n\n");
}

}  // namespace
}  // namespace galaxy::push
