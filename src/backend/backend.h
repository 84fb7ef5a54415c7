#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "auth/access.h"
#include "backend/canary.h"
#include "backend/publish_intake.h"
#include "backend/publish_service.h"
#include "backend/push_service.h"
#include "backend/revocation_http.h"
#include "base/error.h"
#include "grpc/server.h"
#include "http/exchange.h"
#include "http/server.h"
#include "log/engine.h"
#include "log/log.h"
#include "log/log_on_loop.h"
#include "log/log_thread.h"
#include "net/address.h"
#include "net/loop.h"

namespace galaxy::push {

struct BackendConfig {
  Address listen{"127.0.0.1", 0};
  Log::Options log;
  PublishService::Options publish;
  PushService::Options push;  // push.canary_ms is the canary interval (docs/semantics.md 4.9)
  HttpLimits http;            // http.socket.tls: TLS on the public port
  // Who may do what there (docs/semantics.md 10.1); none: whoever reaches it.
  Access::TableSource roles;
  // What identity providers' tokens are held against; null: their endpoints are not there.
  std::shared_ptr<RevocationTokens> revocation_tokens;
  RevocationEndpoints::AwaitKeys await_token_keys;
  // The log's engine has failed for good (Log::SetOnFatal): called once, on the log thread, to end
  // the process. Without one it is aborted.
  std::function<void(const Error&)> on_log_failure;
  // Set by the simulation: the log runs on the loop instead of a thread of its own.
  std::optional<LogOnLoop::Options> log_on_loop;
};

struct BackendStats {
  Log::Statistics log;
  Ring::Statistics ring;
  Cursor head;
  uint64_t retained_entries = 0;
  uint64_t retained_bytes = 0;
  PublishService::Statistics publish;
  uint64_t roles_refused = 0;  // requests without the role they need
  uint64_t publish_in_flight = 0;
  uint64_t publish_failed = 0;
  Subscriptions::Statistics subscriptions;
  uint64_t subscriptions_open = 0;
  uint64_t subscriptions_waiting = 0;
  SubscriptionAdmission::Statistics admission;
  // Nothing where this backend is the only one.
  std::optional<SubscriptionClaims::Statistics> claims;
  uint64_t push_wakeups = 0;
  uint64_t canaries_published = 0;
  uint64_t canaries_failed = 0;
  HttpStats http;
  Engine::Statistics engine;
  bool engine_ready = true;
  // By RevocationEndpoints::Standard; nothing where the endpoints are not there.
  std::optional<std::array<RevocationEndpoints::Statistics, 2>> revocation;
};

// Backend is one backend, wired: the order of its members is the order of dependence, and the way
// of an entry from publish to the gateways' streams.
//
// On its public port it serves the Push and Publisher services over gRPC, and over HTTP/1.1 and
// HTTP/2 POST /v1/events and POST /v1/invalidations, and where it is set up POST
// /v1/backchannel-logout and /v1/security-events (docs/publishing.md).
//
//   Threads   The loop's only; it starts and joins the log thread itself.
//   Lifetime  Loop outlives it. Destroying it commits what was accepted, without telling anybody;
//             Drain() first tells them.
//   Metrics   backend_metrics.h
class Backend final : private RequestHandler {
 public:
  // Opens the log, binds and starts. `configure` may add further services to the public port
  // (health, reflection).
  using Configure = std::function<void(GrpcRouter&)>;
  static Result<std::unique_ptr<Backend>> Start(Loop& loop, BackendConfig config,
                                                std::unique_ptr<Engine> engine,
                                                const Configure& configure = {});
  // The same with a log that is open already; `config.log` is not read.
  static Result<std::unique_ptr<Backend>> Start(Loop& loop, BackendConfig config,
                                                std::unique_ptr<Log> log,
                                                const Configure& configure = {});
  ~Backend() override;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  const Address& bound() const { return server_->bound(); }
  // OK while it accepts; what /readyz says.
  Status Ready() const;
  // OK while the log is at work, too; what /livez says. A commit that takes a minute is no longer
  // one.
  Status Live() const;

  // The roles have changed: ends the open streams of peers that may not have them any more, with
  // PERMISSION_DENIED (docs/semantics.md 10.1). Requests ask for themselves.
  void RecheckRoles();

  // docs/semantics.md 6.5: stops accepting, commits and acknowledges what was accepted, writes what
  // is in the ring to `deadline_ms`, ends streams with UNAVAILABLE `drain`. `done` runs when every
  // connection is closed, at the latest a second after the deadline.
  void Drain(uint64_t deadline_ms, std::function<void()> done);

  // The rows of GET /v1/subscriptions, and the answer itself.
  std::vector<SubscriptionInfo> Subscriptions() const { return push_.subscriptions().List(); }
  std::string SubscriptionsJson() const;
  // The paths of the public port: gRPC methods and HTTP.
  std::vector<std::string> Endpoints() const;
  BackendStats Stats() const;

  // In-process publishing (demo, tests): the same path as everybody else's.
  PublishIntake& intake() { return intake_; }
  const Log& log() const { return *log_; }

 private:
  Backend(Loop& loop, BackendConfig config, std::unique_ptr<Log> log);
  void OnRequest(Exchange& exchange) override;  // what is not gRPC
  struct HttpEndpoint;
  std::vector<HttpEndpoint> HttpEndpoints() const;
  PushService::Options PushOptions() const;
  void RunLog();
  // Whether who sent `request` has a role for it.
  Status Allow(const RequestHead& request);

  Loop& loop_;
  const BackendConfig config_;
  const Access access_;
  uint64_t roles_refused_ = 0;
  std::unique_ptr<Log> log_;
  PublishIntake intake_;
  PublishService publish_;
  Canary canary_;
  PushService push_;
  std::optional<RevocationEndpoints> revocation_;
  const std::vector<HttpEndpoint> http_endpoints_;
  GrpcRouter router_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<LogThread> log_thread_;  // one of the two
  std::unique_ptr<LogOnLoop> log_on_loop_;
  const uint64_t started_ms_;
  bool draining_ = false;
  Timer drain_timer_;
};

}  // namespace galaxy::push
