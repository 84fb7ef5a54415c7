#include "app/demo_files.h"

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "app/demo_page.h"
#include "app/dev_ca.h"
#include "base/clock.h"
#include "base/file.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kLifetimeS = 30 * 86'400;

std::string IssuersJson(const std::string& jwks) {
  nlohmann::json issuer = {{"issuer", kDemoIssuer}, {"audience", kDemoAudience}, {"jwks", jwks}};
  return nlohmann::json{{"issuers", {issuer}}}.dump(1) + "\n";
}

}  // namespace

Result<DemoFiles> DemoFiles::Create(const TokenKey& login_key, bool tls) {
  std::string path = (std::filesystem::temp_directory_path() / "galaxy-push-demo-XXXXXX").string();
  if (!mkdtemp(path.data())) return Fail(Code::kInternal, "cannot make a temporary folder");
  DemoFiles files(std::move(path), tls);
  if (Status ok = files.Write(login_key); !ok) return std::unexpected(ok.error());
  return files;
}

DemoFiles::DemoFiles(DemoFiles&& other) noexcept
    : folder_(std::exchange(other.folder_, {})), tls_(other.tls_) {}

DemoFiles::~DemoFiles() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

Status DemoFiles::Write(const TokenKey& login_key) const {
  uint64_t now_ms = Clock::Real().WallMs();
  std::string jwks = Path("login-jwks.json");
  std::string token = MintDemoToken(login_key, "terminal", now_ms);
  Status ok = WriteFileAtomic(jwks, login_key.ToPublicJwks(), 0600);
  if (ok) ok = WriteFileAtomic(Path("login-key.json"), login_key.ToPrivateJwk(), 0600);
  if (ok) ok = WriteFileAtomic(Path("issuers.json"), IssuersJson(jwks), 0600);
  if (ok) ok = WriteFileAtomic(Path("terminal.token"), token + "\n", 0600);
  if (!ok || !tls_) return ok;
  return MakeDevCa({.folder = Path("ca"),
                    .hosts = {},
                    .gateways = {std::string(kDemoGateway)},
                    .now_s = now_ms / 1000,
                    .lifetime_s = kLifetimeS});
}

std::string DemoFiles::Certificate(std::string_view name) const {
  return Path("ca/" + std::string(name));
}

ServerTlsOptions DemoFiles::ServerTls() const {
  if (!tls_) return {};
  return {.certificate_file = Certificate("server.crt"),
          .key_file = Certificate("server.key"),
          .ca_file = Certificate("ca.crt")};
}

BackendAccessOptions DemoFiles::Access(std::string_view name) const {
  if (!tls_) return {};
  std::string base = Certificate(name);
  BackendAccessOptions access;
  access.prefix = "backend-";
  access.ca = Certificate("ca.crt");
  access.certificate_file = base + ".crt";
  access.key_file = base + ".key";
  return access;
}

Result<std::unique_ptr<TlsFiles>> DemoFiles::Http1Client(std::string_view name) const {
  if (!tls_) return std::unique_ptr<TlsFiles>();
  TlsOptions options{.ca_file = Certificate("ca.crt"), .alpn = {"http/1.1"}};
  if (!name.empty()) {
    BackendAccessOptions access = Access(name);
    options.certificate_file = access.certificate_file;
    options.key_file = access.key_file;
  }
  return TlsFiles::Open(TlsFiles::Side::kClient, std::move(options));
}

}  // namespace galaxy::push
