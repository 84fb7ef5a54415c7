#include "log_nats/nats_connection.h"

#include <gtest/gtest.h>

#include "log_nats/nats_fixture.h"

namespace galaxy::push {
namespace {

using NatsConnectionTest = NatsTest;

TEST(NatsConnection, WantsAnAddress) {
  Result<std::unique_ptr<NatsConnection>> opened = NatsConnection::Open({});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kInvalidArgument);
  EXPECT_EQ(opened.error().field, "nats");
}

TEST_F(NatsConnectionTest, ComesBackByItselfAfterTheServerWasKilled) {
  auto connection = *NatsConnection::Open({.urls = {server.url()}, .name = "test"});
  EXPECT_TRUE(connection->connected());
  EXPECT_EQ(connection->reconnects(), 0u);
  server.Kill();
  EXPECT_TRUE(WaitFor([&] { return !connection->connected(); }));
  server.Start();
  EXPECT_TRUE(WaitFor([&] { return connection->connected(); }));
  EXPECT_EQ(connection->reconnects(), 1u);
}

TEST_F(NatsConnectionTest, OpensBeforeThereIsAServer) {
  server.Kill();
  auto connection = *NatsConnection::Open({.urls = {server.url()}, .name = "test"});
  EXPECT_FALSE(connection->connected());
  server.Start();
  EXPECT_TRUE(WaitFor([&] { return connection->connected(); }));
}

}  // namespace
}  // namespace galaxy::push
