#include "backend/backend_metrics.h"

#include <algorithm>
#include <string_view>

#include "backend/backend.h"

namespace galaxy::push {
namespace {

void CollectLog(const BackendStats& stats, MetricList& out) {
  const Log::Statistics& log = stats.log;
  MetricPart part("log", out);
  part.Counter("entries_total", "Entries committed.", log.entries);
  part.Counter("invalidations_total", "Invalidations among the entries committed.",
               log.invalidations);
  part.Counter("duplicates_total", "Entries that had been published before.", log.duplicates);
  part.Counter("conflicts_total", "Entries whose key was published with another content.",
               log.conflicts);
  part.Counter("commits_total", "Commits of the engine.", log.commits);
  part.Counter("commits_failed_total", "Commits that the engine refused.", log.commits_failed);
  part.Counter("upkeep_failed_total", "Steps of upkeep that the engine refused.",
               log.upkeep_failed);
  part.Counter("batches_refused_total", "Batches that found the queue full.", log.refused);
  part.Gauge("queue_entries", "Entries that wait for a commit.", log.queue_entries);
  part.Gauge("queue_bytes", "Bytes that wait for a commit.", log.queue_bytes);
  part.Gauge("dedupe_keys", "Idempotency keys remembered.", log.dedupe_keys);
  part.Counter("dedupe_evicted_total", "Idempotency keys forgotten early for want of room.",
               log.dedupe_evicted_by_count);
  part.Gauge("head_timestamp_ms", "Publish time of the newest entry.", stats.head.time_ms);
  part.Gauge("retained_entries", "Invalidations retained.", stats.retained_entries);
  part.Gauge("retained_bytes", "Bytes of the invalidations retained.", stats.retained_bytes);
}

void CollectEngine(const BackendStats& stats, MetricList& out) {
  const Engine::Statistics& engine = stats.engine;
  MetricPart part("engine", out);
  part.Gauge("ready", "1 while the engine takes commits, 0 after it said that its disk is full.",
             stats.engine_ready ? 1 : 0);
  part.Gauge("rows", "Rows of the durable log: commits, and parts of large ones.", engine.rows);
  part.Gauge("file_bytes", "Size of the engine's file, its free pages included.",
             engine.database_bytes);
  part.Counter("probes_total", "Attempts to write after the disk was full.", engine.probes);
  part.Histogram("commit_seconds", "How long a commit took, its sync included.", engine.commit);
  part.Histogram("checkpoint_seconds", "How long moving the write-ahead log into the file took.",
                 engine.checkpoint);
}

void CollectRing(const Ring::Statistics& ring, MetricList& out) {
  MetricPart part("ring", out);
  part.Gauge("entries", "Entries in the freshness window.", ring.entries);
  part.Gauge("bytes", "Bytes of the entries in the freshness window.", ring.bytes);
  part.Gauge("segment_bytes", "Bytes of the ring's segments.", ring.segment_bytes);
  part.Gauge("oldest_timestamp_ms", "Publish time of the oldest entry, 0 when there is none.",
             ring.oldest_time_ms);
  part.Counter("evicted_by_age_total", "Entries that left the window by age.", ring.evicted_by_age);
  part.Counter("evicted_by_cap_total", "Entries that left the window early, by its byte cap.",
               ring.evicted_by_cap);
}

void CollectPublish(const BackendStats& stats, MetricList& out) {
  MetricPart part("publish", out);
  part.Counter("accepted_total", "Entries handed to the log.", stats.publish.accepted);
  part.Counter("failed_total", "Entries that the log refused.", stats.publish_failed);
  for (const auto& [code, count] : stats.publish.refused) {
    part.Counter("refused_total", "Entries and requests refused before the log, by cause.", count,
                 {{"code", std::string(Describe(code).name)}});
  }
  part.Gauge("in_flight_entries", "Entries in the log's hands.", stats.publish_in_flight);
  part.Gauge("streams_open", "Open PublishStream calls.", stats.publish.streams);
  part.Gauge("bodies_bytes", "Bytes of HTTP bodies being received.", stats.publish.bodies_bytes);
  part.Counter("canaries_total", "Canaries published.", stats.canaries_published);
  part.Counter("canaries_failed_total", "Canaries that the log refused.", stats.canaries_failed);
}

void CollectSubscriptions(const Backend& backend, const BackendStats& stats, MetricList& out) {
  MetricPart part("subscriptions", out);
  part.Gauge("open", "Live subscriptions.", stats.subscriptions_open);
  for (Resume resume : {Resume::kFresh, Resume::kResumed, Resume::kGap}) {
    part.Counter("accepted_total", "Subscriptions accepted, by resume decision.",
                 stats.subscriptions.accepted[static_cast<size_t>(resume)],
                 {{"resume", std::string(ResumeName(resume))}});
  }
  for (const auto& [reason, count] : stats.subscriptions.gaps) {
    part.Counter("gaps_total", "Resumes with a gap, by reason.", count,
                 {{"reason", std::string(reason)}});
  }
  for (const auto& [cause, count] : stats.subscriptions.ended) {
    part.Counter("ended_total", "Subscriptions ended, by cause.", count,
                 {{"cause", std::string(Describe(cause).name)}});
  }
  part.Counter("refused_total", "Subscriptions refused.", stats.subscriptions.refused);
  part.Gauge("waiting", "Subscriptions that wait for the log's head or their claim.",
             stats.subscriptions_waiting);
  for (const auto& [cause, count] : stats.admission.refused) {
    part.Counter("wait_refused_total", "Subscriptions that waited in vain, by cause.", count,
                 {{"cause", std::string(Describe(cause).name)}});
  }
  part.Counter("wakeups_total", "Times the streams were woken.", stats.push_wakeups);
  uint64_t lag_ms = 0;
  uint64_t lag_bytes = 0;
  for (const SubscriptionInfo& row : backend.Subscriptions()) {
    lag_ms = std::max(lag_ms, row.lag_ms);
    lag_bytes = std::max(lag_bytes, row.lag_bytes);
  }
  part.Gauge("lag_max_ms", "Lag of the subscription that is furthest behind.", lag_ms);
  part.Gauge("lag_max_bytes", "Lag of the subscription that is furthest behind.", lag_bytes);
}

void CollectClaims(const BackendStats& stats, MetricList& out) {
  if (!stats.claims) return;
  MetricPart("subscriptions", out)
      .Histogram("wait_seconds", "How long accepted subscriptions waited for head and claim.",
                 stats.admission.time);
  MetricPart part("claims", out);
  part.Gauge("watching", "1 while the claims of other backends become known here.",
             stats.claims->watching ? 1 : 0);
  part.Counter("watches_total",
               "Times the claims of other backends became known here, again after each outage.",
               stats.claims->watches_begun);
  part.Counter("made_total", "Claims of gateway ids made.", stats.claims->claimed);
  part.Counter("failed_total", "Claims that the store did not take in time.", stats.claims->failed);
  part.Counter("conflicts_total", "Claims tried again because another one came first.",
               stats.claims->conflicts);
  part.Histogram("seconds", "How long a claim took.", stats.claims->claim_time);
}

void CollectHttp(const HttpStats& http, MetricList& out) {
  MetricPart part("http", out);
  part.Gauge("connections_open", "Connections of the public port.", http.connections_open);
  part.Counter("connections_total", "Connections of the public port, ever.",
               http.connections_total);
  part.Counter("requests_total", "Requests and calls of the public port.", http.requests_total);
  part.Counter("refused_total", "Connections and requests refused by HTTP limits.",
               http.refused_total);
  AddAbuseMetrics(http.abuse, "abuse_total", part);
}

void CollectRevocation(const std::array<RevocationEndpoints::Statistics, 2>& both,
                       MetricList& out) {
  MetricPart part("revocation", out);
  constexpr std::array<const char*, 2> kStandards = {"backchannel_logout", "security_event"};
  for (size_t i = 0; i < both.size(); ++i) {
    MetricLabels standard = {{"standard", kStandards[i]}};
    part.Counter("accepted_total", "Tokens that became an invalidation.", both[i].accepted,
                 standard);
    part.Counter("repeated_total", "Tokens that were carried out before.", both[i].repeated,
                 standard);
    part.Counter("ignored_total", "Good tokens that asked for nothing we do.", both[i].ignored,
                 standard);
    part.Counter("refused_total", "Tokens and requests that did not hold.", both[i].refused,
                 standard);
    part.Counter("failed_total", "Tokens that the log did not take.", both[i].failed, standard);
  }
}

}  // namespace

void CollectBackendMetrics(const Backend& backend, MetricList& out) {
  BackendStats stats = backend.Stats();
  CollectLog(stats, out);
  backend.log().CollectMetrics(out);
  CollectEngine(stats, out);
  CollectRing(stats.ring, out);
  CollectPublish(stats, out);
  CollectSubscriptions(backend, stats, out);
  CollectClaims(stats, out);
  CollectHttp(stats.http, out);
  MetricPart("roles", out)
      .Counter("refused_total", "Requests of the public port without the role they need.",
               stats.roles_refused);
  if (stats.revocation) CollectRevocation(*stats.revocation, out);
}

}  // namespace galaxy::push
