#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "log/log.h"
#include "log_nats/nats_claims.h"
#include "log_nats/nats_connection.h"
#include "net/loop.h"
#include "ops/option_table.h"

namespace galaxy::push {

// What a backend with `engine = jetstream` can be told of its NATS servers.
struct NatsNodeOptions {
  std::vector<std::string> urls;
  std::string prefix = "galaxy";
  int replicas = 0;
  uint64_t stream_bytes_max = 1u << 30;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string credentials_file;
};
void AddNatsOptions(OptionTable& table, NatsNodeOptions& options);

// Refuses what cannot be meant: no servers, other URLs than nats:// and tls://, secrets in them, a
// prefix that is no name, and plaintext off loopback (docs/semantics.md 10.1).
Status CheckNats(const NatsNodeOptions& options, bool plaintext);

// The log of one of several backends, and what must outlive it.
struct OpenedSharedLog {
  std::unique_ptr<NatsConnection> connection;
  std::unique_ptr<NatsClaims> claims;
  std::unique_ptr<Log> log;
};
// Blocks until the servers can be reached and the log is read, for a minute or two at most.
// `backend`: who this is, for people. `entry_bytes_max`: the largest entry.
Result<OpenedSharedLog> OpenSharedLog(Loop& loop, const NatsNodeOptions& options,
                                      const Log::Options& log, const std::string& backend,
                                      uint64_t entry_bytes_max);

}  // namespace galaxy::push
