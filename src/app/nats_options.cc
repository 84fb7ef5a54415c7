#include "app/nats_options.h"

#include <string_view>

#include "log/shared_log.h"
#include "log_nats/nats_stream.h"
#include "net/address.h"

namespace galaxy::push {
namespace {

constexpr size_t kPrefixBytesMax = 32;
// The stream keeps invalidations a little longer than they are needed, so that every backend that
// starts finds what the others remember.
constexpr uint64_t kRetainedSpareMs = 24ull * 3600 * 1000;

Status Refuse(std::string_view option, const std::string& why) {
  return Fail(Code::kInvalidArgument, "option " + std::string(option) + ": " + why,
              std::string(option));
}

Status CheckUrl(const std::string& url, bool tls_files, bool plaintext) {
  std::string_view rest = url;
  bool tls = rest.starts_with("tls://");
  if (!tls && !rest.starts_with("nats://")) {
    return Refuse("nats", url + " begins neither with nats:// nor with tls://");
  }
  rest.remove_prefix(rest.find("//") + 2);
  if (rest.find('@') != std::string_view::npos) {
    return Refuse("nats",
                  "a URL holds no user or password; they belong into the file that "
                  "--nats-credentials names");
  }
  auto address = Address::Parse(rest);
  if (!address) return Refuse("nats", url + ": " + address.error().message);
  if (tls || tls_files || plaintext || address->IsLoopback()) return {};
  return Refuse("nats", url +
                            " is off loopback and would be plaintext; use tls:// or --nats-ca, "
                            "or allow it by --plaintext");
}

NatsConnection::Options ConnectionOptions(const NatsNodeOptions& options, std::string name) {
  return {.urls = options.urls,
          .name = std::move(name),
          .ca_file = options.ca_file,
          .certificate_file = options.certificate_file,
          .key_file = options.key_file,
          .credentials_file = options.credentials_file};
}

}  // namespace

void AddNatsOptions(OptionTable& table, NatsNodeOptions& options) {
  table.List({.name = "nats",
              .text = "With engine jetstream: the NATS servers, nats://HOST:PORT or "
                      "tls://HOST:PORT. They need JetStream.",
              .placeholder = "URL"},
             options.urls);
  table.Text({.name = "nats-prefix",
              .text = "What the names of the streams, subjects and buckets of this plane begin "
                      "with: a-z, A-Z, 0-9, - and _, at most 32. Every backend of a plane has the "
                      "same.",
              .fallback = "galaxy",
              .placeholder = "NAME"},
             options.prefix);
  table.Count({.name = "replicas",
               .text = "How many servers keep each stream when a backend makes it; 0: three in a "
                       "cluster, else one.",
               .fallback = "0",
               .low = "0",
               .high = "5"},
              options.replicas);
  table.SizeBytes({.name = "stream-bytes",
                   .text = "The most the log's stream may take on a server when a backend makes "
                           "it; its oldest entries leave early beyond it.",
                   .fallback = "1GiB",
                   .low = "1MiB",
                   .high = "1024GiB"},
                  options.stream_bytes_max);
  table.Text({.name = "nats-ca",
              .text = "The CAs that the NATS servers' certificates are held against; with it "
                      "every connection is TLS.",
              .placeholder = "FILE"},
             options.ca_file);
  table.Text({.name = "nats-cert",
              .text = "The certificate that the backend shows to NATS servers, with its chain.",
              .placeholder = "FILE"},
             options.certificate_file);
  table.Text({.name = "nats-key", .text = "The key of --nats-cert.", .placeholder = "FILE"},
             options.key_file);
  table.Text({.name = "nats-credentials",
              .text = "A NATS credentials file (.creds): the user's JWT and seed.",
              .placeholder = "FILE"},
             options.credentials_file);
}

Status CheckNats(const NatsNodeOptions& options, bool plaintext) {
  if (options.urls.empty()) return Refuse("nats", "engine jetstream needs the NATS servers");
  for (const std::string& url : options.urls) {
    Status ok = CheckUrl(url, !options.ca_file.empty(), plaintext);
    if (!ok) return ok;
  }
  if (!IsNatsName(options.prefix) || options.prefix.size() > kPrefixBytesMax)
    return Refuse("nats-prefix", "1 to 32 of a-z, A-Z, 0-9, - and _");
  if (options.certificate_file.empty() != options.key_file.empty()) {
    return Refuse("nats-cert", "a certificate and its key go together");
  }
  return {};
}

Result<OpenedSharedLog> OpenSharedLog(Loop& loop, const NatsNodeOptions& options,
                                      const Log::Options& log_options, const std::string& backend,
                                      uint64_t entry_bytes_max) {
  OpenedSharedLog opened;
  auto connection = NatsConnection::Open(ConnectionOptions(options, "galaxy-push " + backend));
  if (!connection) return std::unexpected(connection.error());
  opened.connection = std::move(*connection);
  auto stream = std::make_unique<NatsStream>(
      *opened.connection,
      NatsStream::Options{.prefix = options.prefix,
                          .replicas = options.replicas,
                          .window_ms = log_options.ring.window_ms,
                          .retained_ms = log_options.retained_lifetime_ms + Log::kRetainedGraceMs +
                                         kRetainedSpareMs,
                          .bytes_max = options.stream_bytes_max,
                          .entry_bytes_max = entry_bytes_max});
  const NatsStream& of = *stream;
  auto log = SharedLog::Open(log_options, {}, std::move(stream), loop.clock());
  if (!log) return std::unexpected(log.error());
  NatsClaims::Options claim_options;
  claim_options.bucket.bucket = options.prefix + "-subscriptions";
  claim_options.bucket.replicas = of.replicas();
  claim_options.backend = backend;
  auto claims = NatsClaims::Open(
      loop, ConnectionOptions(options, "galaxy-push " + backend + " claims"), claim_options);
  if (!claims) return std::unexpected(claims.error());
  opened.log = std::move(*log);
  opened.claims = std::move(*claims);
  return opened;
}

}  // namespace galaxy::push
