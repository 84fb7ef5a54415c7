#include "app/demo.h"

#include <cstdio>
#include <filesystem>
#include <utility>

#include "app/server_run.h"
#include "base/file.h"
#include "crypto/certificate.h"

namespace galaxy::push {
namespace {

// How this program is called from the current folder.
std::string ProgramPath() {
  std::error_code error;
  std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return "galaxy-push";
  std::filesystem::path near = std::filesystem::proximate(program, error);
  bool below = !error && !near.empty() && *near.begin() != "..";
  if (!below) return program.string();
  return near.has_parent_path() ? near.string() : "./" + near.string();
}

void Say(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

Demo::Demo(DemoOptions options, Logger& logger)
    : options_(std::move(options)),
      logger_(logger),
      key_(TokenKey::Generate(TokenAlg::kEdDsa)),
      page_(page_loop_, key_, [](const std::string& sentence) { Say("  " + sentence + "\n"); }) {}

Status Demo::OpenPage() {
  if (!options_.page.IsLoopback())
    return Fail(Code::kInvalidArgument,
                "option page: the demo hands out tokens, it is for loopback", "page");
  ServerTlsOptions tls = files_->ServerTls();
  tls.ca_file.clear();  // browsers would ask which certificate to show
  auto files = OpenServerTls(tls);
  if (!files) return std::unexpected(files.error());
  page_tls_ = std::move(*files);
  HttpLimits limits;
  if (page_tls_) limits.socket.tls = page_tls_->source();
  auto server = HttpServer::Open(page_loop_, options_.page, limits, page_);
  if (!server) return std::unexpected(server.error());
  page_server_ = std::move(*server);
  return {};
}

Status Demo::OpenBackend() {
  BackendNodeOptions options = options_.backend;
  if (options.data_dir.empty()) options.data_dir = files_->Path("backend");
  options.issuers_file = files_->Path("issuers.json");
  options.tls = files_->ServerTls();
  options.admin.tls = files_->ServerTls();
  if (options_.tls) options.roles_file = files_->Path("ca/roles.json");
  auto backend = BackendNode::Start(backend_thread_.loop(), options, logger_);
  if (!backend) return std::unexpected(backend.error());
  backend_ = std::move(*backend);
  return {};
}

Status Demo::OpenGateway() {
  GatewayNodeOptions options = options_.gateway;
  options.config.id = kDemoGateway;
  options.config.backends = {backend_->listen()};
  options.config.data_dir = files_->Path("gateway");
  options.config.plane = kDemoPlane;
  options.issuer.jwks = files_->Path("login-jwks.json");
  options.issuer.issuer.issuer = kDemoIssuer;
  options.issuer.issuer.audience = kDemoAudience;
  std::string port = std::to_string(page_server_->bound().port);
  for (const char* host : {"127.0.0.1:", "localhost:", "[::1]:"})
    options.config.allowed_origins.push_back(Scheme() + "://" + host + port);
  options.config.drain_spread_ms = 200;  // nobody waits for a demo to end
  options.tls = files_->ServerTls();
  options.tls.ca_file.clear();
  options.admin.tls = files_->ServerTls();
  if (options_.tls) options.roles_file = files_->Path("ca/roles.json");
  options.backend = files_->Access(kDemoGateway);
  auto node = GatewayNode::Start(gateway_thread_.loop(), options, logger_);
  if (!node) return std::unexpected(node.error());
  gateway_ = std::move(*node);
  return {};
}

Status Demo::OpenClients() {
  auto access = OpenBackendAccess(files_->Access("producer"));
  auto producer = files_->Http1Client("producer");
  auto anybody = files_->Http1Client({});
  if (!access) return std::unexpected(access.error());
  if (!producer) return std::unexpected(producer.error());
  if (!anybody) return std::unexpected(anybody.error());
  tls_ = {std::move(*access), std::move(*producer), std::move(*anybody)};
  page_.SetPlane({page_server_->bound(), backend_->listen(), gateway_->listen(),
                  tls_.producer ? tls_.producer->source() : TlsSource(),
                  tls_.anybody ? tls_.anybody->source() : TlsSource()});
  traffic_ = std::make_unique<DemoTraffic>(page_loop_, backend_->listen(), tls_.traffic.access,
                                           options_.traffic_ms, logger_);
  return {};
}

Status Demo::Open() {
  auto files = DemoFiles::Create(key_, options_.tls);
  if (!files) return std::unexpected(files.error());
  files_ = std::make_unique<DemoFiles>(std::move(*files));
  Status ok = OpenPage();
  if (ok) ok = OpenBackend();
  if (ok) ok = OpenGateway();
  return ok ? OpenClients() : ok;
}

std::string Demo::ReadyJson() const {
  std::string ca = options_.tls ? ",\"ca\":\"" + files_->Path("ca/ca.crt") + "\"" : "";
  return "{\"backend\":" + AddressesJson(*backend_) + ",\"gateway\":" + AddressesJson(*gateway_) +
         ",\"page\":\"" + PageUrl() + "\"" + ca + "}";
}

// Commands that can be pasted.
std::string Demo::Commands() const {
  std::string program = "\n    " + ProgramPath();
  std::string user = " --user " + std::string(kDemoUser);
  auto at_backend = [&](std::string_view role) {
    std::string base = files_->Path("ca/" + std::string(role));
    std::string text = " --backend " + backend_->listen().ToString();
    if (!options_.tls) return text;
    return text + " --backend-ca " + files_->Path("ca/ca.crt") + " --backend-cert " + base +
           ".crt --backend-key " + base + ".key";
  };
  std::string trust = options_.tls ? " --ca " + files_->Path("ca/ca.crt") : "";
  return program + " listen --url " + (options_.tls ? "wss://" : "ws://") +
         gateway_->listen().ToString() + trust + " --token-file " + files_->Path("terminal.token") +
         program + " publish" + at_backend("producer") + user +
         " --kind game.turn.ready --payload '{\"turn\":99,\"deadline_s\":3600}'" + program +
         " invalidate" + at_backend("producer") + user + " --session terminal --reason lost" +
         program + " tail" + at_backend("operator") + " --since 5m\n";
}

// How a browser comes to believe the page, and who proves what to whom.
std::string Demo::TlsWords() const {
  if (!options_.tls) return "";
  std::string certificate = files_->Path("ca/server.crt");
  Result<std::string> text = ReadFile(certificate);
  Result<std::string> pin = text ? PublicKeyPin(*text) : std::unexpected(text.error());
  return "\n  Everything is on TLS by a CA of its own, " + files_->Path("ca/ca.crt") +
         ".\n  A browser warns of it once; this one knows the certificate:\n\n    chromium "
         "--user-data-dir=$(mktemp -d) --ignore-certificate-errors-spki-list=" +
         (pin ? *pin : "") + " " + PageUrl() +
         "\n\n  gateway  -> backend   mutual TLS, bound to the id " + std::string(kDemoGateway) +
         "\n  page     -> backend   mutual TLS, as a producer"
         "\n  login    -> backend   TLS, POST /v1/backchannel-logout with a signed logout token"
         "\n  browser  -> gateway   TLS, with a token of the login\n"
         "\n  \"Sign out\" on the page has the login end a session; what came of it, and when, is "
         "told here.\n";
}

std::string Demo::AdminWords() const {
  std::string backend = Scheme() + "://" + backend_->admin().ToString();
  std::string gateway = Scheme() + "://" + gateway_->admin().ToString();
  std::string text = "\n  Metrics: " + backend + "/metrics and " + gateway + "/metrics\n";
  if (!options_.tls) return text;
  std::string base = files_->Path("ca/");
  return text + "  As an operator, who is connected:\n\n    curl --cacert " + base +
         "ca.crt --cert " + base + "operator.crt --key " + base + "operator.key '" + gateway +
         "/v1/sessions?user=" + std::string(kDemoUser) + "'\n";
}

void Demo::PrintWelcome() const {
  Say("\n  The page: " + PageUrl() + "\n" + TlsWords() +
      "\n  In another terminal, receive as a third device would, publish, and cut it off:\n" +
      Commands() + AdminWords() + "\n  Ctrl-C ends it.\n\n");
}

void Demo::Run() {
  backend_thread_.Start();
  gateway_thread_.Start();
  if (options_.traffic_ms > 0) traffic_->Start();
  page_loop_.Run();
  gateway_thread_.Join();
  backend_thread_.Join();
}

// The page first, then clients, then the backend: nobody loses what somebody else still sends.
void Demo::Drain() {
  if (std::exchange(draining_, true)) return;
  traffic_->Stop();
  page_server_->Drain(500, [this] {
    gateway_thread_.loop().Post([this] { gateway_->Drain([this] { EndGateway(); }); });
  });
}

// On the gateway's loop. The gateway goes before the backend drains, which would wait for its
// stream.
void Demo::EndGateway() {
  gateway_thread_.loop().Post([this] {
    gateway_.reset();
    gateway_thread_.loop().Stop();
    backend_thread_.loop().Post([this] {
      backend_->Drain([this] {
        backend_thread_.loop().Stop();
        page_loop_.Stop();
      });
    });
  });
}

}  // namespace galaxy::push
