#include "ops/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/check.h"

namespace galaxy::push {
namespace {

using ::testing::HasSubstr;

// An exchange that keeps its answer.
class FakeExchange final : public Exchange {
 public:
  FakeExchange(std::string method, std::string path) {
    request_.method = std::move(method);
    request_.path = std::move(path);
  }
  const RequestHead& request() const override { return request_; }
  Loop& loop() override { std::abort(); }
  bool open() const override { return !answered; }
  void SetHandler(std::unique_ptr<ExchangeHandler>) override {}
  void Consumed(size_t) override {}
  void Respond(ResponseHead head, std::string text) override {
    CHECK(!answered);
    answered = true;
    response = std::move(head);
    body = std::move(text);
  }
  void SendHead(ResponseHead, BodySource*) override {}
  void Wake() override {}
  void Finish(Headers) override {}
  void Reset(uint32_t) override {}
  size_t QueuedBytes() const override { return 0; }
  Result<Upgraded> Upgrade(ResponseHead) override { return Fail(Code::kInvalidArgument, "none"); }

  bool answered = false;
  ResponseHead response;
  std::string body;

 private:
  RequestHead request_;
};

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
