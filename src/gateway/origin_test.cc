#include "gateway/origin.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

RequestHead Page(const std::string& origin, const std::string& authority = "push.example",
                 const std::string& scheme = "https") {
  RequestHead head;
  head.method = "GET";
  head.scheme = scheme;
  head.authority = authority;
  if (!origin.empty()) head.headers.Add("origin", origin);
  return head;
}

std::string FieldOf(const Headers& headers, std::string_view name) {
  return std::string(headers.Get(name).value_or("(none)"));
}

Headers Cors(const RequestHead& request, const std::vector<std::string>& listed) {
  Headers headers;
  AddCors(request, listed, headers);
  return headers;
}

// semantics.md 10.3
TEST(CookieOrigin, IsTheRequestsOwnOrAListedOne) {
  const std::vector<std::string> listed = {"https://game.example", "http://localhost:8080"};
  struct {
    const char *origin, *authority, *scheme;
    bool counts;
  } cases[] = {{"https://push.example", "push.example", "https", true},
               {"https://push.example", "PUSH.example:443", "https", true},
               {"http://push.example", "push.example:80", "http", true},
               {"http://push.example", "push.example", "https", false},
               {"https://push.example:444", "push.example", "https", false},
               {"https://push.example", "push.example:80", "https", false},
               {"https://game.example", "push.example", "https", true},
               {"https://game.example.evil", "push.example", "https", false},
               {"https://evil/https://game.example", "push.example", "https", false},
               {"http://localhost:8080", "push.example", "https", true},
               {"http://localhost:8081", "push.example", "https", false},
               {"null", "push.example", "https", false},
               {"*", "push.example", "https", false},
               {"", "push.example", "https", false}};
  for (const auto& c : cases) {
    EXPECT_EQ(CookieCounts(Page(c.origin, c.authority, c.scheme), listed), c.counts)
        << c.origin << " to " << c.scheme << "://" << c.authority;
  }
}

// semantics.md 10.3
TEST(CookieOrigin, IsNotMetByAStar) {
  EXPECT_FALSE(CookieCounts(Page("https://evil.example"), {"*"}));
  EXPECT_FALSE(CookieCounts(Page("*"), {"*"}));
}

// semantics.md 10.3
TEST(CookieOrigin, IsToldByTheBrowserWhenItSendsNone) {
  RequestHead page = Page("");
  page.headers.Add("sec-fetch-site", "same-origin");
  EXPECT_TRUE(CookieCounts(page, {}));
  for (const char* site : {"same-site", "cross-site", "none", ""}) {
    page.headers.Set("sec-fetch-site", site);
    EXPECT_FALSE(CookieCounts(page, {})) << site;
  }
  // It does not outweigh an Origin.
  page = Page("https://evil.example");
  page.headers.Add("sec-fetch-site", "same-origin");
  EXPECT_FALSE(CookieCounts(page, {}));
}

// semantics.md 10.3
TEST(CookieOrigin, ThatIsDoubledIsNone) {
  RequestHead page = Page("https://push.example");
  page.headers.Add("origin", "https://evil.example");
  EXPECT_FALSE(CookieCounts(page, {}));
}

// semantics.md 10.3
TEST(Cors, OnlyListedOriginsAreNamed) {
  auto named = [](const std::string& origin, const std::vector<std::string>& listed) {
    return FieldOf(Cors(Page(origin), listed), "access-control-allow-origin");
  };
  EXPECT_EQ(named("http://a", {"http://a"}), "http://a");
  EXPECT_EQ(named("http://a.evil", {"http://a"}), "(none)");
  EXPECT_EQ(named("http://a", {}), "(none)");
  EXPECT_EQ(named("http://anything", {"*"}), "http://anything");
  EXPECT_EQ(named("", {"*"}), "(none)");
}

// semantics.md 10.3
TEST(Cors, CookiesAreForThoseListedByName) {
  auto credentials = [](const std::vector<std::string>& listed) {
    return FieldOf(Cors(Page("http://a"), listed), "access-control-allow-credentials");
  };
  EXPECT_EQ(credentials({"http://a"}), "true");
  EXPECT_EQ(credentials({"*", "http://a"}), "true");
  EXPECT_EQ(credentials({"*"}), "(none)");
}

// semantics.md 10.3
TEST(Cors, AnswersVaryWithTheOrigin) {
  EXPECT_EQ(FieldOf(Cors(Page("http://b"), {"http://a"}), "vary"), "origin");
  EXPECT_EQ(FieldOf(Cors(Page(""), {"http://a"}), "vary"), "origin");
  EXPECT_EQ(FieldOf(Cors(Page("http://a"), {}), "vary"), "(none)");
}

TEST(Cors, ReplacesWhatTheApplicationSaid) {
  Headers headers{{"access-control-allow-origin", "*"}};
  AddCors(Page("http://a"), {"http://a"}, headers);
  EXPECT_EQ(headers.Count("access-control-allow-origin"), 1u);
  EXPECT_EQ(FieldOf(headers, "access-control-allow-origin"), "http://a");
}

TEST(Preflight, IsToldFromAnOrdinaryOptions) {
  RequestHead page = Page("http://a");
  page.method = "OPTIONS";
  EXPECT_FALSE(IsPreflight(page));
  page.headers.Add("access-control-request-method", "PUT");
  EXPECT_TRUE(IsPreflight(page));
  Headers events, any;
  page.headers.Add("access-control-request-headers", "x-own");
  AddPreflight(page, false, events);
  EXPECT_EQ(FieldOf(events, "access-control-allow-methods"), "GET");
  AddPreflight(page, true, any);
  EXPECT_EQ(FieldOf(any, "access-control-allow-methods"), "PUT");
  EXPECT_EQ(FieldOf(any, "access-control-allow-headers"), "x-own");
}

TEST(Origins, AreThoseThatABrowserSends) {
  EXPECT_TRUE(
      CheckOrigins({"*", "https://game.example", "http://localhost:8080", "http://[::1]:1"}));
  for (const char* bad :
       {"game.example", "https://game.example/", "https://Game.example", "https://game.example:443",
        "http://game.example:80", "null", "ftp://a", "wss://a", "https://u@a", "https://a?b", ""}) {
    auto checked = CheckOrigins({bad});
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().field, "origins");
  }
}

}  // namespace
}  // namespace galaxy::push
