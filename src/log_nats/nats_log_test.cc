// The log of a backend over a real nats-server.
#include <gtest/gtest.h>

#include "log/log_contract.h"
#include "log/shared_log.h"
#include "log_nats/nats_fixture.h"
#include "log_nats/nats_stream.h"

namespace galaxy::push {
namespace {

// A log and the connection under it.
struct Opened {
  std::unique_ptr<NatsConnection> connection;
  std::unique_ptr<Log> log;
};

Result<std::unique_ptr<Log>> OpenOn(const std::string& url,
                                    std::vector<std::shared_ptr<NatsConnection>>& connections,
                                    const Log::Options& options, NatsStream::Options stream = {}) {
  auto connection = NatsConnection::Open({.urls = {url}, .name = "test"});
  if (!connection) return std::unexpected(connection.error());
  connections.push_back(std::move(*connection));
  auto log = SharedLog::Open(options, {},
                             std::make_unique<NatsStream>(*connections.back(), std::move(stream)),
                             Clock::Real());
  if (!log) return std::unexpected(log.error());
  return std::unique_ptr<Log>(std::move(*log));
}

LogOpen NatsStore() {
  auto server = std::make_shared<NatsServer>();
  auto connections = std::make_shared<std::vector<std::shared_ptr<NatsConnection>>>();
  return [server, connections](const Log::Options& options) {
    return OpenOn(server->url(), *connections, options);
  };
}

INSTANTIATE_TEST_SUITE_P(Engines, LogContract,
                         testing::Values(LogMaker{"jetstream", true, NatsStore}),
                         [](const auto& maker) { return maker.param.name; });

}  // namespace
}  // namespace galaxy::push
