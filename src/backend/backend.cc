#include "backend/backend.h"

#include <algorithm>
#include <string>

#include "backend/endpoints.h"
#include "backend/json_writer.h"
#include "http/problem.h"
#include "http/text.h"
#include "log/local_log.h"

namespace galaxy::push {
namespace {

// After the deadline of a drain: for statuses and trailers on their way.
constexpr uint64_t kLastWordsMs = 1'000;
// A log that has not turned for so long hangs.
constexpr uint64_t kHungMs = 60'000;

}  // namespace

// What the public port answers besides gRPC; all of it by POST.
struct Backend::HttpEndpoint {
  std::string_view path;
  void (*answer)(Backend& backend, Exchange& exchange);
};

Backend::Backend(Loop& loop, BackendConfig config, std::unique_ptr<Log> log)
    : loop_(loop),
      config_(std::move(config)),
      access_(config_.roles),
      log_(std::move(log)),
      intake_(loop, *log_),
      publish_(intake_, loop.clock(), config_.publish),
      canary_(loop, intake_, config_.push.canary_ms),
      push_(loop, *log_, PushOptions(), [this] { canary_.OnAccept(); }),
      http_endpoints_(HttpEndpoints()),
      router_(this, {}),
      started_ms_(loop.clock().MonoMs()) {
  router_.SetGuard([this](const RequestHead& request) { return Allow(request); });
  if (config_.revocation_tokens) {
    revocation_.emplace(intake_, *config_.revocation_tokens, loop.clock(),
                        config_.await_token_keys);
  }
}

PushService::Options Backend::PushOptions() const {
  PushService::Options options = config_.push;
  options.check_id = [this](const PeerProof& proof, std::string_view id) {
    return access_.CheckGatewayId(proof, id);
  };
  if (log_->shared()) {
    options.admission.await_head = [&loop = loop_, log = log_.get()](auto done) {
      log->AwaitHead([&loop, done = std::move(done)](const Status& known) {
        loop.Post([done, known] { done(known); });
      });
    };
  }
  return options;
}

Backend::~Backend() = default;

Result<std::unique_ptr<Backend>> Backend::Start(Loop& loop, BackendConfig config,
                                                std::unique_ptr<Engine> engine,
                                                const Configure& configure) {
  auto log = LocalLog::Open(config.log, std::move(engine), loop.clock().WallMs());
  if (!log) return std::unexpected(log.error());
  return Start(loop, std::move(config), std::unique_ptr<Log>(std::move(*log)), configure);
}

Result<std::unique_ptr<Backend>> Backend::Start(Loop& loop, BackendConfig config,
                                                std::unique_ptr<Log> log,
                                                const Configure& configure) {
  if (config.on_log_failure) log->SetOnFatal(config.on_log_failure);
  std::unique_ptr<Backend> backend(new Backend(loop, std::move(config), std::move(log)));
  backend->publish_.AddTo(backend->router_);
  backend->push_.AddTo(backend->router_);
  if (configure) configure(backend->router_);
  Result<std::unique_ptr<HttpServer>> server =
      HttpServer::Open(loop, backend->config_.listen, backend->config_.http, backend->router_);
  if (!server) return std::unexpected(server.error());
  backend->server_ = std::move(*server);
  backend->RunLog();
  return backend;
}

void Backend::RunLog() {
  if (config_.log_on_loop) {
    log_on_loop_ = std::make_unique<LogOnLoop>(loop_, *log_, *config_.log_on_loop);
  } else {
    log_thread_ = std::make_unique<LogThread>(*log_, loop_.clock());
  }
}

Status Backend::Ready() const {
  if (draining_) return Fail(Code::kUnavailable, "the backend is shutting down");
  return log_->Ready();
}

Status Backend::Live() const {
  uint64_t turned_ms = std::max(log_->worked_mono_ms(), started_ms_);
  uint64_t now_ms = loop_.clock().MonoMs();
  if (now_ms < turned_ms + kHungMs) return {};
  return Fail(Code::kInternal,
              "the log has not turned for " + std::to_string((now_ms - turned_ms) / 1000) + " s");
}

Status Backend::Allow(const RequestHead& request) {
  Status allowed = access_.Check(request, RolesNeeded(request.path));
  if (!allowed) ++roles_refused_;
  return allowed;
}

void Backend::RecheckRoles() {
  push_.RecheckRoles();
  publish_.EndStreams([this](const GrpcServerCall& call) {
    PeerProof proof{call.tls_peer(), BearerToken(call.metadata())};
    Status may = access_.Check(proof, RolesNeeded(call.path()));
    if (!may) ++roles_refused_;
    return may;
  });
}

std::vector<Backend::HttpEndpoint> Backend::HttpEndpoints() const {
  using Standard = RevocationEndpoints::Standard;
  std::vector<HttpEndpoint> endpoints = {
      {"/v1/events", [](Backend& it, Exchange& by) { it.publish_.OnHttpEvents(by); }},
      {"/v1/invalidations", [](Backend& it, Exchange& by) { it.publish_.OnHttpInvalidations(by); }},
  };
  if (!config_.revocation_tokens) return endpoints;
  endpoints.push_back({kBackChannelLogoutPath, [](Backend& it, Exchange& by) {
                         it.revocation_->OnRequest(by, Standard::kBackChannelLogout);
                       }});
  endpoints.push_back({kSecurityEventsPath, [](Backend& it, Exchange& by) {
                         it.revocation_->OnRequest(by, Standard::kSecurityEvent);
                       }});
  return endpoints;
}

std::vector<std::string> Backend::Endpoints() const {
  std::vector<std::string> paths = router_.Paths();
  for (const HttpEndpoint& endpoint : http_endpoints_) paths.emplace_back(endpoint.path);
  return paths;
}

void Backend::OnRequest(Exchange& exchange) {
  const RequestHead& request = exchange.request();
  auto endpoint = std::ranges::find(http_endpoints_, request.path, &HttpEndpoint::path);
  if (endpoint == http_endpoints_.end()) {
    return RespondProblem(exchange, {Code::kNotFound, "there is nothing at this path", {}});
  }
  if (Status allowed = Allow(request); !allowed) {
    return RespondProblem(exchange, allowed.error());
  }
  if (request.method != "POST") {
    ProblemResponse problem = Problem({Code::kMethodNotAllowed, "use POST", {}});
    problem.head.headers.Set("allow", "POST");
    return exchange.Respond(std::move(problem.head), std::move(problem.body));
  }
  endpoint->answer(*this, exchange);
}

void Backend::Drain(uint64_t deadline_ms, std::function<void()> done) {
  draining_ = true;
  canary_.Stop();
  push_.StopAccepting();
  publish_.Drain();
  drain_timer_ = loop_.RunAfter(deadline_ms, [this] { push_.EndAll(); });
  // Everything that was accepted is in the ring by then.
  intake_.WhenIdle([this] { push_.Drain(); });
  // Last: with no connection left, `done` runs at once and may destroy this.
  server_->Drain(deadline_ms + kLastWordsMs, std::move(done));
}

BackendStats Backend::Stats() const {
  return {.log = log_->Stats(),
          .ring = log_->ring().Stats(),
          .head = log_->ring().head(),
          .retained_entries = log_->retained().size(),
          .retained_bytes = log_->retained().bytes(),
          .publish = publish_.Stats(),
          .roles_refused = roles_refused_,
          .publish_in_flight = intake_.in_flight(),
          .publish_failed = intake_.entries_failed(),
          .subscriptions = push_.subscriptions().stats(),
          .subscriptions_open = push_.subscriptions().size(),
          .subscriptions_waiting = push_.admission().waiting(),
          .admission = push_.admission().stats(),
          .claims = config_.push.admission.claims != nullptr
                        ? std::optional(config_.push.admission.claims->Stats())
                        : std::nullopt,
          .push_wakeups = push_.wakeups(),
          .canaries_published = canary_.published(),
          .canaries_failed = canary_.failed(),
          .http = server_->stats(),
          .engine = log_->EngineStats(),
          .engine_ready = log_->Ready().has_value(),
          .revocation = revocation_ ? std::optional(revocation_->stats()) : std::nullopt};
}

std::string Backend::SubscriptionsJson() const {
  std::string out = R"({"subscriptions":[)";
  for (const SubscriptionInfo& row : Subscriptions()) {
    if (out.back() != '[') out += ',';
    out += R"({"gateway_client_id":)";
    AppendJsonString(row.gateway_client_id, out);
    // Text: beyond 2^53 many a reader of JSON rounds numbers.
    out += R"(,"generation":")" + std::to_string(row.generation) + '"';
    out += R"(,"peer":)";
    AppendJsonString(row.peer, out);
    out += R"(,"connected_ms":)" + std::to_string(row.connected_wall_ms);
    out += R"(,"cursor":")" + row.written.Format() + '"';
    out += R"(,"partitions":")" + row.partitions.Format() + '"';
    out += R"(,"lag_entries":)" + std::to_string(row.lag_entries);
    out += R"(,"lag_bytes":)" + std::to_string(row.lag_bytes);
    out += R"(,"lag_ms":)" + std::to_string(row.lag_ms) + '}';
  }
  return out + "]}";
}

}  // namespace galaxy::push
