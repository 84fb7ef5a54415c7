#include "ops/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/fake_exchange.h"

namespace galaxy::push {
namespace {

using ::testing::HasSubstr;

struct Fixture {
  std::shared_ptr<FakeExchange> Get(std::string path, std::string method = "GET") {
    auto exchange = std::make_shared<FakeExchange>(std::move(method), std::move(path));
    admin.OnRequest(*exchange);
    EXPECT_TRUE(exchange->answered);
    return exchange;
  }
  Status ready;
  AdminHandler admin{[this] { return ready; }};
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

TEST(Admin, OtherPathsAndMethodsAreRefused) {
  Fixture f;
  EXPECT_EQ(f.Get("/")->response.status, 404);
  EXPECT_EQ(f.Get("/metrics", "POST")->response.status, 405);
  EXPECT_EQ(f.Get("/metrics", "HEAD")->response.status, 200);
}

}  // namespace
}  // namespace galaxy::push
