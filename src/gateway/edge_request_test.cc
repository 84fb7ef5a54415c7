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

// semantics.md 10.3
TEST(EventsRequest, ACookieCountsForPagesOfOurOwnAndListedOriginsOnly) {
  const CookieRule rule{"__Host-galaxy", {"https://game.example"}};
  auto read = [&](std::initializer_list<HeaderField> fields, const CookieRule& by) {
    RequestHead request = Request("", fields);
    request.scheme = "https";
    request.authority = "push.example";
    request.headers.Add("cookie", "a=1; __Host-galaxy=tok.en");
    return *ReadEventsRequest(request, by);
  };
  EXPECT_EQ(read({{"origin", "https://push.example"}}, rule).token, "tok.en");
  EXPECT_EQ(read({{"origin", "https://game.example"}}, rule).token, "tok.en");
  EXPECT_FALSE(read({{"origin", "https://game.example"}}, rule).cookie_ignored);
  EventsRequest foreign = read({{"origin", "https://evil.example"}}, rule);
  EXPECT_FALSE(foreign.token);
  EXPECT_TRUE(foreign.cookie_ignored);
  EXPECT_NE(WhyNoToken(foreign).find("cookie"), std::string_view::npos);
  EXPECT_FALSE(read({}, rule).token);
  // None counts when none is wanted, and it is called otherwise by default.
  EXPECT_FALSE(read({{"origin", "https://push.example"}}, {"", {}}).token);
  EXPECT_FALSE(read({{"origin", "https://push.example"}}, {"other", {}}).token);
}

// semantics.md 10.3
TEST(EventsRequest, AHeaderGoesBeforeTheCookie) {
  RequestHead request = Request(
      "", {{"authorization", "Bearer header"}, {"cookie", "c=cookie"}, {"origin", "http://x"}});
  request.authority = "x";
  EXPECT_EQ(ReadEventsRequest(request, {"c", {}})->token, "header");
  // Also one that does not hold: the cookie is no second try.
  request.headers.Set("authorization", "Basic eA==");
  EXPECT_FALSE(ReadEventsRequest(request, {"c", {}}));
}

}  // namespace
}  // namespace galaxy::push
