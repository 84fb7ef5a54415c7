#include "gateway/metrics.h"

#include <algorithm>

#include "gateway/backends.h"
#include "gateway/edge.h"
#include "gateway/feed_client.h"
#include "gateway/proxy.h"
#include "gateway/shard.h"
#include "gateway/state_writer.h"
#include "gateway/vouching.h"

namespace galaxy::push {
namespace {

// Counts by code under the stable name, the codes that never happened left out. Two codes share the
// name session_revoked: the verdict tells them apart.
void AddByCode(std::string_view name, std::string_view help,
               const std::array<uint64_t, kCodeCount>& counts, MetricPart& part) {
  for (int i = 0; i < kCodeCount; ++i) {
    if (counts[i] == 0) continue;
    const CodeInfo& info = Describe(static_cast<Code>(i));
    part.Counter(
        name, help, counts[i],
        {{"code", std::string(info.name)}, {"verdict", std::string(VerdictName(info.verdict))}});
  }
}

}  // namespace

void AddFeedMetrics(const FeedClient& client, uint64_t mono_ms, MetricList& out) {
  const FeedStats& stats = client.stats();
  MetricPart feed("feed", out);
  feed.Counter("entries_total", "Entries received from the backend.", stats.entries);
  feed.Counter("bytes_total", "Bytes received from the backend.", stats.bytes);
  feed.Counter("canaries_total", "Canary events received.", stats.canaries);
  feed.Counter("duplicates_total", "Entries of a foreign backend that came twice.",
               stats.duplicates);
  feed.Counter("unknown_kinds_total", "Entries that are neither event nor invalidation.",
               stats.unknown_kinds);
  feed.Counter("connects_total", "Subscriptions that were tried.", stats.connects);
  feed.Counter("faults_total", "Streams ended because they broke a promise.", stats.faults);
  feed.Counter("alarms_total", "Ends of the feed that a person should look at.", stats.alarms);
  feed.Counter("gaps_total", "Gaps of the feed.", stats.gaps);
  feed.Gauge("connected", "1 while a subscription is accepted.", stats.connected ? 1 : 0);
  feed.Gauge("superseded", "1 while another process holds the subscription of this gateway id.",
             client.feed().superseded() ? 1 : 0);
  feed.Gauge("invalidations_unknown", "1 once invalidations may have been lost for good.",
             client.feed().unknown() ? 1 : 0);
  feed.Gauge("behind_entries",
             "How far the feed is behind the backend's head of when it was accepted; 0 once "
             "that is reached.",
             client.feed().behind_entries());
  feed.Counter("moves_total", "Ends of a subscription after which another backend was gone to.",
               stats.moves);
  for (const auto& [cause, count] : stats.ends) {
    feed.Counter("ends_total", "Ends of a subscription, by cause.", count,
                 {{"cause", std::string(cause)}});
  }
  auto since = [mono_ms](std::optional<uint64_t> at_ms) {
    return at_ms ? std::optional(mono_ms - *at_ms) : std::nullopt;
  };
  feed.Seconds("silence_seconds", "Since the newest entry was received.", since(stats.entry_ms));
  feed.Seconds("canary_age_seconds", "Since the newest canary was received.",
               since(stats.canary_ms));
  MetricPart gateway("gateway", out);
  gateway.Histogram("invalidation_apply_seconds",
                    "From the publish time of an invalidation to its application here, by the two "
                    "hosts' clocks.",
                    stats.invalidation);
}

void AddVouchingMetrics(const Vouching& vouching, uint64_t mono_ms, MetricList& out) {
  const Vouching::Stats& stats = vouching.stats();
  MetricPart gateway("gateway", out);
  MetricPart feed("feed", out);
  for (FreshState state : {FreshState::kStale, FreshState::kSuspect, FreshState::kFresh}) {
    std::string name(FreshStateName(state));
    gateway.Gauge("freshness", "1 at the state that the gateway is in.",
                  vouching.state() == state ? 1 : 0, {{"state", name}});
    gateway.Counter("freshness_changes_total", "Changes of state, by the new one.",
                    stats.changes[static_cast<size_t>(state)], {{"state", name}});
  }
  gateway.Gauge("unknown_held", "1 while nobody is admitted before an operator confirms.",
                vouching.held() ? 1 : 0);
  gateway.Counter("unknown_confirmed_total", "Times that an operator confirmed lost invalidations.",
                  stats.confirmations);
  feed.Counter("stuck_total", "Streams ended because they were open and yet of no use.",
               stats.stuck);
  feed.Seconds("newest_age_seconds",
               "Age of the newest entry processed, whatever the hosts' clocks say.",
               vouching.freshness().AgeMs(mono_ms));
  feed.Seconds("lag_seconds", "How long the newest entry processed was on its way.",
               vouching.freshness().lag_ms());
}

void AddBackendMetrics(const Backends& backends, MetricList& out) {
  MetricPart feed("feed", out);
  const BackendPool& pool = backends.pool();
  for (const BackendPool::Backend& one : pool.backends()) {
    std::string address = one.target.address.ToString();
    for (size_t i = 0; i < kBackendHealths; ++i) {
      auto health = static_cast<BackendHealth>(i);
      feed.Gauge("backend_health", "1 at what was heard last of each address of a backend.",
                 one.health == health ? 1 : 0,
                 {{"backend", address}, {"health", std::string(BackendHealthName(health))}});
    }
    feed.Gauge("backend_in_use", "1 at the address that the subscription is at, or goes to.",
               &one == pool.in_use() ? 1 : 0, {{"backend", address}});
  }
  const BackendsStats& stats = backends.stats();
  for (auto [answer, name] : {std::pair(HealthAnswer::kServing, "serving"),
                              {HealthAnswer::kNotServing, "not_serving"},
                              {HealthAnswer::kOther, "other"},
                              {HealthAnswer::kNone, "none"}}) {
    feed.Counter("backend_checks_total", "Health checks of backends, by their answer.",
                 stats.checks[static_cast<size_t>(answer)], {{"answer", name}});
  }
  feed.Counter("backend_lookups_total", "Lookups of the backends' names.", stats.lookups);
  feed.Counter("backend_lookup_failures_total", "Lookups of the backends' names that failed.",
               stats.lookup_failures);
  feed.Gauge("backends_unused", "Addresses that are over the limit of 64.", pool.too_many());
}

void AddShardMetrics(Shard& shard, MetricList& out) {
  const ShardStats& stats = shard.stats();
  MetricPart gateway("gateway", out);
  gateway.Gauge("sessions", "Admitted connections.", shard.sessions());
  gateway.Gauge("users", "Users with a connection.", shard.users());
  gateway.Gauge("revoked_entries", "Entries of the revoked set.", shard.revoked().size());
  gateway.Gauge("ring_entries", "Entries that clients can resume at.", shard.ring().entries());
  gateway.Gauge("ring_bytes", "Bytes of those entries.", shard.ring().bytes());
  gateway.Counter("ring_evicted_total", "Entries that left for the byte cap.",
                  shard.ring().evicted_by_cap());
  gateway.Counter("admitted_total", "Connections admitted.", stats.admitted);
  gateway.Counter("admitted_stale_total", "Connections admitted while STALE, by fail-open.",
                  stats.admitted_stale);
  gateway.Counter("events_delivered_total", "Events queued for a connection, live.",
                  stats.events_delivered);
  gateway.Counter("events_replayed_total", "Events queued for a connection, replayed.",
                  stats.events_replayed);
  gateway.Counter("events_unwanted_total", "Events nobody here waited for.", stats.events_unwanted);
  gateway.Counter("batches_signed_total", "Batches signed.", stats.batches_signed);
  gateway.Counter("signing_failures_total", "Batches that no active key could sign.",
                  shard.signing_failures());
  gateway.Counter("queues_dropped_total", "Queues dropped when a connection ended.",
                  stats.frames_dropped);
  gateway.Counter("invalidations_total", "Invalidations applied.", stats.invalidations);
  gateway.Counter("invalidated_total", "Connections closed by an invalidation.",
                  stats.sessions_closed_by_invalidation);
  gateway.Counter("torn_total", "Connections reset amid a frame.", stats.resets);
  gateway.Counter("refresh_refused_total", "Token refreshes of another session.",
                  stats.refresh_refused);
  gateway.Histogram("delivery_seconds",
                    "From the publish time of an event to its connections' queues, live, by the "
                    "two hosts' clocks.",
                    stats.delivery);
  AddByCode("closed_total", "Connections that we ended, by code.", stats.closed, gateway);
}

void AddStateMetrics(const StateWriterStats& stats, uint64_t mono_ms, MetricList& out) {
  MetricPart gateway("gateway", out);
  gateway.Counter("state_writes_total", "Writes of the state to disk.", stats.writes);
  gateway.Counter("state_write_failures_total", "Writes of the state that failed.", stats.failures);
  gateway.Histogram("state_write_seconds", "How long a write of the state took, with its sync.",
                    stats.latency);
  gateway.Seconds("state_age_seconds", "Time since the last write that succeeded.",
                  mono_ms - std::min(mono_ms, stats.written_ms));
  gateway.Gauge("state_waiting_entries", "Entries of the revoked set that are not on disk yet.",
                stats.entries_waiting);
  gateway.Counter("state_entries_total", "Entries of the revoked set written to disk.",
                  stats.entries_written);
  auto health = [&](std::string_view name, StateHealth which) {
    gateway.Gauge("state_health", "1 for how writing the state goes.",
                  stats.health == which ? 1 : 0, {{"health", std::string(name)}});
  };
  health("good", StateHealth::kGood);
  health("retrying", StateHealth::kRetrying);
  health("given_up", StateHealth::kGivenUp);
}

void AddEdgeMetrics(const EdgeStats& stats, MetricList& out) {
  MetricPart edge("edge", out);
  for (size_t i = 0; i < kEncodingCount; ++i) {
    MetricLabels labels = {{"transport", std::string(EncodingName(static_cast<Encoding>(i)))}};
    const EdgeStats::Transport& transport = stats.transports[i];
    edge.Gauge("connections", "Open connections of clients, by transport.", transport.open, labels);
    edge.Counter("connections_total", "Connections of clients, by transport.", transport.total,
                 labels);
  }
  edge.Counter("closed_by_client_total", "Connections that the client ended.",
               stats.closed_by_client);
  edge.Counter("protocol_violations_total", "WebSocket connections that broke RFC 6455 or a limit.",
               stats.protocol_violations);
  edge.Counter("cookies_ignored_total",
               "Requests whose cookie did not count since their page is of another origin.",
               stats.cookies_ignored);
  edge.Counter("drain_resets_total",
               "Connections reset because they did not take their last bytes in time.",
               stats.drain_resets);
  AddByCode("refused_total", "Connections and requests refused, by code.", stats.refused, edge);
}

void AddLimitMetrics(const ClientLimiter& limiter, MetricList& out) {
  MetricPart edge("edge", out);
  for (int i = 0; i < kClientLimitCount; ++i) {
    auto limit = static_cast<ClientLimit>(i);
    edge.Counter("limited_total", "Connections and requests refused because a client had too many.",
                 limiter.refused()[static_cast<size_t>(i)],
                 {{"limit", std::string(ClientLimitName(limit))}});
  }
}

void AddProxyMetrics(const ProxyStats& stats, MetricList& out) {
  MetricPart proxy("proxy", out);
  proxy.Gauge("requests_in_flight", "Requests that the application works on.", stats.in_flight);
  proxy.Counter("requests_total", "Requests that went on to the application.", stats.requests);
  proxy.Counter("refused_total", "Requests refused before that.", stats.refused);
  proxy.Counter("rejected_total",
                "Requests that an invalidation rejected before their response began.",
                stats.rejected);
  proxy.Counter("resets_total", "Responses that an invalidation cut off.", stats.reset);
  proxy.Counter("app_failures_total", "Requests that the application did not answer (502, 504).",
                stats.app_failures);
  proxy.Counter("client_aborts_total", "Requests that the client gave up.", stats.client_aborts);
}

}  // namespace galaxy::push
