#include "gateway/metrics.h"

#include <algorithm>

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
               const std::array<uint64_t, kCodeCount>& counts, MetricWriter& metrics) {
  for (int i = 0; i < kCodeCount; ++i) {
    if (counts[i] == 0) continue;
    const CodeInfo& info = Describe(static_cast<Code>(i));
    metrics.Counter(
        name, help, static_cast<double>(counts[i]),
        {{"code", std::string(info.name)}, {"verdict", std::string(VerdictName(info.verdict))}});
  }
}

}  // namespace

void AddFeedMetrics(const FeedClient& client, uint64_t mono_ms, MetricWriter& metrics) {
  const FeedStats& stats = client.stats();
  const Feed& feed = client.feed();
  auto counter = [&](std::string_view name, std::string_view help, uint64_t value) {
    metrics.Counter(name, help, static_cast<double>(value));
  };
  counter("galaxy_push_feed_entries_total", "Entries received from the backend.", stats.entries);
  counter("galaxy_push_feed_bytes_total", "Bytes received from the backend.", stats.bytes);
  counter("galaxy_push_feed_canaries_total", "Canary events received.", stats.canaries);
  counter("galaxy_push_feed_duplicates_total", "Entries of a foreign backend that came twice.",
          stats.duplicates);
  counter("galaxy_push_feed_unknown_kinds_total",
          "Entries that are neither event nor invalidation.", stats.unknown_kinds);
  counter("galaxy_push_feed_connects_total", "Subscriptions that were tried.", stats.connects);
  counter("galaxy_push_feed_faults_total", "Streams ended because they broke a promise.",
          stats.faults);
  counter("galaxy_push_feed_alarms_total", "Ends of the feed that a person should look at.",
          stats.alarms);
  counter("galaxy_push_feed_gaps_total", "Gaps of the feed.", stats.gaps);
  metrics.Gauge("galaxy_push_feed_connected", "1 while a subscription is accepted.",
                stats.connected ? 1 : 0);
  metrics.Gauge("galaxy_push_feed_superseded",
                "1 while another process holds the subscription of this gateway id.",
                feed.superseded() ? 1 : 0);
  metrics.Gauge("galaxy_push_feed_invalidations_unknown",
                "1 once invalidations may have been lost for good.", feed.unknown() ? 1 : 0);
  metrics.Gauge("galaxy_push_feed_behind_entries",
                "How far the feed is behind the backend's head of when it was accepted; 0 once "
                "that is reached.",
                static_cast<double>(feed.behind_entries()));
  for (const auto& [cause, count] : stats.ends) {
    metrics.Counter("galaxy_push_feed_ends_total", "Ends of a subscription, by cause.",
                    static_cast<double>(count), {{"cause", std::string(cause)}});
  }
  auto since = [&](std::string_view name, std::string_view help, std::optional<uint64_t> at_ms) {
    if (at_ms) metrics.Gauge(name, help, static_cast<double>(mono_ms - *at_ms) / 1000);
  };
  since("galaxy_push_feed_silence_seconds", "Since the newest entry was received.", stats.entry_ms);
  since("galaxy_push_feed_canary_age_seconds", "Since the newest canary was received.",
        stats.canary_ms);
  metrics.Histogram("galaxy_push_gateway_invalidation_apply_seconds",
                    "From the publish time of an invalidation to its application here, by the two "
                    "hosts' clocks.",
                    stats.invalidation);
}

