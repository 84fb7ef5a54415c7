#include "app/demo_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "auth/jwt.h"
#include "auth/revocation_token.h"
#include "net/loop.h"
#include "ops/fake_exchange.h"

namespace galaxy::push {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

struct Fixture {
  Fixture() { page.SetPlane({{"127.0.0.1", 7420}, {"127.0.0.1", 1}, {"127.0.0.1", 7410}, {}, {}}); }

  std::shared_ptr<FakeExchange> Ask(std::string method, std::string path, std::string body = "",
                                    Headers headers = {}) {
    auto exchange = std::make_shared<FakeExchange>(std::move(method), std::move(path));
    exchange->request_head.authority = "127.0.0.1:7420";
    exchange->request_head.headers = std::move(headers);
    page.OnRequest(*exchange);
    if (!exchange->answered && exchange->handler) exchange->SendBody(body);
    return exchange;
  }
  std::shared_ptr<FakeExchange> Post(std::string path, std::string body) {
    return Ask("POST", std::move(path), std::move(body), {{"content-type", "application/json"}});
  }
  ClientIdentity Identify(const std::string& token) {
    TokenIssuer issuer;
    issuer.issuer = kDemoIssuer;
    issuer.audience = kDemoAudience;
    issuer.keys = *Jwks::Parse(key.ToPublicJwks());
    TokenVerifierOptions options;
    options.issuers.push_back(std::move(issuer));
    return *TokenVerifier::Create(std::move(options))->Verify(token, clock.WallMs());
  }

