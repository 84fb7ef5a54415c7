#include "backend/revocation_http.h"

#include <gtest/gtest.h>

#include "auth/mint.h"
#include "backend/log_fixture.h"
#include "http/http1_test_client.h"
#include "http/server.h"
#include "http/text.h"

namespace galaxy::push {
namespace {

using Standard = RevocationEndpoints::Standard;

class RevocationHttp : public testing::Test, public RequestHandler {
 protected:
  void OnRequest(Exchange& exchange) override {
    bool logout = exchange.request().path == "/v1/backchannel-logout";
    endpoints_.OnRequest(exchange,
                         logout ? Standard::kBackChannelLogout : Standard::kSecurityEvent);
  }
  std::string Token(const std::string& typ, const std::string& claims) {
    return SignCompact(R"({"alg":"EdDSA","typ":")" + typ + R"(","kid":")" + key_.kid() + "\"}",
                       claims, key_);
  }
  std::string Logout(const std::string& jti, const std::string& more) {
    std::string now = std::to_string(clock_.WallMs() / 1000);
    return Token(
        "logout+jwt",
        R"({"iss":"idp","aud":"galaxy","iat":)" + now + R"(,"exp":)" + now + R"(,"jti":")" + jti +
            R"(","events":{"http://schemas.openid.net/event/backchannel-logout":{}})" + more + "}");
  }
  std::string SecurityEvent(const std::string& jti) {
    return Token(
        "secevent+jwt",
        R"({"iss":"idp","aud":"galaxy","iat":)" + std::to_string(clock_.WallMs() / 1000) +
            R"(,"jti":")" + jti +
            R"(","sub_id":{"format":"iss_sub","iss":"idp","sub":"ann"},"events":)"
            R"({"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{}}})");
  }
  // The whole answer; commits what was published meanwhile, if `commit`.
  std::string Post(const std::string& path, const std::string& type, const std::string& body,
                   bool commit = true) {
    RawClient client(loop_, server_->bound());
    client.Send("POST " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: " +
                type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    TurnUntil(loop_, [&] {
      if (commit) f_.log->CommitOnce(f_.now_ms);
      return client.ended || client.closed;
    });
    return client.received;
  }
  std::string PostLogout(const std::string& token) {
    return Post("/v1/backchannel-logout", "application/x-www-form-urlencoded",
                "x=1&logout_token=" + PercentEncode(token));
  }
  std::string PostEvent(const std::string& token) {
    return Post("/v1/security-events", "application/secevent+jwt", token);
  }
  // "user/session reason" of each retained invalidation.
  std::vector<std::string> Invalidations() {
    std::vector<std::string> all;
    MessageSplitter splitter;
    auto page = f_.retained().Read({}, f_.ring().head());
    splitter.Feed(page.bytes.bytes);
    std::string_view framed;
    while (*splitter.Next(framed)) {
      EntryView view = *DecodePushEvent(EntryMessage(framed));
      all.push_back(std::string(view.user_id) + "/" + std::string(view.device_session_id) + " " +
                    std::string(view.reason));
    }
    return all;
  }

  LogFixture f_;
  FakeClock clock_;
  Loop loop_{clock_};
  TokenKey key_ = TokenKey::Generate(TokenAlg::kEdDsa);
  PublishIntake intake_{loop_, *f_.log};
  RevocationTokens tokens_ = *RevocationTokens::Create(
      {.issuers = {
           {.issuer = "idp", .audience = "galaxy", .keys = *Jwks::Parse(key_.ToPublicJwks())}}});
  int unknown_keys_ = 0;
  KeyWaits waits_{clock_, {}};
  bool fetching_ = false;
  RevocationEndpoints endpoints_{intake_, tokens_, clock_,
                                 [this](KeyWaits::Ticket& ticket, KeyWaits::Again again) {
                                   ++unknown_keys_;
                                   return fetching_ && waits_.Add(ticket, std::move(again));
                                 }};
  std::unique_ptr<HttpServer> server_ = *HttpServer::Open(loop_, {"127.0.0.1", 0}, {}, *this);
};

