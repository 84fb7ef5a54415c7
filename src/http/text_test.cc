#include "http/text.h"

#include <gtest/gtest.h>

#include "http/problem.h"

namespace galaxy::push {
namespace {

TEST(PercentDecoding, DecodesWhatIsWellFormedAndRefusesTheRest) {
  EXPECT_EQ(PercentDecode("a%20b%2Fc"), "a b/c");
  EXPECT_EQ(PercentDecode("a+b"), "a+b");
  EXPECT_EQ(PercentDecode("a+b", PlusIs::kSpace), "a b");
  EXPECT_EQ(PercentDecode("%00"), std::string(1, '\0'));
  for (const char* bad : {"%", "%2", "%zz", "a%2", "%%20"}) {
    EXPECT_EQ(PercentDecode(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(PercentEncode("a b/c~"), "a%20b%2Fc~");
}

TEST(QueryParameters, AreFoundAndDecoded) {
  RequestHead head;
  head.query = "a=1&cursor=x%2Dy+z&b&c=&a=2&%61bc=3&bad=%";
  EXPECT_EQ(head.QueryParameter("a"), "1");
  EXPECT_EQ(head.QueryParameter("cursor"), "x-y z");
  EXPECT_EQ(head.QueryParameter("b"), "");
  EXPECT_EQ(head.QueryParameter("c"), "");
  EXPECT_EQ(head.QueryParameter("abc"), "3");
  EXPECT_EQ(head.QueryParameter("bad"), std::nullopt);
  EXPECT_EQ(head.QueryParameter("missing"), std::nullopt);
}

TEST(HeaderFields, AreFoundCountedAndReplaced) {
  Headers headers{{"a", "1"}, {"b", "2"}, {"a", "3"}};
  EXPECT_EQ(headers.Get("a"), "1");
  EXPECT_EQ(headers.Count("a"), 2u);
  EXPECT_EQ(headers.Get("c"), std::nullopt);
  headers.Set("a", "4");
  EXPECT_EQ(headers.Count("a"), 1u);
  EXPECT_EQ(headers.Get("a"), "4");
}

TEST(MediaTypes, AreReadWithoutParametersInLowerCase) {
  EXPECT_EQ(MediaType("Application/JSON; charset=utf-8"), "application/json");
  EXPECT_EQ(MediaType(" text/plain "), "text/plain");
  for (const char* bad : {"", "json", "a/", "/b", "a b/c", "a/b c", ";a/b"}) {
    EXPECT_EQ(MediaType(bad), "") << bad;
  }
}

TEST(Accept, TakesTheMostSpecificRange) {
  auto accepts = [](const char* value) {
    return Accepts({{"accept", value}}, "text/event-stream");
  };
  EXPECT_TRUE(Accepts({}, "text/event-stream"));
  EXPECT_TRUE(accepts("text/event-stream"));
  EXPECT_TRUE(accepts("application/json, Text/Event-Stream;q=0.5"));
  EXPECT_TRUE(accepts("*/*"));
  EXPECT_TRUE(accepts("text/*"));
  EXPECT_TRUE(accepts("*/*;q=0, text/event-stream"));
  EXPECT_FALSE(accepts("application/json"));
  EXPECT_FALSE(accepts("text/event-stream;q=0, */*"));
  EXPECT_FALSE(accepts("text/event-stream;q=0.000"));
  EXPECT_TRUE(accepts("text/event-stream;q=0.001"));
  EXPECT_FALSE(accepts("text/event-streams"));
}

TEST(BearerTokens, AreTakenOnlyFromOneWellFormedField) {
  auto token = [](const char* value) -> std::optional<std::string> {
    Headers headers{{"authorization", value}};
    auto found = BearerToken(headers);
    return found ? std::optional<std::string>(*found) : std::nullopt;
  };
  EXPECT_EQ(token("Bearer abc"), "abc");
  EXPECT_EQ(token("bearer  abc "), "abc");
  EXPECT_EQ(token("Bearer"), std::nullopt);
  EXPECT_EQ(token("Bearer "), std::nullopt);
  EXPECT_EQ(token("Bearer a b"), std::nullopt);
  EXPECT_EQ(token("Basic abc"), std::nullopt);
  EXPECT_EQ(BearerToken({}), std::nullopt);
  EXPECT_EQ(BearerToken({{"authorization", "Bearer a"}, {"authorization", "Bearer b"}}),
            std::nullopt);
}

TEST(Cookies, AreFoundByTheirWholeName) {
  Headers headers{{"cookie", "a=1; __Host-galaxy=t.o.k; b=2"}, {"cookie", "c=\"3\""}};
  EXPECT_EQ(Cookie(headers, "__Host-galaxy"), "t.o.k");
  EXPECT_EQ(Cookie(headers, "a"), "1");
  EXPECT_EQ(Cookie(headers, "c"), "3");
  EXPECT_EQ(Cookie(headers, "galaxy"), std::nullopt);
}

TEST(Cookies, OfTheSameNameCancelEachOther) {
  EXPECT_EQ(Cookie({{"cookie", "a=1; b=2; a=1"}}, "a"), std::nullopt);
  EXPECT_EQ(Cookie({{"cookie", "a=1"}, {"cookie", "a=2"}}, "a"), std::nullopt);
}

TEST(Lists, AreSearchedForAToken) {
  Headers headers{{"connection", "keep-alive, Upgrade"}};
  EXPECT_TRUE(ListHasToken(headers, "connection", "upgrade"));
  EXPECT_FALSE(ListHasToken(headers, "connection", "up"));
  EXPECT_FALSE(ListHasToken(headers, "te", "trailers"));
}

TEST(Problems, SayWhatTheRegistrySays) {
  // docs/edge-protocol.md
  ProblemResponse stale = Problem({Code::kStale, "no news for 60 s", {}});
  EXPECT_EQ(stale.head.status, 503);
  EXPECT_EQ(stale.head.headers.Get("retry-after"), "1");
  EXPECT_EQ(stale.head.headers.Get("content-type"), "application/problem+json");
  EXPECT_EQ(stale.body,
            "{\"type\":\"urn:galaxy-push:problem:stale\",\"title\":\"The gateway cannot vouch for "
            "sessions right now.\",\"status\":503,\"detail\":\"no news for 60 "
            "s\",\"code\":\"stale\",\"verdict\":\"resume\"}\n");
  EXPECT_EQ(Problem({Code::kTooMany, "", {}}, 30).head.headers.Get("retry-after"), "30");

  ProblemResponse expired = Problem({Code::kTokenExpired, "", {}});
  EXPECT_EQ(expired.head.status, 401);
  EXPECT_EQ(expired.head.headers.Get("www-authenticate"), "Bearer error=\"invalid_token\"");
  EXPECT_EQ(expired.head.headers.Get("retry-after"), std::nullopt);

  ProblemResponse field = Problem({Code::kInvalidArgument, "bad", "user_id"});
  EXPECT_EQ(field.head.status, 400);
  EXPECT_NE(field.body.find("\"field\":\"user_id\""), std::string::npos);
}

TEST(Problems, StayJsonWhateverTheDetailHolds) {
  std::string body = ProblemBody({Code::kBadRequest, "a\"b\\c\nd\xFF", "\x01"});
  EXPECT_NE(body.find("\"detail\":\"a\\\"b\\\\c\\u000ad\\ufffd\""), std::string::npos) << body;
  EXPECT_NE(body.find("\"field\":\"\\u0001\""), std::string::npos) << body;
}

}  // namespace
}  // namespace galaxy::push
