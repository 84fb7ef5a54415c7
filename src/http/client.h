#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/exchange.h"
#include "http/message.h"
#include "net/address.h"
#include "net/connection.h"

namespace galaxy::push {

class Loop;

// The caller's half of a client request.
class ResponseHandler {
 public:
  virtual ~ResponseHandler() = default;
  virtual void OnHead(const ResponseHead& head) = 0;
  // Valid during the call only.
  virtual void OnBody(std::string_view bytes) = 0;
  // Exactly one of the two ends the request.
  virtual void OnEnd(const Headers& trailers) = 0;
  virtual void OnFailed(const Error& error) = 0;
};

// One request over HTTP/2 or HTTP/1.1 (http/client.h users: grpc, the CLI, token key fetches).
//   Threads    One loop.   Lifetime  Destroying it cancels the request; no callback comes
//   afterwards.
class ClientRequest {
 public:
  virtual ~ClientRequest() = default;
  // More of the request body is there (sources that answered kWait).
  virtual void Wake() = 0;
  // Response bytes were dealt with: flow-control credit (HTTP/2). Without it the peer stops after
  // the window.
  virtual void Consumed(size_t bytes) = 0;
};

struct HttpClientLimits {
  uint32_t window_bytes = 1 << 20;  // per stream; the connection gets twice that
  uint64_t connect_timeout_ms = 5'000;
  uint64_t ping_interval_ms = 20'000;
  uint64_t ping_timeout_ms = 10'000;
  SocketOptions socket;
  std::string authority;  // whom requests are addressed to; empty: the address
};

// A connection to one server that carries requests; made on first use and again after it was lost.
class HttpClient {
 public:
  static std::unique_ptr<HttpClient> NewHttp2(Loop& loop, const Address& address,
                                              HttpClientLimits limits);
  static std::unique_ptr<HttpClient> NewHttp1(Loop& loop, const Address& address,
                                              HttpClientLimits limits);
  virtual ~HttpClient() = default;
  // `source` (may be null: no body) and `handler` outlive the request.
  virtual std::unique_ptr<ClientRequest> Start(RequestHead head, BodySource* source,
                                               ResponseHandler& handler) = 0;
  // PINGs come at least so far apart from now on, on this connection and later ones, whatever the
  // limits say; 0: as the limits say. HTTP/1.1 has no PINGs.
  virtual void SetPingFloor(uint64_t /*ms*/) {}
};

}  // namespace galaxy::push