TEST_F(RevocationHttp, ALogoutBecomesAnInvalidation) {
  std::string got = PostLogout(Logout("1", R"(,"sub":"ann","sid":"phone")"));
  EXPECT_TRUE(got.starts_with("HTTP/1.1 200")) << got;
  EXPECT_NE(got.find("cache-control: no-store"), std::string::npos);
  EXPECT_TRUE(PostLogout(Logout("2", R"(,"sub":"bob")")).starts_with("HTTP/1.1 200"));
  EXPECT_EQ(Invalidations(), (std::vector<std::string>{"ann/phone logout", "bob/ logout"}));
}

TEST_F(RevocationHttp, TheSameTokenAgainIsAnsweredAndDoesNothing) {
  std::string token = Logout("1", R"(,"sub":"ann")");
  PostLogout(token);
  Cursor head = f_.ring().head();
  EXPECT_TRUE(PostLogout(token).starts_with("HTTP/1.1 200"));
  EXPECT_EQ(f_.ring().head(), head);
  EXPECT_EQ(endpoints_.stats(Standard::kBackChannelLogout).repeated, 1u);
}

TEST_F(RevocationHttp, ATokenThatComesLateEndsNothingThatBeganAfterIt) {
  // semantics.md 8.5
  f_.now_ms = clock_.WallMs() + 20'000;
  std::string user = Logout("1", R"(,"sub":"ann")");
  std::string session = Logout("2", R"(,"sub":"ann","sid":"phone")");
  uint64_t issued_s = clock_.WallMs() / 1000;
  clock_.Advance(20'000);
  PostLogout(user);
  EXPECT_EQ(f_.ring().head().time_ms / 1000, issued_s);
  // A session that is named has no later sign-in.
  PostLogout(session);
  EXPECT_EQ(f_.ring().head().time_ms, f_.now_ms);
}

TEST_F(RevocationHttp, AReplayAfterARestartIsAnsweredAndDoesNothing) {
  // semantics.md 8.5
  f_.now_ms = clock_.WallMs() + 100;
  std::string user = Logout("1", R"(,"sub":"ann")");
  std::string session = Logout("2", R"(,"sub":"bob","sid":"phone")");
  PostLogout(user);
  PostLogout(session);
  Cursor head = f_.ring().head();
  // The memory of the process is gone, the log is not.
  tokens_ = *RevocationTokens::Create(
      {.issuers = {
           {.issuer = "idp", .audience = "galaxy", .keys = *Jwks::Parse(key_.ToPublicJwks())}}});
  clock_.Advance(20'000);
  EXPECT_TRUE(PostLogout(user).starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(PostLogout(session).starts_with("HTTP/1.1 200"));
  EXPECT_EQ(f_.ring().head(), head);
  EXPECT_EQ(endpoints_.stats(Standard::kBackChannelLogout).repeated, 2u);
  // A logout that was issued later is another one.
  f_.now_ms += 60'000;
  PostLogout(Logout("3", R"(,"sub":"ann")"));
  EXPECT_GT(f_.ring().head(), head);
}

TEST_F(RevocationHttp, AnswersAreThoseOfTheStandards) {
  // OpenID Connect Back-Channel Logout 1.0, 2.8; RFC 8935 2.2, 2.3
  std::string done = PostLogout(Logout("1", R"(,"sub":"ann")"));
  EXPECT_TRUE(done.starts_with("HTTP/1.1 200")) << done;
  EXPECT_NE(done.find("cache-control: no-store"), std::string::npos);
  EXPECT_TRUE(done.ends_with("\r\n\r\n")) << done;  // an empty body
  std::string refused = PostLogout("no.jwt.here");
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 400")) << refused;
  EXPECT_NE(refused.find("cache-control: no-store"), std::string::npos);
  EXPECT_NE(refused.find("content-type: application/json"), std::string::npos);
  EXPECT_NE(refused.find(R"({"error":"invalid_request","error_description":")"), std::string::npos);
  std::string taken = PostEvent(SecurityEvent("2"));
  EXPECT_TRUE(taken.starts_with("HTTP/1.1 202")) << taken;
  EXPECT_TRUE(taken.ends_with("\r\n\r\n")) << taken;
  // RFC 8935 2.4 names an unknown issuer apart.
  RevocationTokens others = *RevocationTokens::Create(
      {.issuers = {
           {.issuer = "else", .audience = "galaxy", .keys = *Jwks::Parse(key_.ToPublicJwks())}}});
  std::swap(tokens_, others);
  std::string unknown = PostEvent(SecurityEvent("3"));
  EXPECT_TRUE(unknown.starts_with("HTTP/1.1 400")) << unknown;
  EXPECT_NE(unknown.find(R"({"err":"invalid_issuer","description":")"), std::string::npos);
  EXPECT_NE(unknown.find("content-type: application/json"), std::string::npos);
}

TEST_F(RevocationHttp, ASignerThatIsAnotherIsToldSo) {
  // RFC 8935 2.4
  std::string good = SecurityEvent("1");
  std::string forged = good;
  forged[good.rfind('.') + 1] = good[good.rfind('.') + 1] == 'A' ? 'B' : 'A';
  EXPECT_NE(PostEvent(forged).find(R"("err":"authentication_failed")"), std::string::npos);
  tokens_ = *RevocationTokens::Create(
      {.issuers = {
           {.issuer = "idp", .audience = "galaxy", .keys = *Jwks::Parse(key_.ToPublicJwks())},
           {.issuer = "other",
            .audience = "galaxy",
            .keys = *Jwks::Parse(key_.ToPublicJwks()),
            .user_prefix = "an"}}});
  EXPECT_NE(PostEvent(good).find(R"("err":"access_denied")"), std::string::npos);
  EXPECT_TRUE(Invalidations().empty());
}

TEST_F(RevocationHttp, ALogoutWithoutItsUserIsRefusedWithTheReason) {
  std::string got = PostLogout(Logout("1", R"(,"sid":"phone")"));
  EXPECT_TRUE(got.starts_with("HTTP/1.1 400")) << got;
  EXPECT_NE(got.find(R"("error":"invalid_request")"), std::string::npos) << got;
  EXPECT_NE(got.find("without its user"), std::string::npos) << got;
  EXPECT_TRUE(Invalidations().empty());
}

TEST_F(RevocationHttp, MalformedFormsAreRefused) {
  std::string token = Logout("1", R"(,"sub":"ann")");
  const std::string form = "application/x-www-form-urlencoded";
  for (const std::string& body :
       {std::string(), std::string("logout_token="), "logout_token=" + token + "&logout_token=x",
        std::string("logout_token=%zz"), "token=" + token,
        "logout_token=" + std::string(RevocationEndpoints::kBodyBytesMax, 'x')}) {
    EXPECT_TRUE(Post("/v1/backchannel-logout", form, body).starts_with("HTTP/1.1 400"))
        << body.substr(0, 40);
  }
  EXPECT_TRUE(Post("/v1/backchannel-logout", "application/json", "logout_token=" + token)
                  .starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(Invalidations().empty());
}

TEST_F(RevocationHttp, ASecurityEventBecomesAnInvalidation) {
  // RFC 8935 2.2
  std::string got = PostEvent(SecurityEvent("1"));
  EXPECT_TRUE(got.starts_with("HTTP/1.1 202")) << got;
  EXPECT_EQ(Invalidations(), std::vector<std::string>{"ann/ session-revoked"});
}

TEST_F(RevocationHttp, ASecurityEventThatDoesNotHoldIsRefusedInTheStandardsWords) {
  // RFC 8935 2.4
  RevocationTokens others = *RevocationTokens::Create(
      {.issuers = {
           {.issuer = "idp", .audience = "elsewhere", .keys = *Jwks::Parse(key_.ToPublicJwks())}}});
  std::swap(tokens_, others);
  std::string got = PostEvent(SecurityEvent("1"));
  EXPECT_TRUE(got.starts_with("HTTP/1.1 400")) << got;
  EXPECT_NE(got.find(R"("err":"invalid_audience")"), std::string::npos) << got;
  EXPECT_NE(got.find("content-language: en"), std::string::npos) << got;
  std::swap(tokens_, others);
  EXPECT_NE(PostEvent("no.jwt.here").find(R"("err":"invalid_request")"), std::string::npos);
  key_ = TokenKey::Generate(TokenAlg::kEdDsa);
  EXPECT_NE(PostEvent(SecurityEvent("1")).find(R"("err":"invalid_key")"), std::string::npos);
  EXPECT_TRUE(Invalidations().empty());
}

TEST_F(RevocationHttp, AnUnknownKeyIsTold) {
  // semantics.md 10.2
  PostEvent("no.jwt.here");
  PostEvent(SecurityEvent("1"));
  EXPECT_EQ(unknown_keys_, 0);
  key_ = TokenKey::Generate(TokenAlg::kEdDsa);
  PostEvent(SecurityEvent("2"));
  PostLogout(Logout("3", R"(,"sub":"ann")"));
  EXPECT_EQ(unknown_keys_, 2);
}

TEST_F(RevocationHttp, ATokenWaitsForTheKeysThatAreBeingFetched) {
  // semantics.md 10.2
  fetching_ = true;
  key_ = TokenKey::Generate(TokenAlg::kEdDsa);
  const std::string rotated_jwks = key_.ToPublicJwks();
  const std::string rotated = Logout("1", R"(,"sub":"ann")");
  auto post = [&](const std::string& token) {
    auto client = std::make_unique<RawClient>(loop_, server_->bound());
    std::string body = "logout_token=" + token;
    client->Send(
        "POST /v1/backchannel-logout HTTP/1.1\r\nHost: h\r\nContent-Type: "
        "application/x-www-form-urlencoded\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body);
    return client;
  };
  auto good = post(rotated);
  key_ = TokenKey::Generate(TokenAlg::kEdDsa);
  auto never = post(Logout("2", R"(,"sub":"bob")"));
  TurnUntil(loop_, [&] { return waits_.waiting() == 2; });
  waits_.Retry(false);  // of another issuer
  EXPECT_EQ(waits_.waiting(), 2u);
  EXPECT_TRUE(good->received.empty());
  ASSERT_TRUE(tokens_.SetKeys("idp", *Jwks::Parse(rotated_jwks)));
  waits_.Retry(true);
  TurnUntil(loop_, [&] {
    f_.log->CommitOnce(f_.now_ms);
    return !good->received.empty() && !never->received.empty();
  });
  EXPECT_TRUE(good->received.starts_with("HTTP/1.1 200")) << good->received;
  EXPECT_TRUE(never->received.starts_with("HTTP/1.1 400")) << never->received;
  EXPECT_EQ(Invalidations(), std::vector<std::string>{"ann/ logout"});
}

TEST_F(RevocationHttp, WithoutAnyKeysYetATokenIsToBeSentAgain) {
  // semantics.md 10.2
  ASSERT_TRUE(tokens_.SetKeys("idp", Jwks::NotYet()));
  std::string logout = PostLogout(Logout("1", R"(,"sub":"ann")"));
  EXPECT_TRUE(logout.starts_with("HTTP/1.1 400")) << logout;
  EXPECT_NE(logout.find("temporarily_unavailable"), std::string::npos) << logout;
  EXPECT_TRUE(PostEvent(SecurityEvent("2")).starts_with("HTTP/1.1 503"));
}

TEST_F(RevocationHttp, WhatTheLogDoesNotTakeCanBeSentAgain) {
  f_.log->Close();
  EXPECT_TRUE(PostEvent(SecurityEvent("1")).starts_with("HTTP/1.1 503"));
  EXPECT_TRUE(PostLogout(Logout("2", R"(,"sub":"ann")")).starts_with("HTTP/1.1 400"));
  EXPECT_EQ(endpoints_.stats(Standard::kSecurityEvent).failed, 1u);
  auto order = tokens_.VerifySecurityEvent(SecurityEvent("1"), clock_.WallMs());
  EXPECT_FALSE(tokens_.Remembers(**order));
}

TEST_F(RevocationHttp, OtherMethodsAreNotAllowed) {
  RawClient client(loop_, server_->bound());
  client.Send("GET /v1/security-events HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(client.Until("\r\n\r\n").starts_with("HTTP/1.1 405"));
}

}  // namespace
}  // namespace galaxy::push
