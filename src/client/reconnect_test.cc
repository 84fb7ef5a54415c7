#include "client/reconnect.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

TEST(Reconnect, AByeIsFollowedByItsVerdict) {
  EXPECT_EQ(EndOfBye({4503, "logout", "never", 0}).verdict, Verdict::kNever);
  EXPECT_EQ(EndOfBye({4502, "", "reauthenticate", 0}).verdict, Verdict::kReauthenticate);
  ConnectionEnd end = EndOfBye({1001, "drain", "resume", 700});
  EXPECT_EQ(end.verdict, Verdict::kResume);
  EXPECT_EQ(end.retry_after_ms, 700u);
}

TEST(Reconnect, AnUnknownVerdictIsReadFromTheCode) {
  EXPECT_EQ(EndOfBye({4577, "", "sing", 0}).verdict, Verdict::kReauthenticate);
  EXPECT_EQ(EndOfBye({4477, "", "", 0}).verdict, Verdict::kResume);
}

// edge-protocol.md: 4000-4499 come back as you are, 4500-4999 not as you are.
TEST(Reconnect, ACloseCodeAloneTellsEnough) {
  for (uint16_t code : {1000, 1001, 1005, 1006, 1011, 4000, 4453, 4499})
    EXPECT_EQ(EndOfClose(code, "").verdict, Verdict::kResume) << code;
  for (uint16_t code : {4500, 4503, 4999})
    EXPECT_EQ(EndOfClose(code, "").verdict, Verdict::kReauthenticate) << code;
}

TEST(Reconnect, ARefusedUpgradeIsReadFromItsStatus) {
  EXPECT_EQ(EndOfRefusal({401, {}}).verdict, Verdict::kReauthenticate);
  EXPECT_EQ(EndOfRefusal({404, {}}).verdict, Verdict::kNever);
  EXPECT_EQ(EndOfRefusal({400, {}}).verdict, Verdict::kNever);
  for (int status : {408, 421, 429, 500, 503, 302})
    EXPECT_EQ(EndOfRefusal({status, {}}).verdict, Verdict::kResume) << status;
  EXPECT_EQ(EndOfRefusal({503, {{"retry-after", "7"}}}).retry_after_ms, 7000u);
  EXPECT_EQ(EndOfRefusal({503, {{"retry-after", "Mon, 01 Jan"}}}).retry_after_ms, 0u);
}

TEST(Reconnect, AProblemSaysMoreThanItsStatus) {
  ConnectionEnd end = EndOfRefusal(
      {401, {}}, R"({"status":401,"code":"session_revoked","verdict":"never","detail":"stolen"})");
  EXPECT_EQ(end.verdict, Verdict::kNever);
  EXPECT_EQ(end.code, 4503u);
  EXPECT_EQ(end.reason, "stolen");
  EXPECT_EQ(EndOfRefusal({401, {}}, R"({"verdict":7,"code":[]})").verdict,
            Verdict::kReauthenticate);
  EXPECT_EQ(EndOfRefusal({401, {}}, "<html>").code, 401u);
}

TEST(Reconnect, AStatusOfTheGatewayCarriesTheVerdict) {
  GrpcEnd status{.status = GrpcStatus::kUnauthenticated,
                 .message = "stolen",
                 .trailers = {{"push-code", "4503"}, {"push-verdict", "never"}},
                 .from_server = true};
  ConnectionEnd end = EndOfStatus(status);
  EXPECT_EQ(end.verdict, Verdict::kNever);
  EXPECT_EQ(end.code, 4503u);
  EXPECT_EQ(end.reason, "stolen");
  status.trailers = {};  // something between us and the gateway said it
  EXPECT_EQ(EndOfStatus(status).verdict, Verdict::kReauthenticate);
  EXPECT_EQ(EndOfStatus(status).code, 1006u);
  status.from_server = false;
  EXPECT_EQ(EndOfStatus(status).verdict, Verdict::kResume) << "the connection was lost";
  status = {.status = GrpcStatus::kUnavailable,
            .trailers = {{"push-code", "1001"}, {"push-retry-after-ms", "700"}},
            .from_server = true};
  EXPECT_EQ(EndOfStatus(status).verdict, Verdict::kResume);
  EXPECT_EQ(EndOfStatus(status).retry_after_ms, 700u);
  status.trailers = {{"push-retry-after-ms", "86400000"}};
  EXPECT_EQ(EndOfStatus(status).retry_after_ms, 0u) << "nobody waits for a day";
}

// semantics.md 7.7: each transport says it in its own way.
TEST(Reconnect, ARedirectIsReadFromWhateverSaysIt) {
  EXPECT_EQ(EndOfBye({4307, "", "resume", 0, "https://b.example"}).redirect, "https://b.example");
  ConnectionEnd problem = EndOfRefusal(
      {300, {}}, R"({"code":"redirected","verdict":"resume","url":"https://b.example"})");
  EXPECT_EQ(problem.code, 4307u);
  EXPECT_EQ(problem.redirect, "https://b.example");
  GrpcEnd status{.status = GrpcStatus::kUnavailable,
                 .trailers = {{"push-code", "4307"}, {"push-url", "https://b.example"}},
                 .from_server = true};
  EXPECT_EQ(EndOfStatus(status).redirect, "https://b.example");
}

ConnectionEnd To(std::string url) { return {.code = 4307, .redirect = std::move(url)}; }

// semantics.md 7.7
TEST(Redirects, GoWhereAGatewaySaysAndHomeAfterTheNextEnd) {
  Redirects redirects(*ServerUrl::Parse("wss://push.example/v1/events?x=1"));
  EXPECT_EQ(redirects.place().address.ToString(), "push.example:443");
  ASSERT_TRUE(redirects.OnEnd(To("https://b.example:8443")));
  EXPECT_EQ(redirects.place().scheme, "wss");
  EXPECT_EQ(redirects.place().address.ToString(), "b.example:8443");
  EXPECT_EQ(redirects.place().target, "/v1/events?x=1");
  EXPECT_FALSE(redirects.OnEnd({.code = 1001}));
  EXPECT_EQ(redirects.place().address.ToString(), "push.example:443");
  EXPECT_FALSE(redirects.OnEnd({.code = 1001, .redirect = "https://b.example"})) << "another code";
}

// semantics.md 7.7
TEST(Redirects, ThreeInARowAreFollowed) {
  Redirects redirects(*ServerUrl::Parse("https://push.example/v1/events"));
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(redirects.OnEnd(To("https://b.example")));
    EXPECT_FALSE(redirects.OnEnd(To("https://b.example")));
    EXPECT_EQ(redirects.place().address.host, "push.example");
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(redirects.OnEnd(To("https://b.example")));
    redirects.OnWelcome();
  }
}

// semantics.md 7.7: the token goes along.
TEST(Redirects, NeverLeadToALessSafeLine) {
  Redirects safe(*ServerUrl::Parse("https://push.example/v1/events"));
  for (const char* url :
       {"http://b.example", "ws://b.example", "ftp://b.example", "", "b.example"}) {
    EXPECT_FALSE(safe.OnEnd(To(url))) << url;
    EXPECT_EQ(safe.place().address.host, "push.example") << url;
  }
  Redirects plain(*ServerUrl::Parse("ws://127.0.0.1:80/v1/events"));
  ASSERT_TRUE(plain.OnEnd(To("http://127.0.0.1:81")));
  EXPECT_EQ(plain.place().scheme, "ws");
  ASSERT_TRUE(plain.OnEnd(To("https://b.example")));
  EXPECT_EQ(plain.place().scheme, "wss");
}

}  // namespace
}  // namespace galaxy::push
