#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/jwt.h"
#include "base/error.h"
#include "base/histogram.h"
#include "gateway/config.h"
#include "gateway/revoked_set.h"
#include "gateway/waiting_request.h"
#include "http/client.h"
#include "http/exchange.h"
#include "net/loop.h"

namespace galaxy::push {

class ProxyCall;

struct ProxyStats {
  uint64_t in_flight = 0;
  uint64_t requests = 0;
  uint64_t refused = 0;       // before they reached the application
  uint64_t rejected = 0;      // 8.1 (4): cut off by an invalidation, before the response began
  uint64_t reset = 0;         // the same, after it began
  uint64_t app_failures = 0;  // 502, 504
  uint64_t client_aborts = 0;
};

// Proxy hands authenticated requests on to the application's own HTTP server, and rejects those in
// flight when their session is invalidated (docs/semantics.md 8.1 (4), 8.4): with 401
// `session_revoked` while the response has not begun, with a reset after it has. The request to the
// application is cancelled, too.
//
//   Threads   One loop.
//   Lifetime  Everything passed in outlives it; it outlives the server that routes to it.
//   Limits    ProxyOptions. A body waits for the application in the flow control of the client's
//             connection, a response in that of the application's.
//   Errors    401 and 403 as for /v1/events, 503 `stale`, 502 when the application cannot be
//             reached or answers nonsense, 504 when it does not answer in time.
class Proxy {
 public:
  using Serve = ServeRequest;
  struct Hooks {
    // Who the bearer of the request is. `serve` runs at once, or when its keys have come.
    std::function<void(Exchange&, Serve)> authenticate;
    // Whether sessions are let in that the revoked set does not name (9.2).
    std::function<bool()> admitting;
    // Refuses a request as the edge does.
    std::function<void(Exchange&, const Error&)> refuse;
    // Adds to an answer what pages of other origins may do with it (CORS).
    std::function<void(const RequestHead&, Headers&)> add_cors = [](const RequestHead&, Headers&) {
    };
  };

  Proxy(Loop& loop, ProxyOptions options, const RevokedSet& revoked, Hooks hooks);
  ~Proxy();

  bool Routes(std::string_view path) const { return path.starts_with(options_.prefix); }
  void OnRequest(Exchange& exchange);
  // An invalidation of `user` has entered the revoked set: rejects what it means.
  void Cut(std::string_view user);
  // 9.3: rejects everything with `code`.
  void CutAll(Code code);

  ProxyStats stats() const {
    ProxyStats stats = stats_;
    stats.in_flight = in_flight_.size();
    return stats;
  }

 private:
  friend class ProxyCall;
  void Refuse(Exchange& exchange, const Error& error);
  void Forward(Exchange& exchange, Result<ClientIdentity> who, EarlyBody early);
  // OK, or why this session must not be served (8.4).
  Status Check(const ClientIdentity& who) const;
  std::optional<Error> FindRevocation(const ClientIdentity& who) const;
  // To reject one may end others: each is looked at again before its turn.
  struct Rejection {
    std::weak_ptr<Exchange> exchange;
    ProxyCall* call;  // lives as long as the exchange is open
    Error error;
  };
  static void RejectEach(const std::vector<Rejection>& rejections);

  Loop& loop_;
  const ProxyOptions options_;
  const RevokedSet& revoked_;
  const Hooks hooks_;
  ProxyStats stats_;
  std::unique_ptr<HttpClient> app_;
  std::multimap<std::string, ProxyCall*> in_flight_;  // by user
};

}  // namespace galaxy::push
