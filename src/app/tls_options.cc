#include "app/tls_options.h"

#include "base/file.h"

namespace galaxy::push {
namespace {

constexpr std::string_view kSystem = "system";
constexpr size_t kBearerBytesMax = 4096;

std::unexpected<Error> Wrong(std::string_view option, std::string_view what) {
  return Fail(Code::kInvalidArgument, "option " + std::string(option) + " " + std::string(what),
              std::string(option));
}

void AddClientTlsOptions(OptionTable& table, std::string_view ca_text, const std::string& server,
                         const std::string& address, ClientTlsOptions& options) {
  const std::string& prefix = options.prefix;
  table.Text({.name = prefix + "ca", .text = std::string(ca_text), .placeholder = "FILE"},
             options.ca);
  table.Text({.name = prefix + "cert",
              .text = "The client certificate to show " + server + ", PEM.",
              .placeholder = "FILE"},
             options.certificate_file);
  table.Text({.name = prefix + "key", .text = "Its private key, PEM.", .placeholder = "FILE"},
             options.key_file);
  table.Text({.name = prefix + "name",
              .text = "The name that the certificate of " + server +
                      " must have; without it the host of --" + address + "."},
             options.name);
}

}  // namespace

void AddServerTlsOptions(OptionTable& table, std::string_view prefix, std::string_view who,
                         std::string_view ca_text, ServerTlsOptions& options) {
  options.prefix = prefix;
  table.Text({.name = options.prefix + "tls-cert",
              .text = "The certificate chain for " + std::string(who) +
                      ", PEM, leaf first; without it the port speaks plaintext. Files are read "
                      "again when they change.",
              .placeholder = "FILE"},
             options.certificate_file);
  table.Text(
      {.name = options.prefix + "tls-key", .text = "Its private key, PEM.", .placeholder = "FILE"},
      options.key_file);
  if (ca_text.empty()) return;
  table.Text(
      {.name = options.prefix + "tls-ca", .text = std::string(ca_text), .placeholder = "FILE"},
      options.ca_file);
}

Result<std::unique_ptr<TlsFiles>> OpenServerTls(const ServerTlsOptions& options) {
  const std::string certificate = options.prefix + "tls-cert", key = options.prefix + "tls-key";
  if (options.certificate_file.empty() != options.key_file.empty()) {
    return Wrong(options.key_file.empty() ? key : certificate,
                 "is missing: --" + certificate + " and --" + key + " go together");
  }
  if (!options.enabled()) {
    if (!options.ca_file.empty()) return Wrong(options.prefix + "tls-ca", "needs --" + certificate);
    return std::unique_ptr<TlsFiles>();
  }
  return TlsFiles::Open(TlsFiles::Side::kServer, {.certificate_file = options.certificate_file,
                                                  .key_file = options.key_file,
                                                  .ca_file = options.ca_file});
}

void AddAppTlsOptions(OptionTable& table, ClientTlsOptions& options) {
  options.prefix = "app-";
  AddClientTlsOptions(table,
                      "With https://: the CAs that may sign the application's certificate, PEM; "
                      "without it, or with system, those that the system trusts.",
                      "the application", "app", options);
}

void AddBackendAccessOptions(OptionTable& table, bool with_bearer, BackendAccessOptions& options) {
  options.prefix = "backend-";
  AddClientTlsOptions(table,
                      "Speak TLS to the backend, whose certificate a CA in this PEM file has "
                      "signed; system: one that the system trusts.",
                      "the backend", "backend", options);
  if (!with_bearer) return;
  table.Text({.name = "backend-bearer",
              .text = "A file with the bearer key to show the backend.",
              .placeholder = "FILE"},
             options.bearer_file);
}

void AddBackendClientOptions(OptionTable& table, Address& backend, BackendAccessOptions& options) {
  table.HostPort(
      {.name = "backend", .text = "The backend's --listen address.", .fallback = "127.0.0.1:7400"},
      backend);
  AddBackendAccessOptions(table, /*with_bearer=*/true, options);
}

void AddBackendClientOptions(OptionTable& table, std::vector<Address>& backends,
                             BackendAccessOptions& options) {
  table.HostPorts({.name = "backend",
                   .text = "The backend's --listen address; of several all: when one fails, the "
                           "next is tried.",
                   .fallback = "127.0.0.1:7400",
                   .placeholder = "ADDR,ADDR"},
                  backends);
  AddBackendAccessOptions(table, /*with_bearer=*/true, options);
}

Result<std::unique_ptr<TlsFiles>> OpenClientTls(const ClientTlsOptions& options,
                                                std::vector<std::string> alpn) {
  const std::string certificate = options.prefix + "cert", key = options.prefix + "key";
  if (options.certificate_file.empty() != options.key_file.empty()) {
    return Wrong(options.key_file.empty() ? key : certificate,
                 "is missing: --" + certificate + " and --" + key + " go together");
  }
  return TlsFiles::Open(TlsFiles::Side::kClient,
                        {.certificate_file = options.certificate_file,
                         .key_file = options.key_file,
                         .ca_file = options.ca == kSystem ? "" : options.ca,
                         .alpn = std::move(alpn)});
}

Result<OpenedAccess> OpenBackendAccess(const BackendAccessOptions& options) {
  OpenedAccess opened;
  if (!options.bearer_file.empty()) {
    Result<std::string> key = ReadFile(options.bearer_file, kBearerBytesMax);
    if (!key) return std::unexpected(key.error());
    while (!key->empty() && (key->back() == '\n' || key->back() == '\r')) key->pop_back();
    if (key->empty()) return Wrong("backend-bearer", "names an empty file");
    opened.access.key = std::move(*key);
  }
  if (!options.tls()) {
    bool more =
        !options.certificate_file.empty() || !options.key_file.empty() || !options.name.empty();
    if (more)
      return Wrong("backend-ca", "is missing: without it the backend is spoken to in plaintext");
    return opened;
  }
  auto files = OpenClientTls(options, {"h2"});
  if (!files) return std::unexpected(files.error());
  opened.files = std::move(*files);
  opened.access.tls = opened.files->source();
  opened.access.tls_name = options.name;
  return opened;
}

}  // namespace galaxy::push
