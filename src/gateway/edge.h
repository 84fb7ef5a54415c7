#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "gateway/client_limiter.h"
#include "gateway/config.h"
#include "gateway/edge_request.h"
#include "gateway/gateway.h"
#include "gateway/shard.h"
#include "gateway/token_gate.h"
#include "gateway/waiting_request.h"
#include "http/exchange.h"
#include "http/websocket.h"
#include "net/loop.h"

namespace galaxy::push {

class EdgeGrpc;
class Proxy;
class WebSocketSession;

struct EdgeStats {
  struct Transport {
    uint64_t open = 0;
    uint64_t total = 0;
  };
  std::array<Transport, kEncodingCount> transports;
  uint64_t closed_by_client = 0;
  uint64_t protocol_violations = 0;
  uint64_t cookies_ignored = 0;                // of pages of other origins (10.3)
  uint64_t drain_resets = 0;                   // did not take their last bytes in time (8.2)
  std::array<uint64_t, kCodeCount> refused{};  // before or instead of admission, by code

  void Open(Encoding encoding) {
    ++transports[static_cast<size_t>(encoding)].total;
    ++transports[static_cast<size_t>(encoding)].open;
  }
  void Close(Encoding encoding) { --transports[static_cast<size_t>(encoding)].open; }
};

// Edge is the clients' port (docs/edge-protocol.md): it turns requests for /v1/events into sessions
// of the shard, over WebSocket or Server-Sent Events, takes calls of gRPC (edge_grpc.h), and serves
// the envelope keys. Whatever else is asked for is 404.
//
//   Ownership  Of the WebSocket sessions; those of SSE and gRPC belong to their exchange.
//   Threads    One loop.
//   Lifetime   Everything passed in outlives it; the HTTP server is destroyed before it.
class Edge final : public RequestHandler {
 public:
  Edge(Loop& loop, const GatewayConfig& config, Shard& shard, const GatewayKeys& keys,
       TokenGate& gate);
  ~Edge() override;

  void OnRequest(Exchange& exchange) override;
  // Requests under its prefix go to `proxy`, which outlives this.
  void SetProxy(Proxy& proxy) { proxy_ = &proxy; }
  // Has the request served once it is known whose it is, see Authenticate().
  void AuthenticateRequest(Exchange& exchange, ServeRequest serve);
  // Answers with the problem of `error`, and counts it.
  void Refuse(Exchange& exchange, const Error& error);
  // What a gRPC client that asks for health is told.
  void SetServing(bool serving);
  // From now on everybody new is refused with `drain`, and `shard` refuses nobody for us.
  void StartDrain();
  // Connections that are still there, sessions or on their way to be.
  uint64_t open() const;

  // --- for its sessions

  // Who the token says it is: kUnauthenticated, kTokenExpired, kUnavailable; kDrain when nobody is
  // let in. As TokenGate::Verify(): at once, or when the keys have come.
  void Authenticate(std::string token, KeyWaits::Ticket& ticket, TokenGate::Then then);
  void Count(const Error& refusal) { ++stats_.refused[static_cast<size_t>(refusal.code)]; }
  void Remove(WebSocketSession& session);
  uint64_t DrainMs(Code code) const;
  // When somebody who is refused with that code may come back.
  uint64_t RetryMs(Code code) const;
  // The refusal as a client is told of it, and with kRedirected where `user` is served.
  Farewell FarewellOf(const Error& error, std::string_view user = {}) const;

  Loop& loop() { return loop_; }
  const GatewayConfig& config() const { return config_; }
  const WebSocketLimits& websocket_limits() const { return websocket_limits_; }
  Shard& shard() { return shard_; }
  ClientLimiter& limiter() { return limiter_; }
  const ClientLimiter& limiter() const { return limiter_; }
  EdgeStats& stats() { return stats_; }
  const EdgeStats& stats() const { return stats_; }

 private:
  void ServeKeys(Exchange& exchange);
  void ServeEvents(Exchange& exchange);
  void ServePreflight(Exchange& exchange, bool any);
  Result<EventsRequest> ReadRequest(const RequestHead& request);
  // `counted`: failures are held against the peer's address, which may have had too many.
  void Identify(Exchange& exchange, bool counted, ServeRequest serve);
  void OpenWebSocket(Exchange& exchange, Result<ClientPlace> place);
  void OpenStream(Exchange& exchange, Result<ClientPlace> place);
  void ServeStream(Exchange& exchange, ClientPlace place, const ClientIdentity& who);
  void RefuseStream(Exchange& exchange, const Error& error, std::string_view user = {});
  void Redirect(Exchange& exchange, const Error& error, const std::string& url);

  Loop& loop_;
  const GatewayConfig& config_;
  Shard& shard_;
  const GatewayKeys& keys_;
  TokenGate& gate_;
  const CookieRule cookie_;
  ClientLimiter limiter_;
  WebSocketLimits websocket_limits_;
  EdgeStats stats_;
  Proxy* proxy_ = nullptr;
  std::unique_ptr<EdgeGrpc> grpc_;
  bool draining_ = false;
  std::vector<std::unique_ptr<WebSocketSession>> websockets_;
  std::vector<std::unique_ptr<WebSocketSession>> leaving_;
  Timer reaper_;  // destroys them once the stack is unwound
};

}  // namespace galaxy::push
