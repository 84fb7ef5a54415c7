#include "app/backend_node.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <utility>

#include "backend/backend_metrics.h"
#include "galaxy/backend/publish/v1/publish.pb.h"
#include "galaxy/backend/push/v1/push.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "log/memory_engine.h"
#include "log/sqlite_engine.h"
#include "ops/exit_code.h"

namespace galaxy::push {
namespace {

constexpr std::array kServices = {"galaxy.backend.push.v1.Push",
                                  "galaxy.backend.publish.v1.Publisher"};
constexpr uint64_t kHealthMs = 250;
// Ids, kind and what encloses them: docs/semantics.md 2.3.
constexpr uint64_t kEntryBesidesPayload = 4096;

std::string HostName() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

std::unique_ptr<Engine> MakeEngine(const BackendNodeOptions& options, const Clock& clock) {
  if (options.engine == "memory") return std::make_unique<MemoryEngine>();
  return std::make_unique<SqliteEngine>(
      SqliteEngine::Options{.dir = options.data_dir, .vfs = {}, .clock = &clock});
}

// At once and without destructors, which would write to the failed file again.
[[noreturn]] void EndAtOnce(Logger& logger, const Error& error) {
  logger.Error(
      "The log cannot be made durable; the backend ends so that it acknowledges nothing more.",
      {{"reason", error.message}});
  std::_Exit(kExitFailed);
}

}  // namespace

BackendNode::BackendNode(Loop& loop, const BackendNodeOptions& options, Logger& logger)
    : drain_ms_(options.drain_ms),
      logger_(logger),
      watch_(loop, options.reload_ms, logger),
      admin_([this] { return backend_->Ready(); }, [this] { return backend_->Live(); }) {
  reflection_.Add(*backend::push::v1::PushEvent::descriptor()->file());
  reflection_.Add(*backend::publish::v1::PublishResult::descriptor()->file());
  reflection_.Add(*grpc::health::v1::HealthCheckResponse::descriptor()->file());
  for (const char* service : kServices) health_.Set(service, health_status_);
  admin_.handler().AddCollector([this](MetricList& out) { CollectBackendMetrics(*backend_, out); });
  admin_.handler().AddCollector(CollectProcessMetrics);
  admin_.handler().AddJson("/v1/subscriptions",
                           [this](const RequestHead&) { return backend_->SubscriptionsJson(); });
}

Status BackendNode::OpenTls(const BackendNodeOptions& options, BackendConfig& config) {
  auto files = OpenServerTls(options.tls);
  if (!files) return std::unexpected(files.error());
  tls_ = std::move(*files);
  if (tls_) config.http.socket.tls = tls_->source();
  watch_.Add("certificate", tls_.get());
  return {};
}

Status BackendNode::OpenRoles(const BackendNodeOptions& options, BackendConfig& config) {
  auto roles = RolesFile::Open(options.roles_file);
  if (!roles) return std::unexpected(roles.error());
  roles_ = std::move(*roles);
  config.roles = roles_->source();
  if (!roles_->given()) return {};
  watch_.Add("roles", [this] {
    Result<bool> changed = roles_->Reload();
    if (changed && *changed) backend_->RecheckRoles();
    return changed;
  });
  return {};
}

Status BackendNode::OpenIssuers(Loop& loop, const BackendNodeOptions& options,
                                BackendConfig& config) {
  if (options.issuers_file.empty()) return {};
  auto settings = LoadIssuers(options.issuers_file);
  if (!settings) return std::unexpected(settings.error());
  auto tokens = RevocationTokens::Create({.issuers = IssuersWithoutKeys(*settings)});
  if (!tokens) return std::unexpected(tokens.error());
  revocation_tokens_ = std::make_shared<RevocationTokens>(std::move(*tokens));
  config.revocation_tokens = revocation_tokens_;
  config.await_token_keys = [this](KeyWaits::Ticket& ticket, KeyWaits::Again again) {
    return issuer_keys_ && issuer_keys_->Await(ticket, std::move(again));
  };
  auto keys = IssuerKeys::Open(
      loop, *settings, {},
      {.on_keys = [this](const std::string& issuer,
                         Jwks::Snapshot set) { (void)revocation_tokens_->SetKeys(issuer, set); },
       .on_failure =
           [this](const std::string& issuer, const Error& error) {
             logger_.Warn("The keys of an issuer were not reloaded.",
                          {{"issuer", issuer}, {"reason", error.message}});
           }});
  if (!keys) return std::unexpected(keys.error());
  issuer_keys_ = std::move(*keys);
  admin_.handler().AddCollector([this](MetricList& out) { issuer_keys_->CollectMetrics(out); });
  return {};
}

Result<std::unique_ptr<Backend>> BackendNode::StartBackend(Loop& loop,
                                                           const BackendNodeOptions& options,
                                                           BackendConfig config) {
  auto configure = [this](GrpcRouter& router) {
    health_.AddTo(router);
    reflection_.AddTo(router);
  };
  if (options.engine != "jetstream") {
    return Backend::Start(loop, std::move(config), MakeEngine(options, loop.clock()), configure);
  }
  std::string name = HostName() + " " + config.listen.ToString();
  auto shared = OpenSharedLog(loop, options.nats, config.log, name,
                              config.publish.limits.payload.bytes_max + kEntryBesidesPayload);
  if (!shared) return std::unexpected(shared.error());
  shared_ = std::move(*shared);
  config.push.admission.claims = shared_.claims.get();
  return Backend::Start(loop, std::move(config), std::move(shared_.log), configure);
}

// Gateways that may choose among backends ask for the health of each.
void BackendNode::WatchHealth(Loop& loop) {
  auto status = backend_->Ready() ? GrpcHealth::Status::kServing : GrpcHealth::Status::kNotServing;
  if (std::exchange(health_status_, status) != status) {
    for (const char* service : kServices) health_.Set(service, status);
    if (status == GrpcHealth::Status::kServing) {
      logger_.Info("The log takes entries again.");
    } else {
      logger_.Warn("The log takes no entries.", {{"reason", backend_->Ready().error().message}});
    }
  }
  health_timer_ = loop.RunAfter(kHealthMs, [this, &loop] { WatchHealth(loop); });
}

Status BackendNode::Open(Loop& loop, const BackendNodeOptions& options) {
  BackendConfig config = options.config;
  config.publish.limits.payload.any_value = options.payload == "any";
  if (!options.catalog_file.empty()) {
    auto catalog = KindCatalog::Load(options.catalog_file);
    if (!catalog) return std::unexpected(catalog.error());
    config.publish.limits.catalog = std::move(*catalog);
  }
  Status ok = OpenTls(options, config);
  if (ok) ok = OpenRoles(options, config);
  if (ok) ok = OpenIssuers(loop, options, config);
  if (!ok) return ok;
  config.on_log_failure = [&logger = logger_](const Error& error) { EndAtOnce(logger, error); };
  auto backend = StartBackend(loop, options, std::move(config));
  if (!backend) return std::unexpected(backend.error());
  backend_ = std::move(*backend);
  WatchHealth(loop);
  if (Status opened = admin_.Open(loop, options.admin, *roles_, watch_); !opened) return opened;
  logger_.Info("Backend listens.", {{"listen", listen().ToString()},
                                    {"admin", admin().ToString()},
                                    {"engine", options.engine},
                                    {"data", options.engine == "sqlite" ? options.data_dir : ""},
                                    {"head", backend_->log().ring().head().Format()}});
  return {};
}

Result<std::unique_ptr<BackendNode>> BackendNode::Start(Loop& loop,
                                                        const BackendNodeOptions& options,
                                                        Logger& logger) {
  if (Status ok =
          CheckPlaintext("listen", options.config.listen, options.plaintext, options.tls.enabled());
      !ok)
    return std::unexpected(ok.error());
  if (Status ok =
          CheckRoles(options.config.listen, options.tls.enabled(), options.roles_file, "publish");
      !ok)
    return std::unexpected(ok.error());
  if (Status ok = CheckAdmin(options.admin, options.plaintext, options.roles_file); !ok)
    return std::unexpected(ok.error());
  if (options.engine == "jetstream") {
    if (Status ok = CheckNats(options.nats, options.plaintext); !ok)
      return std::unexpected(ok.error());
  }
  std::unique_ptr<BackendNode> node(new BackendNode(loop, options, logger));
  if (Status ok = node->Open(loop, options); !ok) return std::unexpected(ok.error());
  return node;
}

void BackendNode::Drain(std::function<void()> done) {
  logger_.Info("Backend drains.", {{"deadline_ms", drain_ms_}});
  health_timer_.Cancel();
  health_.SetAllNotServing();
  backend_->Drain(drain_ms_, [this, done = std::move(done)] {
    logger_.Info("Backend has drained.");
    done();
  });
}

}  // namespace galaxy::push
