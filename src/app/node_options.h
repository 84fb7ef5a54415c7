#pragma once

#include <string>
#include <vector>

#include "app/nats_options.h"
#include "app/tls_options.h"
#include "auth/issuers_file.h"
#include "backend/backend.h"
#include "gateway/config.h"
#include "net/address.h"
#include "ops/option_table.h"

namespace galaxy::push {

// What the two servers can be told, and the option tables that say so.

// The admin port of either (docs/operations/).
struct AdminOptions {
  Address listen;
  ServerTlsOptions tls;
  bool metrics_open = false;  // also off loopback
};

struct BackendNodeOptions {
  BackendConfig config;
  AdminOptions admin;
  std::string engine;
  std::string data_dir;
  NatsNodeOptions nats;
  std::string payload = "object";
  std::string catalog_file;  // empty: every kind
  uint64_t drain_ms = 5'000;
  ServerTlsOptions tls;    // of the public port
  std::string roles_file;  // docs/semantics.md 10.1, of both ports; empty: no roles
  uint64_t reload_ms = 10'000;
  std::string issuers_file;  // whose logout and security event tokens are believed; empty: nobody's
  bool plaintext = false;    // off loopback, see docs/semantics.md 10.1
};

struct GatewayNodeOptions {
  GatewayConfig config;
  std::string issuers_file;  // of client tokens; or, for a single issuer, `jwks`, whose
  IssuerSetting issuer;      // name and audience must be there
  AdminOptions admin;
  std::string roles_file;            // of the admin port; empty: no roles
  std::string on_unknown = "admit";  // docs/semantics.md 9.3
  std::string partitions = "0-255";  // docs/semantics.md 7.7, as are the next two
  std::string foreign_partition = "refuse";
  std::string partition_urls;
  ServerTlsOptions tls;              // of the clients' port
  std::string app;                   // http:// or https://HOST:PORT; empty: no request proxy
  ClientTlsOptions app_tls;          // with https
  ProxyOptions proxy;
  std::vector<std::string> trusted_proxies;  // networks; docs/semantics.md 10.4
  BackendAccessOptions backend;
  bool plaintext = false;
};

void AddBackendOptions(OptionTable& table, BackendNodeOptions& options);
// --engine and --data, which the demo has, too. `data_spec` says what is the folder there.
void AddEngineOptions(OptionTable& table, OptionSpec data_spec, BackendNodeOptions& options);
// Whose client tokens are believed, by --issuers or by the short form for one.
Result<std::vector<IssuerSetting>> ReadIssuerOptions(const GatewayNodeOptions& options);
void AddGatewayOptions(OptionTable& table, GatewayNodeOptions& options);
// Which users a gateway serves, and what becomes of others.
Status ReadPartitionOptions(const GatewayNodeOptions& options, GatewayConfig& config);

// What both have. `endpoints` are those of the admin port, beside what every one has.
void AddAdminOptions(OptionTable& table, std::string_view endpoints, std::string_view fallback,
                     AdminOptions& options);
void AddPlaintext(OptionTable& table, bool& target);

// What both have, and only as a process of their own.
struct ProcessOptions {
  std::string ready_file;
  std::string log_level;
};
void AddProcessOptions(OptionTable& table, ProcessOptions& options);

// docs/semantics.md 10.1: an address off loopback is refused unless `plaintext` is set. Names the
// option at fault.
Status CheckPlaintext(std::string_view option, const Address& address, bool plaintext,
                      bool tls = false);
// The same for a port on TLS without roles, where everybody could do `what`. Plaintext off
// loopback has been allowed on purpose.
Status CheckRoles(const Address& listen, bool tls, std::string_view roles_file,
                  std::string_view what);
// Both for an admin port.
Status CheckAdmin(const AdminOptions& admin, bool plaintext, std::string_view roles_file);

}  // namespace galaxy::push
