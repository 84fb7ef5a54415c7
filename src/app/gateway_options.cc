#include "app/node_options.h"

namespace galaxy::push {
namespace {

void AddIssuerOptions(OptionTable& table, GatewayNodeOptions& options) {
  table.Text(
      {.name = "jwks",
       .text = "The public keys of client tokens: a JWKS file, read again every --reload, or "
               "its URL (https, or http on loopback), fetched every 10 min and for a token "
               "of an unknown key.",
       .placeholder = "FILE|URL"},
      options.issuer.jwks);
  table.Text({.name = "issuer", .text = "The iss that client tokens must have."},
             options.issuer.issuer.issuer);
  table.Text({.name = "audience", .text = "The aud that client tokens must have."},
             options.issuer.issuer.audience);
  table.Text(
      {.name = "issuers",
       .text = "Several issuers of client tokens, instead of --jwks, --issuer and --audience "
               "(docs/security.md, \"Client tokens\").",
       .placeholder = "FILE"},
      options.issuers_file);
}

void AddIdentityOptions(OptionTable& table, GatewayNodeOptions& options) {
  GatewayConfig& config = options.config;
  table.Text({.name = "id",
              .text = "The gateway_client_id: unique among the gateways of a backend.",
              .required = true},
             config.id);
  table.HostPorts({.name = "backend",
                   .text = "The --listen address of the backend; of several all, by a list, by the "
                           "flag several times or by a name that has several addresses: the "
                           "gateway begins with one by a hash of its id and moves on when that "
                           "fails.",
                   .placeholder = "ADDR,ADDR",
                   .required = true},
                  config.backends);
  table.Text({.name = "data",
              .text = "Folder of this gateway alone: its cursor, its revoked set and, without "
                      "--envelope-keys, the signing key; made when it is missing.",
              .placeholder = "DIR",
              .required = true},
             config.data_dir);
  AddIssuerOptions(table, options);
  table.Text({.name = "plane",
              .text = "The issuer of envelopes, the same for all gateways of a plane.",
              .fallback = "galaxy"},
             config.plane);
  table.Text(
      {.name = "envelope-keys",
       .text = "The private key set that all gateways of a plane sign with (`keys envelope`).",
       .placeholder = "FILE"},
      config.envelope_keys_file);
  table.List({.name = "origins",
              .text = "Web origins whose pages may connect (CORS, and by cookie), such as "
                      "https://game.example; *: all, but not by cookie.",
              .placeholder = "ORIGIN,ORIGIN"},
             config.allowed_origins);
  table.Text({.name = "cookie",
              .text = "The cookie that may hold a client's token; it counts for pages of the "
                      "gateway's own origin and of --origins only. Empty: none does.",
              .fallback = "__Host-galaxy"},
             config.cookie_name);
}

void AddPartitionOptions(OptionTable& table, GatewayNodeOptions& options) {
  table.Text({.name = "partitions",
              .text = "The partitions, of 256, whose users this gateway serves, as in 0-63,128 "
                      "(docs/load-balancing.md); only their events are asked for.",
              .fallback = "0-255",
              .placeholder = "LIST"},
             options.partitions);
  table.Text({.name = "foreign-partition",
              .text = "A client of another partition is refused (421, wrong_partition), or told "
                      "by --partition-urls where to come (307, redirected).",
              .fallback = "refuse",
              .choices = {"refuse", "redirect"}},
             options.foreign_partition);
  table.Text({.name = "partition-urls",
              .text = "Where the users of all other partitions are served, as in "
                      "0-63,128=https://a.example,64-127,129-255=https://b.example.",
              .placeholder = "LIST=URL,..."},
             options.partition_urls);
}

void AddAppOptions(OptionTable& table, GatewayNodeOptions& options) {
  table.Text({.name = "app",
              .text = "The application's HTTP server, http:// or https://: authenticated requests "
                      "under --app-prefix go on to it (docs/edge-protocol.md, \"The request "
                      "proxy\").",
              .placeholder = "URL"},
             options.app);
  AddAppTlsOptions(table, options.app_tls);
  table.Text({.name = "app-prefix",
              .text = "The paths that go on to the application, unchanged.",
              .fallback = "/api/"},
             options.proxy.prefix);
  table.Flag({.name = "app-while-stale",
              .text = "Serve requests also while sessions cannot be vouched for; those that are "
                      "known to be revoked are refused all the same."},
             options.proxy.while_stale);
  table.DurationMs({.name = "app-timeout",
                    .text = "How long the application may take to begin its answer, and between "
                            "parts of it.",
                    .fallback = "60s",
                    .low = "100ms",
                    .high = "1h"},
                   options.proxy.response_timeout_ms);
  table.Count({.name = "app-requests",
               .text = "The most requests in flight to the application.",
               .fallback = "10000",
               .low = "1",
               .high = "1000000"},
              options.proxy.in_flight_max);
}

void AddFeedOptions(OptionTable& table, GatewayConfig& config) {
  table.DurationMs({.name = "window",
                    .text = "How far back clients can resume; a starting gateway asks for as much.",
                    .fallback = "5m",
                    .low = "1s",
                    .high = "1d"},
                   config.window_ms);
  table.SizeBytes({.name = "ring-bytes",
                   .text = "The most memory the window may take.",
                   .fallback = "256MiB",
                   .low = "1MiB",
                   .high = "64GiB"},
                  config.ring_bytes_max);
  table.DurationMs(
      {.name = "backoff",
       .text = "The first wait before reconnecting to the backend; it doubles, with full "
               "jitter.",
       .fallback = "500ms",
       .low = "1ms",
       .high = "1m"},
      config.backoff_min_ms);
  table.DurationMs({.name = "backoff-max",
                    .text = "The longest such wait.",
                    .fallback = "10s",
                    .low = "1ms",
                    .high = "10m"},
                   config.backoff_max_ms);
  table.DurationMs({.name = "backend-check",
                    .text = "With several backends: how often, give or take a half, the health of "
                            "each is asked for.",
                    .fallback = "5s",
                    .low = "100ms",
                    .high = "10m"},
                   config.backend_check_ms);
  table.DurationMs({.name = "backend-return",
                    .text = "The gateway goes back to the backend that its id gives it first when "
                            "that has been well for so long, or up to twice as long; 0: never.",
                    .fallback = "5m",
                    .high = "30d"},
                   config.backend_return_ms);
  table.DurationMs({.name = "move-spread",
                    .text = "Before it goes to another backend a gateway waits anywhere from 0 to "
                            "this, so that not all of them come at once.",
                    .fallback = "100ms",
                    .high = "1m"},
                   config.move_spread_ms);
  table.DurationMs({.name = "superseded-wait",
                    .text = "The first wait after another process took this --id.",
                    .fallback = "30s",
                    .low = "100ms",
                    .high = "1h"},
                   config.superseded_min_ms);
  table.DurationMs({.name = "superseded-wait-max",
                    .text = "The longest such wait.",
                    .fallback = "10m",
                    .low = "100ms",
                    .high = "1d"},
                   config.superseded_max_ms);
  table.DurationMs(
      {.name = "assume-resumed",
       .text = "Behind a backend without push-resume: a break shorter than this counts "
               "as resumed.",
       .fallback = "0",
       .high = "1h"},
      config.assume_resumed_ms);
  table.DurationMs({.name = "persist-interval",
                    .text = "The cursor is persisted at most so often.",
                    .fallback = "100ms",
                    .low = "1ms",
                    .high = "1m"},
                   config.persist_interval_ms);
  table.DurationMs(
      {.name = "ping",
       .text = "How often the connection to the backend is pinged; at most every 310 s "
               "when the backend is not ours.",
       .fallback = "20s",
       .low = "1s",
       .high = "1h"},
      config.feed_ping_interval_ms);
  table.DurationMs({.name = "ping-timeout",
                    .text = "How long the answer to a ping may take.",
                    .fallback = "10s",
                    .low = "100ms",
                    .high = "1h"},
                   config.feed_ping_timeout_ms);
}

void AddFreshnessOptions(OptionTable& table, GatewayNodeOptions& options) {
  GatewayConfig& config = options.config;
  table.DurationMs({.name = "stale-after",
                    .text = "So long after it was last fresh a gateway vouches for nobody any more "
                            "and is not ready.",
                    .fallback = "60s",
                    .low = "100ms",
                    .high = "1h"},
                   config.stale_after_ms);
  table.DurationMs({.name = "stale-spread",
                    .text = "The spread over which it then closes its connections.",
                    .fallback = "2m",
                    .high = "1h"},
                   config.stale_spread_ms);
  table.Flag({.name = "fail-open",
              .text = "Go on serving sessions that may be revoked when it cannot know: a risk, and "
                      "shown as galaxy_push_gateway_fail_open."},
             config.fail_open);
  table.Text({.name = "on-unknown",
              .text = "When invalidations may be lost for good: admit on the token alone after "
                      "closing those from before, or refuse until an operator confirms.",
              .fallback = "admit",
              .choices = {"admit", "refuse"}},
             options.on_unknown);
  table.DurationMs(
      {.name = "unknown-spread",
       .text = "When invalidations may be lost: the spread over which connections close.",
       .fallback = "2m",
       .high = "1h"},
      config.unknown_spread_ms);
}

void AddKeyOptions(OptionTable& table, GatewayConfig& config) {
  table.DurationMs({.name = "reload",
                    .text = "How often keys, certificates and roles are looked at for a change.",
                    .fallback = "10s",
                    .low = "100ms",
                    .high = "1d"},
                   config.reload_ms);
  table.DurationMs({.name = "jwks-refresh",
                    .text = "How often token keys that come from a URL are fetched again.",
                    .fallback = "10m",
                    .low = "1s",
                    .high = "1d"},
                   config.jwks_refresh_ms);
  table.DurationMs({.name = "jwks-cooldown",
                    .text = "The least time between two fetches of token keys because a token "
                            "names an unknown key.",
                    .fallback = "30s",
                    .low = "100ms",
                    .high = "1h"},
                   config.jwks_cooldown_ms);
  table.DurationS(
      {.name = "session-lifetime",
       .text = "The maximum session lifetime: longer tokens are refused, revocations kept "
               "as long.",
       .fallback = "30d",
       .low = "1m",
       .high = "400d"},
      config.session_lifetime_max_s);
  table.DurationS({.name = "token-leeway",
                   .text = "How far the clocks of the token's issuer and the gateway may differ.",
                   .fallback = "30s",
                   .high = "10m"},
                  config.token_leeway_s);
  table.DurationS({.name = "keys-max-age",
                   .text = "How long clients may cache the envelope keys.",
                   .fallback = "10m",
                   .high = "1d"},
                  config.jwks_max_age_s);
}

void AddSessionOptions(OptionTable& table, GatewayConfig& config) {
  table.DurationMs({.name = "heartbeat",
                    .text = "An idle connection gets a position frame at least so often.",
                    .fallback = "25s",
                    .low = "100ms",
                    .high = "10m"},
                   config.heartbeat_ms);
  table.SizeBytes({.name = "client-queue-bytes",
                   .text = "What may wait for one connection; beyond it the connection is closed.",
                   .fallback = "1MiB",
                   .low = "4KiB",
                   .high = "1GiB"},
                  config.queue_bytes_max);
  table.DurationMs({.name = "client-queue-age",
                    .text = "How long it may wait.",
                    .fallback = "10s",
                    .low = "100ms",
                    .high = "1h"},
                   config.queue_age_max_ms);
  table.DurationMs({.name = "future-wait",
                    .text = "How long a client's cursor that is ahead of the feed is waited for.",
                    .fallback = "5s",
                    .high = "1m"},
                   config.future_wait_ms);
  table.DurationMs({.name = "gap-spread",
                    .text = "The spread over which clients reload after a gap.",
                    .fallback = "30s",
                    .high = "1h"},
                   config.gap_spread_ms);
  table.Count({.name = "batch-size",
               .text = "The most events under one signature.",
               .fallback = "64",
               .low = "1",
               .high = "256"},
              config.batch_size);
  table.DurationMs({.name = "hello-timeout",
                    .text = "How long a new WebSocket may take to send its hello.",
                    .fallback = "5s",
                    .low = "100ms",
                    .high = "1m"},
                   config.hello_timeout_ms);
  table.SizeBytes({.name = "notsent-lowat",
                   .text = "What the kernel may hold unsent for one connection "
                           "(TCP_NOTSENT_LOWAT); 0: the system's.",
                   .fallback = "16KiB",
                   .high = "16MiB"},
                  config.notsent_lowat_bytes);
  table.DurationMs({.name = "close-drain",
                    .text = "A closing connection that does not drain within this is reset.",
                    .fallback = "1s",
                    .low = "1ms",
                    .high = "1m"},
                   config.close_drain_ms);
  table.DurationMs({.name = "drain",
                    .text = "On SIGTERM: the deadline for flushing the clients' queues.",
                    .fallback = "5s",
                    .high = "10m"},
                   config.drain_flush_ms);
  table.DurationMs({.name = "drain-spread",
                    .text = "On SIGTERM: the window over which clients are closed.",
                    .fallback = "10s",
                    .high = "10m"},
                   config.drain_spread_ms);
}

void AddLimitOptions(OptionTable& table, GatewayNodeOptions& options) {
  AdmissionLimits& limits = options.config.client_limits;
  table.Count({.name = "address-connections",
               .text = "What one address may have open; an IPv6 /64 is one address, loopback is "
                       "exempt; 0: any number.",
               .fallback = "500",
               .high = "1000000"},
              limits.address_connections);
  table.Count({.name = "address-connects",
               .text = "How often a second one address may connect, and ten times as often at "
                       "once; 0: any number.",
               .fallback = "50",
               .high = "100000"},
              limits.address_connects_per_s);
  table.Count({.name = "user-connections",
               .text = "What one user may have open, devices and tabs together; 0: any number.",
               .fallback = "20",
               .high = "1000000"},
              limits.user_connections);
  table.Count({.name = "user-connects",
               .text = "How often a second one user may connect, and ten times as often at once; "
                       "0: any number.",
               .fallback = "2",
               .high = "100000"},
              limits.user_connects_per_s);
  table.List(
      {.name = "trusted-proxies",
       .text = "The addresses and networks (10.0.0.0/8) of the proxies and load balancers in "
               "front: whom they name in X-Forwarded-For or by the PROXY protocol is the "
               "client.",
       .placeholder = "CIDR,..."},
      options.trusted_proxies);
  table.Flag({.name = "proxy-protocol",
              .text = "Every connection to --listen comes from one of --trusted-proxies and begins "
                      "with a header of the PROXY protocol, version 2; others are closed."},
             options.config.proxy_protocol);
}

}  // namespace

void AddGatewayOptions(OptionTable& table, GatewayNodeOptions& options) {
  AddIdentityOptions(table, options);
  table.HostPort({.name = "listen",
                  .text = "Where clients connect; port 0: any.",
                  .fallback = "127.0.0.1:7410"},
                 options.config.listen);
  AddAdminOptions(table, "/v1/sessions?user=, /v1/backends, /v1/confirm-unknown", "127.0.0.1:7411",
                  options.admin);
  table.Text({.name = "roles",
              .text = "Who may do what on the admin port, by certificate or key "
                      "(docs/security.md); without it everybody who reaches it. A port on TLS off "
                      "loopback needs it.",
              .placeholder = "FILE"},
             options.roles_file);
  AddServerTlsOptions(table, "", "clients", "", options.tls);
  AddBackendAccessOptions(table, /*with_bearer=*/false, options.backend);
  AddAppOptions(table, options);
  AddFeedOptions(table, options.config);
  AddFreshnessOptions(table, options);
  AddKeyOptions(table, options.config);
  AddSessionOptions(table, options.config);
  AddPartitionOptions(table, options);
  AddLimitOptions(table, options);
  AddPlaintext(table, options.plaintext);
}

Result<std::vector<IssuerSetting>> ReadIssuerOptions(const GatewayNodeOptions& options) {
  const IssuerSetting& one = options.issuer;
  const std::pair<const char*, const std::string*> parts[] = {
      {"jwks", &one.jwks}, {"issuer", &one.issuer.issuer}, {"audience", &one.issuer.audience}};
  for (const auto& [name, value] : parts) {
    if (value->empty() == !options.issuers_file.empty()) continue;
    return Fail(Code::kInvalidArgument,
                value->empty() ? std::string("option ") + name +
                                     " is missing: name one issuer of client tokens by --jwks, "
                                     "--issuer and --audience, or several by --issuers"
                               : std::string("option ") + name +
                                     " does not go with --issuers, which says it in the file",
                name);
  }
  if (!options.issuers_file.empty()) return LoadIssuers(options.issuers_file);
  Status ok = CheckIssuerSetting(one);
  if (ok) return std::vector<IssuerSetting>{one};
  return Fail(Code::kInvalidArgument, "option " + ok.error().message, ok.error().field);
}

Status ReadPartitionOptions(const GatewayNodeOptions& options, GatewayConfig& config) {
  auto at_fault = [](const Error& error) {
    return Fail(error.code, "option " + error.message, error.field);
  };
  Result<PartitionSet> set = PartitionSet::Parse(options.partitions, "partitions");
  if (!set) return at_fault(set.error());
  config.partitions = *set;
  config.redirect_foreign = options.foreign_partition == "redirect";
  if (config.redirect_foreign == options.partition_urls.empty()) {
    return Fail(Code::kInvalidArgument,
                "option partition-urls: it goes with --foreign-partition redirect, and that needs "
                "it",
                "partition-urls");
  }
  if (!config.redirect_foreign) return {};
  Result<PartitionUrls> urls = PartitionUrls::Parse(options.partition_urls, "partition-urls");
  if (!urls) return at_fault(urls.error());
  for (unsigned partition = 0; partition < kPartitions; ++partition) {
    if (set->Has(partition) || !urls->Of(partition).empty()) continue;
    return Fail(Code::kInvalidArgument,
                "option partition-urls: partition " + std::to_string(partition) +
                    " is neither served here nor listed",
                "partition-urls");
  }
  config.partition_urls = std::move(*urls);
  return {};
}

}  // namespace galaxy::push
