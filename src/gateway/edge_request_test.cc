// What the clients' port reads and writes, without sockets: docs/edge-protocol.md.
#include "gateway/edge_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/client_frame.h"
#include "gateway/frame.h"

namespace galaxy::push {
namespace {

using testing::HasSubstr;

RequestHead Request(std::string query, std::initializer_list<HeaderField> fields) {
  RequestHead head;
  head.method = "GET";
  head.path = kEventsPath;
  head.query = std::move(query);
  head.headers = fields;
  return head;
}

TEST(EventsRequest, ReadsBearerAndCursor) {
  auto read = ReadEventsRequest(Request("cursor=a%20b", {{"authorization", "bearer  tok.en "}}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->token, "tok.en");
  EXPECT_EQ(read->cursor, "a b");
  EXPECT_FALSE(ReadEventsRequest(Request("", {}))->token);
}

TEST(EventsRequest, LastEventIdGoesBeforeTheQuery) {  // a reconnect of an EventSource
  auto read = ReadEventsRequest(Request("cursor=old", {{"last-event-id", "new"}}));
  EXPECT_EQ(read->cursor, "new");
  EXPECT_EQ(ReadEventsRequest(Request("cursor=old", {{"last-event-id", ""}}))->cursor, "old");
}

TEST(EventsRequest, RefusesCredentialsInTheUrlAndDoubledOnes) {  // semantics.md 10.2
  EXPECT_EQ(ReadEventsRequest(Request("token=x", {})).error().code, Code::kBadRequest);
  EXPECT_EQ(ReadEventsRequest(Request("a=b&access_token=", {})).error().code, Code::kBadRequest);
  EXPECT_EQ(
      ReadEventsRequest(Request("", {{"authorization", "Bearer a"}, {"authorization", "Bearer b"}}))
          .error()
          .code,
      Code::kBadRequest);
  EXPECT_EQ(ReadEventsRequest(Request("", {{"authorization", "Basic eA=="}})).error().code,
            Code::kUnauthenticated);
}

TEST(EventsRequest, AcceptDecidesWhetherItIsAStream) {
  struct {
    const char* accept;
    bool stream;
  } cases[] = {{"text/event-stream", true},
               {"text/html, TEXT/EVENT-STREAM;q=0.5", true},
               {"*/*", true},
               {"text/*", true},
               {"text/html", false},
               {"text/event-stream;q=0", false},
               {"text/event-stream;q=0.0, text/html", false},
               {"text/event-streams", false}};
  for (auto& c : cases) {
    EXPECT_EQ(AcceptsEventStream({{"accept", c.accept}}), c.stream) << c.accept;
  }
  EXPECT_TRUE(AcceptsEventStream({}));
}

TEST(Cors, OnlyListedOriginsAreNamed) {
  auto allowed = [](std::vector<std::string> list, std::string origin) {
    Headers headers;
    AddCors(Request("", {{"origin", origin}}), list, headers);
    return headers.Get("access-control-allow-origin").has_value();
  };
  EXPECT_TRUE(allowed({"http://a"}, "http://a"));
  EXPECT_FALSE(allowed({"http://a"}, "http://a.evil"));
  EXPECT_FALSE(allowed({}, "http://a"));
  EXPECT_TRUE(allowed({"*"}, "http://anything"));
}

TEST(ClientFrame, HelloAndRefreshAreAllAClientSays) {
  auto hello = ParseClientFrame("{\"hello\":{\"token\":\"t\",\"cursor\":\"c\",\"more\":1}}");
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->kind, ClientFrame::Kind::kHello);
  EXPECT_EQ(hello->token, "t");
  EXPECT_EQ(hello->cursor, "c");
  EXPECT_EQ(ParseClientFrame("{\"refresh\":{\"token\":\"t\"}}")->kind, ClientFrame::Kind::kRefresh);
  for (const char* bad :
       {"", "[]", "{}", "{\"hello\":1}", "{\"hello\":{}}", "{\"hello\":{\"token\":1}}",
        "{\"hello\":{\"token\":\"t\",\"cursor\":1}}", "{\"hello\":{\"token\":\"t\"},\"x\":1}",
        "{\"hello\":{\"token\":\"t\"},\"hello\":{\"token\":\"u\"}}", "{\"ping\":{}}",
        "{\"refresh\":{\"cursor\":\"c\"}}", "{\"hello\":{\"token\":\"t\"}} x",
        "{\"hello\":", "{\"hello\":{\"token\":[[[[[[1]]]]]]}}", "\xff"}) {
    auto refused = ParseClientFrame(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, Code::kBadRequest) << bad;
  }
}

TEST(Frame, ByeSaysWhatToDo) {
  EXPECT_EQ(ByeJson({.code = Code::kDrain, .reason = "", .retry_after_ms = 500}),
            "{\"bye\":{\"code\":1001,\"reason\":\"drain\",\"verdict\":\"resume\","
            "\"retry_after_ms\":500}}");
  EXPECT_EQ(ByeJson({.code = Code::kUserRevoked, .reason = "a\"b"}),
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
  AppendFrame(out, Encoding::kSse, "c-1", PositionJson("c-1"));
  AppendFrame(out, Encoding::kSse, "", "{}");
  EXPECT_EQ(out, "id: c-1\ndata: {\"position\":{\"cursor\":\"c-1\"}}\n\ndata: {}\n\n");
}

}  // namespace
}  // namespace galaxy::push