  FakeClock clock;
  Loop loop{clock};
  TokenKey key = TokenKey::Generate(TokenAlg::kEdDsa);
  DemoPage page{loop, key};
};

TEST(DemoPage, ServesThePageWithAStrictPolicyAndTheRightTypes) {
  Fixture f;
  auto index = f.Ask("GET", "/");
  EXPECT_EQ(index->response.status, 200);
  EXPECT_THAT(index->body, HasSubstr("<!doctype html>"));
  EXPECT_EQ(index->response.headers.Get("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(index->response.headers.Get("x-content-type-options"), "nosniff");
  EXPECT_EQ(index->response.headers.Get("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "
            "'self' http://127.0.0.1:7410 ws://127.0.0.1:7410; base-uri 'none'; form-action "
            "'none'; frame-ancestors 'none'");
  EXPECT_EQ(f.Ask("GET", "/main.js")->response.headers.Get("content-type"),
            "text/javascript; charset=utf-8");
  EXPECT_EQ(f.Ask("GET", "/sdk/index.js")->response.status, 200);
  EXPECT_EQ(f.Ask("GET", "/style.css")->response.headers.Get("content-type"),
            "text/css; charset=utf-8");
  EXPECT_EQ(f.Ask("GET", "/nothing")->response.status, 404);
}

TEST(DemoPage, AFileThatDidNotChangeIsNotSentAgain) {
  Fixture f;
  std::string etag(*f.Ask("GET", "/main.js")->response.headers.Get("etag"));
  auto again = f.Ask("GET", "/main.js", "", {{"if-none-match", etag}});
  EXPECT_EQ(again->response.status, 304);
  EXPECT_EQ(again->body, "");
}

TEST(DemoPage, TellsThePageWhatItNeeds) {
  Fixture f;
  Json config = Json::parse(f.Ask("GET", "/demo/config.json")->body);
  EXPECT_EQ(config["gateway"], "http://127.0.0.1:7410");
  EXPECT_EQ(config["plane"], "galaxy");
  EXPECT_EQ(config["devices"].size(), 2u);
  EXPECT_EQ(config["kinds"].size(), 4u);
}

TEST(DemoPage, MintsTokensForItsSessionsOnly) {
  Fixture f;
  Json answer = Json::parse(f.Post("/demo/token", R"({"session":"pocket-phone"})")->body);
  ClientIdentity who = f.Identify(answer["token"]);
  EXPECT_EQ(who.user_id, kDemoUser);
  EXPECT_EQ(who.session_id, "pocket-phone");
  EXPECT_EQ(who.began_s, f.clock.WallMs() / 1000);
  EXPECT_EQ(f.Post("/demo/token", R"({"session":"somebody"})")->response.status, 404);
  for (const char* bad : {"", "[]", "{}", R"({"session":7})", "{"})
    EXPECT_EQ(f.Post("/demo/token", bad)->response.status, 400) << bad;
}

TEST(DemoPage, ANewSignInIsASessionOfItsOwn) {
  Fixture f;
  Json one = Json::parse(f.Post("/demo/token", R"({"session":"new","name":"x"})")->body);
  Json two = Json::parse(f.Post("/demo/token", R"({"session":"new","name":"x"})")->body);
  EXPECT_NE(one["session"], two["session"]);
  EXPECT_EQ(f.Identify(one["token"]).session_id, one["session"].get<std::string>());
  Json again = {{"session", one["session"]}};
  EXPECT_EQ(f.Post("/demo/token", again.dump())->response.status, 200);
}

TEST(DemoPage, SignInsAreBounded) {
  Fixture f;
  int status = 200;
  for (size_t i = 0; i <= DemoPage::kSessionsMax && status == 200; ++i)
    status = f.Post("/demo/token", R"({"session":"new"})")->response.status;
  EXPECT_EQ(status, 429);
}

TEST(DemoPage, AForeignPageOrAReboundNameGetsNothing) {
  Fixture f;
  Headers foreign = {{"content-type", "application/json"}, {"origin", "https://evil.example"}};
  EXPECT_EQ(f.Ask("POST", "/demo/token", R"({"session":"new"})", foreign)->response.status, 403);
  Headers own = {{"content-type", "application/json"}, {"origin", "http://127.0.0.1:7420"}};
  EXPECT_EQ(f.Ask("POST", "/demo/token", R"({"session":"new"})", own)->response.status, 200);

  auto rebound = std::make_shared<FakeExchange>("GET", "/demo/config.json");
  rebound->request_head.authority = "evil.example:7420";
  f.page.OnRequest(*rebound);
  EXPECT_EQ(rebound->response.status, 403);
}

TEST(DemoPage, OnTlsThePageAndItsGatewayAre) {
  Fixture f;
  TlsSource tls = [] { return std::shared_ptr<const TlsContext>(); };
  f.page.SetPlane({{"127.0.0.1", 7420}, {"127.0.0.1", 1}, {"127.0.0.1", 7410}, tls, tls});
  auto index = f.Ask("GET", "/");
  EXPECT_THAT(std::string(*index->response.headers.Get("content-security-policy")),
              HasSubstr("https://127.0.0.1:7410 wss://127.0.0.1:7410;"));
  EXPECT_EQ(Json::parse(f.Ask("GET", "/demo/config.json")->body)["gateway"],
            "https://127.0.0.1:7410");
  Headers plain = {{"content-type", "application/json"}, {"origin", "http://127.0.0.1:7420"}};
  EXPECT_EQ(f.Ask("POST", "/demo/token", R"({"session":"new"})", plain)->response.status, 403);
}

TEST(DemoPage, OnlyItsSessionsAreSignedOut) {
  Fixture f;
  EXPECT_EQ(f.Post("/demo/logouts", R"({"session":"somebody"})")->response.status, 404);
  for (const char* bad : {"", "[]", "{}", R"({"session":7})"})
    EXPECT_EQ(f.Post("/demo/logouts", bad)->response.status, 400) << bad;
  for (size_t i = 0; i < DemoPage::kLogoutsMax; ++i)
    EXPECT_FALSE(f.Post("/demo/logouts", R"({"session":"pocket-phone"})")->answered);
  EXPECT_EQ(f.Post("/demo/logouts", R"({"session":"pocket-phone"})")->response.status, 429);
}

TEST(DemoLogout, ItsTokenIsOneThatTheBackendBelieves) {
  Fixture f;
  TokenIssuer issuer;
  issuer.issuer = kDemoIssuer;
  issuer.audience = kDemoAudience;
  issuer.keys = *Jwks::Parse(f.key.ToPublicJwks());
  auto tokens = RevocationTokens::Create({.issuers = {issuer}});
  ASSERT_TRUE(tokens);
  for (std::string session : {"pocket-phone", ""}) {
    std::string form = DemoLogoutForm(f.key, session, f.clock.WallMs());
    ASSERT_TRUE(form.starts_with("logout_token="));
    auto order = tokens->VerifyLogout(form.substr(form.find('=') + 1), f.clock.WallMs());
    ASSERT_TRUE(order) << order.error().message;
    EXPECT_EQ(order->user_id, kDemoUser);
    EXPECT_EQ(order->session_id, session);
  }
}

TEST(DemoPage, WrongMethodsTypesAndSizesAreRefused) {
  Fixture f;
  EXPECT_EQ(f.Ask("GET", "/demo/token")->response.status, 405);
  EXPECT_EQ(f.Ask("DELETE", "/")->response.status, 405);
  EXPECT_EQ(f.Ask("POST", "/demo/token", "{}", {{"content-type", "text/plain"}})->response.status,
            415);
  EXPECT_EQ(f.Post("/demo/token", std::string((1 << 20) + 1, ' '))->response.status, 413);
}

}  // namespace
}  // namespace galaxy::push
