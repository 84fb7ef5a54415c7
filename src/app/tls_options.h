#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client/backend_access.h"
#include "net/tls_files.h"
#include "ops/option_table.h"

namespace galaxy::push {

// What commands can be told about TLS and keys (docs/semantics.md 10.1), and what comes of it.

// Of a port that serves: --tls-cert, --tls-key, --tls-ca, with `prefix` before "tls".
struct ServerTlsOptions {
  std::string prefix;
  std::string certificate_file;
  std::string key_file;
  std::string ca_file;  // whose client certificates are asked for and believed
  bool enabled() const { return !certificate_file.empty(); }
};
// `ca_text` empty: no --tls-ca.
void AddServerTlsOptions(OptionTable& table, std::string_view prefix, std::string_view who,
                         std::string_view ca_text, ServerTlsOptions& options);
// Null when it is not enabled. kInvalidArgument names the option.
Result<std::unique_ptr<TlsFiles>> OpenServerTls(const ServerTlsOptions& options);

// Of a client of a server: --backend-ca, --backend-cert, --backend-key, --backend-name, or with
// another `prefix` than "backend-".
struct ClientTlsOptions {
  std::string prefix;
  std::string ca;  // a file, or "system"
  std::string certificate_file;
  std::string key_file;
  std::string name;
  // Nothing was given.
  bool empty() const {
    return ca.empty() && certificate_file.empty() && key_file.empty() && name.empty();
  }
};
// kInvalidArgument names the option.
Result<std::unique_ptr<TlsFiles>> OpenClientTls(const ClientTlsOptions& options,
                                                std::vector<std::string> alpn);

// Of the gateway's client of the application: --app-ca, --app-cert, --app-key, --app-name.
void AddAppTlsOptions(OptionTable& table, ClientTlsOptions& options);

// Of a client of the backend: those above and, with `with_bearer`, --backend-bearer.
struct BackendAccessOptions : ClientTlsOptions {
  std::string bearer_file;
  bool tls() const { return !ca.empty(); }
};
void AddBackendAccessOptions(OptionTable& table, bool with_bearer, BackendAccessOptions& options);

// The same for the operators' tools, and where the backend is: --backend.
void AddBackendClientOptions(OptionTable& table, Address& backend, BackendAccessOptions& options);
// Of a tool that moves on when a backend fails.
void AddBackendClientOptions(OptionTable& table, std::vector<Address>& backends,
                             BackendAccessOptions& options);

// Keeps the files of a BackendAccess.
struct OpenedAccess {
  std::unique_ptr<TlsFiles> files;  // null: plaintext
  BackendAccess access;
};
Result<OpenedAccess> OpenBackendAccess(const BackendAccessOptions& options);

}  // namespace galaxy::push
