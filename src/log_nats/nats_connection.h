#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "log_nats/nats_handle.h"

namespace galaxy::push {

// Whether streams, buckets and the tokens of subjects may be called that everywhere: one or more of
// a-z, A-Z, 0-9, - and _.
bool IsNatsName(std::string_view name);

// NatsConnection is one connection to a cluster of NATS servers, kept up by the library: it goes on
// to another server of the cluster by itself, for ever.
//
//   Threads   Any. The library has threads of its own for it.
//   Errors    Open() does not wait for a server: with none in reach it succeeds, and connected()
//             becomes true later. It fails for options the library does not take.
//   Limits    A server that does not answer is given up after kDeadMs; then the next one is tried.
//             A call of the library fails after a time of its own.
class NatsConnection {
 public:
  // Two pings without an answer.
  static constexpr int64_t kPingMs = 1'000;
  static constexpr int64_t kDeadMs = 3 * kPingMs;
  struct Options {
    std::vector<std::string> urls;  // "nats://host:port"
    std::string name;               // shown by the servers' monitoring
    // Files; empty: none. With a CA every connection is TLS, also to "nats://".
    std::string ca_file;
    std::string certificate_file;
    std::string key_file;
    std::string credentials_file;
  };

  static Result<std::unique_ptr<NatsConnection>> Open(const Options& options);

  natsConnection* get() const { return connection_.get(); }
  bool connected() const;
  // For good. Calls of the library that wait, on other threads, fail.
  void Close();
  // How often it was connected anew. What was subscribed before may have missed messages.
  uint64_t reconnects() const;

 private:
  explicit NatsConnection(natsConnection* connection) : connection_(connection) {}
  const NatsConnectionHandle connection_;
};

}  // namespace galaxy::push
