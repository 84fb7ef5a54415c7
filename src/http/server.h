#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "http/exchange.h"
#include "http/http_abuse.h"
#include "net/address.h"
#include "net/connection.h"

namespace galaxy::push {

class ConnectionGate;
class IpPrefixes;
class Loop;

struct HttpLimits {
  size_t header_bytes_max = 16 * 1024;
  size_t header_count_max = 100;
  uint64_t head_timeout_ms = 10'000;  // first byte to end of the head
  uint64_t idle_timeout_ms = 75'000;  // keep-alive with nothing in flight
  uint64_t drain_timeout_ms = 5'000;
  uint64_t body_timeout_ms = 30'000;   // a request body that makes no progress; gRPC: grpc/server.h
  uint64_t write_timeout_ms = 30'000;  // a blocked response that makes no progress
  // HTTP/1.1
  uint64_t linger_timeout_ms = 2'000;  // after "connection: close", for the peer to close
  // HTTP/2
  uint32_t streams_max = 1000;
  uint64_t ping_interval_ms = 20'000;  // docs/semantics.md 6.3
  uint64_t ping_timeout_ms = 10'000;
  SocketOptions socket;
  // Both outlive the server.
  ConnectionGate* gate = nullptr;               // asked about each accepted connection
  const IpPrefixes* trusted_proxies = nullptr;  // who may name the client (client_address.h)
};

struct HttpStats {
  uint64_t connections_open = 0;  // without those that were handed over (Upgrade)
  uint64_t connections_total = 0;
  uint64_t requests_total = 0;
  uint64_t refused_total = 0;  // malformed, over a limit, timed out: the sum of `abuse`
  HttpAbuseCounts abuse{};
  uint64_t accept_errors_total = 0;
  uint64_t turned_away_total = 0;  // by the gate

  void Refused(HttpAbuse kind) {
    ++refused_total;
    ++abuse[static_cast<size_t>(kind)];
  }
};

// HttpServer serves HTTP/1.1 and HTTP/2 (prior knowledge, RFC 9113 3.3) on one port, told apart by
// the HTTP/2 preface.
//
//   Threads   One loop.
//   Lifetime  The handler outlives the server. Destroying the server resets all connections.
class HttpServer {
 public:
  static Result<std::unique_ptr<HttpServer>> Open(Loop& loop, const Address& address,
                                                  HttpLimits limits, RequestHandler& handler);
  virtual ~HttpServer() = default;
  virtual const Address& bound() const = 0;
  virtual const HttpStats& stats() const = 0;
  // Stops accepting connections and requests (HTTP/2: GOAWAY; HTTP/1.1: connection: close); what is
  // in flight goes on. `done` runs once all connections are closed; the rest is reset after
  // `deadline_ms`.
  virtual void Drain(uint64_t deadline_ms, std::function<void()> done) = 0;
};

}  // namespace galaxy::push
