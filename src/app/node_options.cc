#include "app/node_options.h"

namespace galaxy::push {
namespace {

void AddLogOptions(OptionTable& table, BackendNodeOptions& options) {
  Log::Options& log = options.config.log;
  AddEngineOptions(
      table,
      {.text = "The folder of the log; made when it is missing. One process at a time.",
       .fallback = "galaxy-data"},
      options);
  table.DurationMs({.name = "window",
                    .text = "The freshness window: how far back gateways and clients can resume.",
                    .fallback = "5m",
                    .low = "1s",
                    .high = "1d"},
                   log.ring.window_ms);
  table.SizeBytes(
      {.name = "ring-bytes",
       .text =
           "The most memory the window may take, idempotency keys included; older entries leave "
           "early beyond it.",
       .fallback = "256MiB",
       .low = "1MiB",
       .high = "64GiB"},
      log.ring.bytes_max);
  table.Count({.name = "dedupe-keys",
               .text = "The most idempotency keys that are remembered within the window.",
               .fallback = "4000000",
               .low = "1000",
               .high = "100000000"},
              log.dedupe_keys_max);
  table.DurationMs({.name = "session-lifetime",
                    .text = "The maximum session lifetime: how long invalidations are retained.",
                    .fallback = "30d",
                    .low = "1m",
                    .high = "400d"},
                   log.retained_lifetime_ms);
  table.SizeBytes(
      {.name = "queue-bytes",
       .text = "Publishes that wait for the engine; beyond it they are refused with 429.",
       .fallback = "16MiB",
       .low = "1MiB",
       .high = "16GiB"},
      log.queue_bytes_max);
  table.Count({.name = "queue-entries",
               .text = "The same bound in entries.",
               .fallback = "200000",
               .low = "1000",
               .high = "100000000"},
              log.queue_entries_max);
}

void AddPublishOptions(OptionTable& table, BackendNodeOptions& options) {
  PublishLimits& limits = options.config.publish.limits;
  table.SizeBytes({.name = "payload-bytes",
                   .text = "The largest payload of an event.",
                   .fallback = "64KiB",
                   .low = "256",
                   .high = "1MiB"},
                  limits.payload.bytes_max);
  table.Text({.name = "payload",
              .text = "What a payload may be: a JSON object, or any JSON text.",
              .fallback = "object",
              .choices = {"object", "any"}},
             options.payload);
  table.Count({.name = "payload-depth",
               .text = "The deepest nesting of a payload.",
               .fallback = "64",
               .low = "1",
               .high = "512"},
              limits.payload.depth_max);
  table.Text({.name = "catalog",
              .text = "The only kinds that may be published, with JSON Schemas of their payloads "
                      "(docs/publishing.md); without it every kind.",
              .placeholder = "FILE"},
             options.catalog_file);
  table.SizeBytes({.name = "id-bytes",
                   .text = "The longest id, kind or reason.",
                   .fallback = "256",
                   .low = "16",
                   .high = "256"},
                  limits.id_bytes_max);
  table.Count({.name = "batch-entries",
               .text = "The most entries of one batch.",
               .fallback = "10000",
               .low = "1",
               .high = "100000"},
              limits.batch_entries_max);
  table.SizeBytes({.name = "batch-bytes",
                   .text = "The largest batch.",
                   .fallback = "16MiB",
                   .low = "64KiB",
                   .high = "256MiB"},
                  limits.batch_bytes_max);
}

void AddPushOptions(OptionTable& table, BackendNodeOptions& options) {
  table.DurationMs({.name = "canary",
                    .text = "The canary interval, by which gateways measure freshness; 0: off.",
                    .fallback = "5s",
                    .high = "1h"},
                   options.config.push.canary_ms);
  table.DurationMs(
      {.name = "slow",
       .text = "A gateway that accepts no byte for so long while entries wait is cut off.",
       .fallback = "10s",
       .low = "100ms",
       .high = "1h"},
      options.config.push.slow_ms);
  table.DurationMs({.name = "ping",
                    .text = "How often an HTTP/2 connection is pinged.",
                    .fallback = "20s",
                    .low = "1s",
                    .high = "1h"},
                   options.config.http.ping_interval_ms);
  table.DurationMs({.name = "ping-timeout",
                    .text = "How long the answer to a ping may take.",
                    .fallback = "10s",
                    .low = "100ms",
                    .high = "1h"},
                   options.config.http.ping_timeout_ms);
  table.DurationMs({.name = "drain",
                    .text = "On SIGTERM: the deadline for writing to gateways what is in the ring.",
                    .fallback = "5s",
                    .high = "10m"},
                   options.drain_ms);
}

}  // namespace

void AddAdminOptions(OptionTable& table, std::string_view endpoints, std::string_view fallback,
                     AdminOptions& options) {
  table.HostPort(
      {.name = "admin",
       .text = "Where operators look: /metrics, /livez, /readyz, " + std::string(endpoints) + ".",
       .fallback = std::string(fallback)},
      options.listen);
  AddServerTlsOptions(table, "admin-", "operators",
                      "The CAs whose client certificates are believed on the admin port.",
                      options.tls);
  table.Flag({.name = "metrics-open",
              .text = "With --roles off loopback: let everybody who reaches the admin port read "
                      "/metrics; without it that is for operators."},
             options.metrics_open);
}

void AddPlaintext(OptionTable& table, bool& target) {
  table.Flag({.name = "plaintext",
              .text = "Allow addresses off loopback; traffic and tokens travel unencrypted."},
             target);
}

void AddEngineOptions(OptionTable& table, OptionSpec data_spec, BackendNodeOptions& options) {
  table.Text({.name = "engine",
              .text = "What keeps the log: sqlite in the folder --data, which survives restarts, "
                      "crashes and power cuts; memory for the life of the process; jetstream in "
                      "NATS servers, for several backends (docs/operations.md).",
              .fallback = "sqlite",
              .choices = {"sqlite", "memory", "jetstream"}},
             options.engine);
  data_spec.name = "data";
  data_spec.placeholder = "DIR";
  table.Text(std::move(data_spec), options.data_dir);
  AddNatsOptions(table, options.nats);
}

void AddBackendOptions(OptionTable& table, BackendNodeOptions& options) {
  table.HostPort(
      {.name = "listen",
       .text = "Where gateways and producers connect, gRPC and HTTP on one port; port 0: "
               "any.",
       .fallback = "127.0.0.1:7400"},
      options.config.listen);
  AddAdminOptions(table, "/v1/subscriptions", "127.0.0.1:7401", options.admin);
  AddServerTlsOptions(table, "", "gateways and producers",
                      "The CAs whose client certificates are believed; a gateway's id must be "
                      "among the names of its certificate.",
                      options.tls);
  table.Text({.name = "roles",
              .text = "Who may do what, by certificate or key, on both ports "
                      "(docs/security.md); without it everybody who reaches them. A port on TLS "
                      "off loopback needs it.",
              .placeholder = "FILE"},
             options.roles_file);
  table.Text({.name = "issuers",
              .text = "Whose logout and security event tokens end sessions (docs/publishing.md, "
                      "\"Ways to revoke\"); without it those endpoints are not there.",
              .placeholder = "FILE"},
             options.issuers_file);
  AddLogOptions(table, options);
  AddPublishOptions(table, options);
  AddPushOptions(table, options);
  table.DurationMs({.name = "reload",
                    .text = "How often certificates and roles are looked at for a change.",
                    .fallback = "10s",
                    .low = "100ms",
                    .high = "1d"},
                   options.reload_ms);
  AddPlaintext(table, options.plaintext);
}

void AddProcessOptions(OptionTable& table, ProcessOptions& options) {
  table.Text(
      {.name = "ready-file",
       .text = "Write the bound addresses here once they are bound: a JSON object, gone when "
               "the process ends.",
       .placeholder = "FILE"},
      options.ready_file);
  table.Text({.name = "log-level",
              .text = "What is logged, on standard error.",
              .fallback = "info",
              .choices = {"debug", "info", "warn", "error"}},
             options.log_level);
}

Status CheckPlaintext(std::string_view option, const Address& address, bool plaintext, bool tls) {
  if (tls || plaintext || address.IsLoopback()) return {};
  return Fail(Code::kInvalidArgument,
              "option " + std::string(option) + ": " + address.ToString() +
                  " is off loopback and would be plaintext; --plaintext allows it",
              std::string(option));
}

Status CheckRoles(const Address& listen, bool tls, std::string_view roles_file,
                  std::string_view what) {
  if (!tls || !roles_file.empty() || listen.IsLoopback()) return {};
  return Fail(Code::kInvalidArgument,
              "option roles: " + listen.ToString() + " is off loopback and anybody there could " +
                  std::string(what) + "; say who may by --roles",
              "roles");
}

Status CheckAdmin(const AdminOptions& admin, bool plaintext, std::string_view roles_file) {
  bool tls = admin.tls.enabled();
  Status ok = CheckPlaintext("admin", admin.listen, plaintext, tls);
  return ok ? CheckRoles(admin.listen, tls, roles_file, "do what operators do") : ok;
}

}  // namespace galaxy::push
