// What the clients' port reads and writes, without sockets: docs/edge-protocol.md.
#include "gateway/edge_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace galaxy::push
