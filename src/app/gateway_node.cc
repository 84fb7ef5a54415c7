#include "app/gateway_node.h"

#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "envelope/encode.h"
#include "gateway/origin.h"
#include "http/text.h"
#include "http/url.h"
#include "storage/folder_lock.h"

namespace galaxy::push {
namespace {

// An answer is built on the loop that serves everybody.
constexpr size_t kSessionsListed = 100;
constexpr size_t kSessionsListedMax = 1'000;

Result<size_t> ReadLimit(const std::optional<std::string>& text) {
  if (!text) return kSessionsListed;
  size_t limit = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
  bool whole = error == std::errc() && end == text->data() + text->size();
  if (whole && limit >= 1 && limit <= kSessionsListedMax) return limit;
  return Fail(Code::kInvalidArgument, "limit is 1 to 1000", "limit");
}

void AppendSessionJson(const GatewaySessionInfo& session, std::string& out) {
  out += "{\"user\":";
  AppendJsonString(out, session.user_id);
  out += ",\"session\":";
  AppendJsonString(out, session.session_id);
  out += ",\"transport\":";
  AppendJsonString(out, session.transport);
  out += ",\"state\":";
  AppendJsonString(out, session.state);
  out += ",\"began_s\":" + std::to_string(session.began_s);
  out += ",\"token_expires_ms\":" + std::to_string(session.token_expires_ms);
  out += ",\"queue_bytes\":" + std::to_string(session.queue_bytes) + "}";
}

void AppendBackendJson(const GatewayBackendInfo& backend, std::string& out) {
  out += "{\"address\":";
  AppendJsonString(out, backend.address);
  out += ",\"host\":";
  AppendJsonString(out, backend.host);
  out += ",\"health\":";
  AppendJsonString(out, backend.health);
  out += ",\"health_ms\":" + std::to_string(backend.health_ms);
  out += std::string(",\"in_use\":") + (backend.in_use ? "true" : "false");
  out += std::string(",\"listed\":") + (backend.listed ? "true" : "false");
  out += ",\"message\":";
  AppendJsonString(out, backend.message);
  out += '}';
}

std::string ListText(const std::vector<Address>& addresses) {
  std::string out;
  for (const Address& one : addresses) out += (out.empty() ? "" : ",") + one.ToString();
  return out;
}

Status CheckPageOptions(const GatewayConfig& config) {
  const std::string& cookie = config.cookie_name;
  if (!cookie.empty() && !IsToken(cookie)) {
    return Fail(Code::kInvalidArgument,
                "option cookie: \"" + cookie + "\" cannot be a cookie's name", "cookie");
  }
  Status ok = CheckOrigins(config.allowed_origins);
  if (ok) return {};
  return Fail(Code::kInvalidArgument, "option " + ok.error().message, ok.error().field);
}

}  // namespace

GatewayNode::GatewayNode(Loop& loop, uint64_t reload_ms, Logger& logger)
    : logger_(logger), watch_(loop, reload_ms, logger), admin_([this] { return Ready(); }) {
  admin_.handler().AddCollector([this](MetricList& out) { gateway_->CollectMetrics(out); });
  admin_.handler().AddCollector(CollectProcessMetrics);
  admin_.handler().AddJson("/v1/sessions",
                           [this](const RequestHead& request) { return SessionsJson(request); });
  admin_.handler().AddJson("/v1/backends", [this](const RequestHead&) -> Result<std::string> {
    std::string out = "{\"backends\":[";
    bool first = true;
    for (const GatewayBackendInfo& row : gateway_->Backends()) {
      if (!std::exchange(first, false)) out += ',';
      AppendBackendJson(row, out);
    }
    return out + "]}\n";
  });
  admin_.handler().AddAction(
      "/v1/confirm-unknown", [this](const RequestHead&) -> Result<std::string> {
        return std::string(gateway_->ConfirmUnknown() ? "{\"confirmed\":true}\n"
                                                      : "{\"confirmed\":false}\n");
      });
}

Status GatewayNode::OpenTls(const GatewayNodeOptions& options, GatewayConfig& config) {
  auto files = OpenServerTls(options.tls);
  if (!files) return std::unexpected(files.error());
  tls_ = std::move(*files);
  if (tls_) config.listen_tls = tls_->source();
  watch_.Add("certificate", tls_.get());
  auto access = OpenBackendAccess(options.backend);
  if (!access) return std::unexpected(access.error());
  backend_ = std::move(*access);
  config.backend_tls = backend_.access.tls;
  config.backend_name = backend_.access.tls_name;
  watch_.Add("certificate for the backend", backend_.files.get());
  return {};
}

Status GatewayNode::OpenAdmin(Loop& loop, const GatewayNodeOptions& options) {
  auto roles = RolesFile::Open(options.roles_file);
  if (!roles) return std::unexpected(roles.error());
  roles_ = std::move(*roles);
  if (roles_->given()) watch_.Add("roles", [this] { return roles_->Reload(); });
  return admin_.Open(loop, options.admin, *roles_, watch_);
}

Status GatewayNode::OpenApp(const GatewayNodeOptions& options, GatewayConfig& config) {
  if (options.app.empty()) return {};
  Result<ServerUrl> url = ServerUrl::Parse(options.app);
  bool http = url && (url->scheme == "http" || url->scheme == "https") && url->target == "/";
  if (!http) {
    return Fail(Code::kInvalidArgument,
                "option app: \"" + options.app + "\" is not http:// or https://HOST:PORT", "app");
  }
  if (!url->tls() && !options.app_tls.empty()) {
    return Fail(Code::kInvalidArgument,
                "option app: the options --app-ca, --app-cert, --app-key and --app-name need "
                "https://",
                "app");
  }
  if (Status ok = CheckPlaintext("app", url->address, options.plaintext, url->tls()); !ok)
    return ok;
  const std::string& prefix = options.proxy.prefix;
  if (!prefix.starts_with('/') || !prefix.ends_with('/') || prefix == "/" ||
      prefix.starts_with("/v1/") || prefix.starts_with("/.well-known/")) {
    return Fail(Code::kInvalidArgument,
                "option app-prefix: \"" + prefix +
                    "\" must begin and end with / and not take /, /v1/ or /.well-known/",
                "app-prefix");
  }
  config.app = options.proxy;
  config.app->app = url->address;
  if (!url->tls()) return {};
  auto files = OpenClientTls(options.app_tls, {"http/1.1"});
  if (!files) return std::unexpected(files.error());
  app_tls_ = std::move(*files);
  config.app->tls = app_tls_->source();
  config.app->tls_name = options.app_tls.name;
  watch_.Add("certificate for the application", app_tls_.get());
  return {};
}

Status GatewayNode::ReadTrustedProxies(const GatewayNodeOptions& options, GatewayConfig& config) {
  Result<IpPrefixes> trusted = IpPrefixes::Parse(options.trusted_proxies);
  if (!trusted) {
    return Fail(Code::kInvalidArgument, "option trusted-proxies: " + trusted.error().message,
                "trusted-proxies");
  }
  if (config.proxy_protocol && trusted->empty()) {
    return Fail(Code::kInvalidArgument,
                "option proxy-protocol: name by --trusted-proxies who may send the header",
                "proxy-protocol");
  }
  config.trusted_proxies = std::move(*trusted);
  return {};
}

Status GatewayNode::Open(Loop& loop, const GatewayNodeOptions& options) {
  if (Status ok = MakeFolder(options.config.data_dir); !ok) return ok;
  GatewayConfig config = options.config;
  auto issuers = ReadIssuerOptions(options);
  if (!issuers) return std::unexpected(issuers.error());
  config.issuers = std::move(*issuers);
  if (Status ok = CheckPageOptions(config); !ok) return ok;
  if (Status ok = ReadPartitionOptions(options, config); !ok) return ok;
  auto keys = GatewayKeys::Load(config, loop.clock().WallMs());
  if (!keys) return std::unexpected(keys.error());
  config.refuse_unknown = options.on_unknown == "refuse";
  if (Status ok = OpenTls(options, config); !ok) return ok;
  if (Status ok = OpenApp(options, config); !ok) return ok;
  if (Status ok = ReadTrustedProxies(options, config); !ok) return ok;
  auto gateway = Gateway::Open(loop, std::move(config), std::move(*keys));
  if (!gateway) return std::unexpected(gateway.error());
  gateway_ = std::move(*gateway);
  gateway_->SetLogSink(
      [this](Gateway::LogLevel level, std::string_view sentence, const Gateway::LogFields& fields) {
        std::vector<LogField> list;
        for (const auto& [key, value] : fields) list.emplace_back(key, value);
        logger_.Write(level == Gateway::LogLevel::kWarning ? LogLevel::kWarn : LogLevel::kInfo,
                      sentence, list);
      });
  if (Status opened = OpenAdmin(loop, options); !opened) return opened;
  logger_.Info("Gateway listens.", {{"id", options.config.id},
                                    {"listen", listen().ToString()},
                                    {"admin", admin().ToString()},
                                    {"backend", ListText(options.config.backends)}});
  if (options.config.fail_open)
    logger_.Warn("Gateway fails open: sessions that it cannot vouch for are served.");
  return {};
}

Result<std::unique_ptr<GatewayNode>> GatewayNode::Start(Loop& loop,
                                                        const GatewayNodeOptions& options,
                                                        Logger& logger) {
  if (Status ok =
          CheckPlaintext("listen", options.config.listen, options.plaintext, options.tls.enabled());
      !ok)
    return std::unexpected(ok.error());
  if (Status ok = CheckAdmin(options.admin, options.plaintext, options.roles_file); !ok)
    return std::unexpected(ok.error());
  for (const Address& backend : options.config.backends) {
    Status ok = CheckPlaintext("backend", backend, options.plaintext, options.backend.tls());
    if (!ok) return std::unexpected(ok.error());
  }
  std::unique_ptr<GatewayNode> node(new GatewayNode(loop, options.config.reload_ms, logger));
  if (Status ok = node->Open(loop, options); !ok) return std::unexpected(ok.error());
  return node;
}

Status GatewayNode::Ready() const {
  if (gateway_->ready()) return {};
  return Fail(Code::kUnavailable, gateway_->not_ready_reason());
}

Result<std::string> GatewayNode::SessionsJson(const RequestHead& request) const {
  std::optional<std::string> user = request.QueryParameter("user");
  if (!user || user->empty())
    return Fail(Code::kInvalidArgument, "name the user: /v1/sessions?user=", "user");
  std::string session = request.QueryParameter("session").value_or("");
  auto limit = ReadLimit(request.QueryParameter("limit"));
  if (!limit) return std::unexpected(limit.error());
  std::string out = "{\"sessions\":[";
  bool first = true;
  for (const GatewaySessionInfo& row : gateway_->Sessions(*user, session, *limit)) {
    if (!std::exchange(first, false)) out += ',';
    AppendSessionJson(row, out);
  }
  return out + "],\"total\":" + std::to_string(gateway_->SessionCount(*user, session)) + "}\n";
}

void GatewayNode::Drain(std::function<void()> done) {
  gateway_->Drain([this, done = std::move(done)] {
    logger_.Info("Gateway has drained.");
    done();
  });
}

}  // namespace galaxy::push