void AddVouchingMetrics(const Vouching& vouching, uint64_t mono_ms, MetricWriter& metrics) {
  const Vouching::Stats& stats = vouching.stats();
  for (FreshState state : {FreshState::kStale, FreshState::kSuspect, FreshState::kFresh}) {
    std::string name(FreshStateName(state));
    metrics.Gauge("galaxy_push_gateway_freshness", "1 at the state that the gateway is in.",
                  vouching.state() == state ? 1 : 0, {{"state", name}});
    metrics.Counter(
        "galaxy_push_gateway_freshness_changes_total", "Changes of state, by the new one.",
        static_cast<double>(stats.changes[static_cast<size_t>(state)]), {{"state", name}});
  }
  metrics.Gauge("galaxy_push_gateway_unknown_held",
                "1 while nobody is admitted before an operator confirms.", vouching.held() ? 1 : 0);
  metrics.Counter("galaxy_push_gateway_unknown_confirmed_total",
                  "Times that an operator confirmed lost invalidations.",
                  static_cast<double>(stats.confirmations));
  metrics.Counter("galaxy_push_feed_stuck_total",
                  "Streams ended because they were open and yet of no use.",
                  static_cast<double>(stats.stuck));
  auto seconds = [&](std::string_view name, std::string_view help, std::optional<uint64_t> ms) {
    if (ms) metrics.Gauge(name, help, static_cast<double>(*ms) / 1000);
  };
  seconds("galaxy_push_feed_newest_age_seconds",
          "Age of the newest entry processed, whatever the hosts' clocks say.",
          vouching.freshness().AgeMs(mono_ms));
  seconds("galaxy_push_feed_lag_seconds", "How long the newest entry processed was on its way.",
          vouching.freshness().lag_ms());
}

void AddShardMetrics(Shard& shard, MetricWriter& metrics) {
  const ShardStats& stats = shard.stats();
  auto counter = [&](std::string_view name, std::string_view help, uint64_t value) {
    metrics.Counter(name, help, static_cast<double>(value));
  };
  auto gauge = [&](std::string_view name, std::string_view help, uint64_t value) {
    metrics.Gauge(name, help, static_cast<double>(value));
  };
  gauge("galaxy_push_gateway_sessions", "Admitted connections.", shard.sessions());
  gauge("galaxy_push_gateway_users", "Users with a connection.", shard.users());
  gauge("galaxy_push_gateway_revoked_entries", "Entries of the revoked set.",
        shard.revoked().size());
  gauge("galaxy_push_gateway_ring_entries", "Entries that clients can resume at.",
        shard.ring().entries());
  gauge("galaxy_push_gateway_ring_bytes", "Bytes of those entries.", shard.ring().bytes());
  counter("galaxy_push_gateway_ring_evicted_total", "Entries that left for the byte cap.",
          shard.ring().evicted_by_cap());
  counter("galaxy_push_gateway_admitted_total", "Connections admitted.", stats.admitted);
  counter("galaxy_push_gateway_admitted_stale_total",
          "Connections admitted while STALE, by fail-open.", stats.admitted_stale);
  counter("galaxy_push_gateway_events_delivered_total", "Events queued for a connection, live.",
          stats.events_delivered);
  counter("galaxy_push_gateway_events_replayed_total", "Events queued for a connection, replayed.",
          stats.events_replayed);
  counter("galaxy_push_gateway_events_unwanted_total", "Events nobody here waited for.",
          stats.events_unwanted);
  counter("galaxy_push_gateway_batches_signed_total", "Batches signed.", stats.batches_signed);
  counter("galaxy_push_gateway_signing_failures_total", "Batches that no active key could sign.",
          shard.signing_failures());
  counter("galaxy_push_gateway_queues_dropped_total", "Queues dropped when a connection ended.",
          stats.frames_dropped);
  counter("galaxy_push_gateway_invalidations_total", "Invalidations applied.", stats.invalidations);
  counter("galaxy_push_gateway_invalidated_total", "Connections closed by an invalidation.",
          stats.sessions_closed_by_invalidation);
  counter("galaxy_push_gateway_torn_total", "Connections reset amid a frame.", stats.resets);
  counter("galaxy_push_gateway_refresh_refused_total", "Token refreshes of another session.",
          stats.refresh_refused);
  metrics.Histogram("galaxy_push_gateway_delivery_seconds",
                    "From the publish time of an event to its connections' queues, live, by the "
                    "two hosts' clocks.",
                    stats.delivery);
  AddByCode("galaxy_push_gateway_closed_total", "Connections that we ended, by code.", stats.closed,
            metrics);
}

