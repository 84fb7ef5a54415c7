#include "grpc/health_check.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>

#include "grpc/health.h"
#include "grpc/test_services.h"
#include "http/server.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

class HealthCheckTest : public testing::Test {
 protected:
  HealthAnswer Ask(const Address& address) {
    auto channel = GrpcChannel::New(loop, address, {});
    std::optional<HealthAnswer> answer;
    auto check =
        std::make_unique<HealthCheck>(*channel, 2'000, [&](HealthAnswer a, const std::string&) {
          check_over = true;
          answer = a;
        });
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!answer && std::chrono::steady_clock::now() < end) loop.Poll();
    EXPECT_TRUE(answer);
    return answer.value_or(HealthAnswer::kNone);
  }
  std::unique_ptr<HttpServer> Serve(GrpcRouter& router) {
    return *HttpServer::Open(loop, {"127.0.0.1", 0}, {}, router);
  }
  Loop loop;
  bool check_over = false;
};

TEST_F(HealthCheckTest, TellsWhatTheServerSaysOfItself) {
  GrpcHealth health;
  GrpcRouter router{nullptr, {}};
  health.AddTo(router);
  auto server = Serve(router);
  EXPECT_EQ(Ask(server->bound()), HealthAnswer::kServing);
  health.SetAllNotServing();
  EXPECT_EQ(Ask(server->bound()), HealthAnswer::kNotServing);
  health.Set("", GrpcHealth::Status::kUnknown);
  EXPECT_EQ(Ask(server->bound()), HealthAnswer::kOther);
}

TEST_F(HealthCheckTest, AServerWithoutTheServiceAnswersNevertheless) {
  GrpcRouter router{nullptr, {}};
  auto server = Serve(router);
  EXPECT_EQ(Ask(server->bound()), HealthAnswer::kOther);
}

TEST_F(HealthCheckTest, NobodyThereIsNoAnswer) {
  GrpcRouter router{nullptr, {}};
  Address gone = Serve(router)->bound();
  EXPECT_EQ(Ask(gone), HealthAnswer::kNone);
}

}  // namespace
}  // namespace galaxy::push
