#include "ops/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/fake_exchange.h"

namespace galaxy::push {
namespace {

using ::testing::HasSubstr;

struct Fixture {
  std::shared_ptr<FakeExchange> Get(std::string path, std::string method = "GET",
                                    std::string origin = "") {
    auto exchange = std::make_shared<FakeExchange>(std::move(method), std::move(path));
    if (!origin.empty()) exchange->request_head.headers.Add("origin", origin);
    admin.OnRequest(*exchange);
    EXPECT_TRUE(exchange->answered);
    return exchange;
  }
  Status ready;
  Status live;
  AdminHandler admin{[this] { return ready; }, [this] { return live; }};
};

// semantics.md 9.4
TEST(Admin, ReadyzIs200ExactlyWhileReady) {
  Fixture f;
  EXPECT_EQ(f.Get("/readyz")->response.status, 200);
  f.ready = Fail(Code::kStale, "the feed is stale");
  auto answer = f.Get("/readyz");
  EXPECT_EQ(answer->response.status, 503);
  EXPECT_THAT(answer->body, HasSubstr("the feed is stale"));
  EXPECT_EQ(f.Get("/livez")->response.status, 200);
}

TEST(Admin, LivezSaysWhatDoesNotTurn) {  // semantics.md 9.4
  Fixture f;
  f.live = Fail(Code::kInternal, "the log thread hangs");
  auto answer = f.Get("/livez");
  EXPECT_EQ(answer->response.status, 503);
  EXPECT_EQ(answer->body, "not live: the log thread hangs\n");
}

// semantics.md 9.3: whoever confirms is an operator.
TEST(Admin, ActionsAreForOperatorsAndNotForPagesInTheirBrowsers) {
  Fixture f;
  int acted = 0;
  f.admin.AddAction("/v1/act", [&](const RequestHead&) {
    ++acted;
    return Result<std::string>("{}");
  });
  EXPECT_EQ(f.Get("/v1/act")->response.status, 405);
  EXPECT_EQ(f.Get("/v1/act", "POST", "http://evil.example")->response.status, 403);
  EXPECT_EQ(f.Get("/v1/act", "POST", "null")->response.status, 403);
  EXPECT_EQ(acted, 0);
  EXPECT_EQ(f.Get("/v1/act", "POST")->body, "{}");
  EXPECT_EQ(acted, 1);
}

TEST(Admin, MetricsComeFromTheCollectors) {
  Fixture f;
  f.admin.AddCollector([](MetricList& out) {
    out.push_back({"galaxy_push_a_b", "x.", MetricSample::Kind::kGauge, {}, 1});
  });
  f.admin.AddCollector([](MetricList& out) {
    out.push_back({"galaxy_push_c_d", "x.", MetricSample::Kind::kGauge, {}, 2});
  });
  auto answer = f.Get("/metrics");
  EXPECT_THAT(answer->body, HasSubstr("galaxy_push_a_b 1\n"));
  EXPECT_THAT(answer->body, HasSubstr("galaxy_push_c_d 2\n"));
  EXPECT_THAT(*answer->response.headers.Get("content-type"), HasSubstr("version=0.0.4"));
}

TEST(Admin, RegisteredPathsAnswerJsonOrTheirError) {
  Fixture f;
  f.admin.AddJson("/v1/subscriptions",
                  [](const RequestHead&) { return Result<std::string>("[]"); });
  f.admin.AddJson("/v1/sessions", [](const RequestHead&) -> Result<std::string> {
    return Fail(Code::kInvalidArgument, "user is missing", "user");
  });
  EXPECT_EQ(f.Get("/v1/subscriptions")->body, "[]");
  EXPECT_EQ(f.Get("/v1/sessions")->response.status, 400);
}

TEST(Admin, WhereThereAreRolesOnlyProbesAreForEverybodyAndMetricsWhenTheyAreOpen) {
  // semantics.md 10.1
  auto table = *RoleTable::Parse(
      R"({"roles":[{"role":"operator","key_sha256":")" + KeyFingerprint("root") +
      R"("},{"role":"producer","key_sha256":")" + KeyFingerprint("shop") + R"("}]})");
  for (bool metrics_open : {false, true}) {
    Fixture f;
    f.admin.AddJson("/v1/sessions", [](const RequestHead&) { return Result<std::string>("[]"); });
    f.admin.AddAction("/v1/act", [](const RequestHead&) { return Result<std::string>("{}"); });
    f.admin.SetAccess(Access([table] { return table; }), metrics_open);
    auto ask = [&f](const std::string& path, const std::string& key) {
      auto exchange = std::make_shared<FakeExchange>(path == "/v1/act" ? "POST" : "GET", path);
      if (!key.empty()) exchange->request_head.headers.Add("authorization", "Bearer " + key);
      f.admin.OnRequest(*exchange);
      return exchange->response.status;
    };
    for (const std::string& path : f.admin.Endpoints()) {
      bool open = path == "/livez" || path == "/readyz" || (path == "/metrics" && metrics_open);
      EXPECT_EQ(ask(path, ""), open ? 200 : 401) << path;
      EXPECT_EQ(ask(path, "shop"), open ? 200 : 403) << path;
      EXPECT_EQ(ask(path, "root"), 200) << path;
    }
    EXPECT_EQ(f.admin.refused(), metrics_open ? 4u : 6u);
  }
}

TEST(Admin, OtherPathsAndMethodsAreRefused) {
  Fixture f;
  EXPECT_EQ(f.Get("/")->response.status, 404);
  EXPECT_EQ(f.Get("/metrics", "POST")->response.status, 405);
  EXPECT_EQ(f.Get("/metrics", "HEAD")->response.status, 200);
}

}  // namespace
}  // namespace galaxy::push