void AddStateMetrics(const StateWriterStats& stats, uint64_t mono_ms, MetricWriter& metrics) {
  metrics.Counter("galaxy_push_gateway_state_writes_total", "Writes of the state to disk.",
                  static_cast<double>(stats.writes));
  metrics.Counter("galaxy_push_gateway_state_write_failures_total",
                  "Writes of the state that failed.", static_cast<double>(stats.failures));
  metrics.Histogram("galaxy_push_gateway_state_write_seconds",
                    "How long a write of the state took, with its sync.", stats.latency);
  metrics.Gauge("galaxy_push_gateway_state_age_seconds",
                "Time since the last write that succeeded.",
                static_cast<double>(mono_ms - std::min(mono_ms, stats.written_ms)) / 1000);
  metrics.Gauge("galaxy_push_gateway_state_waiting_entries",
                "Entries of the revoked set that are not on disk yet.",
                static_cast<double>(stats.entries_waiting));
  metrics.Counter("galaxy_push_gateway_state_entries_total",
                  "Entries of the revoked set written to disk.",
                  static_cast<double>(stats.entries_written));
  auto health = [&](std::string_view name, StateHealth which) {
    metrics.Gauge("galaxy_push_gateway_state_health", "1 for how writing the state goes.",
                  stats.health == which ? 1 : 0, {{"health", std::string(name)}});
  };
  health("good", StateHealth::kGood);
  health("retrying", StateHealth::kRetrying);
  health("given_up", StateHealth::kGivenUp);
}

void AddEdgeMetrics(const EdgeStats& stats, MetricWriter& metrics) {
  constexpr std::string_view kOpen = "galaxy_push_edge_connections";
  constexpr std::string_view kOpenHelp = "Open connections of clients, by transport.";
  metrics.Gauge(kOpen, kOpenHelp, static_cast<double>(stats.websockets_open),
                {{"transport", "websocket"}});
  metrics.Gauge(kOpen, kOpenHelp, static_cast<double>(stats.streams_open), {{"transport", "sse"}});
  constexpr std::string_view kTotal = "galaxy_push_edge_connections_total";
  constexpr std::string_view kTotalHelp = "Connections of clients, by transport.";
  metrics.Counter(kTotal, kTotalHelp, static_cast<double>(stats.websockets_total),
                  {{"transport", "websocket"}});
  metrics.Counter(kTotal, kTotalHelp, static_cast<double>(stats.streams_total),
                  {{"transport", "sse"}});
  metrics.Counter("galaxy_push_edge_closed_by_client_total", "Connections that the client ended.",
                  static_cast<double>(stats.closed_by_client));
  metrics.Counter("galaxy_push_edge_protocol_violations_total",
                  "WebSocket connections that broke RFC 6455 or a limit.",
                  static_cast<double>(stats.protocol_violations));
  metrics.Counter("galaxy_push_edge_drain_resets_total",
                  "Connections reset because they did not take their last bytes in time.",
                  static_cast<double>(stats.drain_resets));
  AddByCode("galaxy_push_edge_refused_total", "Connections and requests refused, by code.",
            stats.refused, metrics);
}

void AddProxyMetrics(const ProxyStats& stats, MetricWriter& metrics) {
  metrics.Gauge("galaxy_push_proxy_requests_in_flight", "Requests that the application works on.",
                static_cast<double>(stats.in_flight));
  auto count = [&](std::string_view name, std::string_view help, uint64_t value) {
    metrics.Counter("galaxy_push_proxy_" + std::string(name) + "_total", help,
                    static_cast<double>(value));
  };
  count("requests", "Requests that went on to the application.", stats.requests);
  count("refused", "Requests refused before that.", stats.refused);
  count("rejected", "Requests that an invalidation rejected before their response began.",
        stats.rejected);
  count("resets", "Responses that an invalidation cut off.", stats.reset);
  count("app_failures", "Requests that the application did not answer (502, 504).",
        stats.app_failures);
  count("client_aborts", "Requests that the client gave up.", stats.client_aborts);
}

}  // namespace galaxy::push
