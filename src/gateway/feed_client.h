#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/histogram.h"
#include "event/message_splitter.h"
#include "gateway/backends.h"
#include "gateway/config.h"
#include "gateway/feed.h"
#include "gateway/gateway.h"
#include "gateway/shard.h"
#include "gateway/state_writer.h"
#include "gateway/vouching.h"
#include "grpc/client.h"
#include "grpc/health_check.h"
#include "net/loop.h"

namespace galaxy::push {

struct FeedStats {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t duplicates = 0;
  uint64_t unknown_kinds = 0;  // neither event nor invalidation: counted and passed over
  uint64_t connects = 0;
  uint64_t faults = 0;
  uint64_t alarms = 0;
  uint64_t gaps = 0;
  uint64_t moves = 0;  // ends after which another backend was gone to at once
  uint64_t canaries = 0;
  uint64_t newest_time_ms = 0;                // of the newest entry's cursor; 0 for foreign ones
  std::map<std::string_view, uint64_t> ends;  // by cause
  std::optional<uint64_t> entry_ms;           // when the newest came, monotonic
  std::optional<uint64_t> canary_ms;
  LatencyHistogram invalidation;  // from the cursor's time to applied, while vouching
  bool connected = false;         // a stream is accepted
};

// FeedClient keeps the gateway's one subscription open: what Feed decides, it does, at the backend
// that Backends names; the stream that is left is ended before the next begins. Bytes of the stream
// are split and decoded in place; an entry is copied once, into the replay ring.
//
//   Threads   One loop.
//   Lifetime  Everything passed in outlives it. Destroying it cancels the stream.
//   Errors    None: it retries for ever (docs/semantics.md 6.4). Alarms go to the log sink.
class FeedClient final : public GrpcClientHandler {
 public:
  // What the last process left in the state.
  struct Persisted {
    std::string cursor;
    uint64_t unknown_ms = 0;  // when it began; 0: they are known (9.3)
    bool operator==(const Persisted&) const = default;
  };
  FeedClient(Loop& loop, const GatewayConfig& config, StateWriter& state, Persisted persisted,
             Shard& shard, Gateway::LogSink& log);
  ~FeedClient() override;

  void Start();
  // Drops the stream and hands the state over; no reconnect.
  void Stop();
  // Called after each turn of the shard, when everything processed is in the queues (7.2).
  void SaveIfDue();
  // Forgets what was revoked too long ago to matter (8.7), in memory and on disk.
  void ForgetRevoked();

  // 9.3: an operator has taken note that invalidations may be lost. True when that was waited for.
  bool ConfirmUnknown();

  // Why the gateway is STALE, in a sentence; empty when it is not.
  std::string stale_reason() const;

  const Feed& feed() const { return feed_; }
  const Vouching& vouching() const { return vouching_; }
  const FeedStats& stats() const { return stats_; }
  const Backends& backends() const { return backends_; }

 private:
  void OnMetadata(const Metadata& metadata) override;
  void OnBytes(std::string_view bytes) override;
  void OnEnd(const GrpcEnd& end) override;

  void Connect();
  void Subscribe();
  void Open(const FeedOpening& opening);
  Status Take(std::string_view framed);
  void Count(const EntryView& entry, const FeedStep& step, bool vouched);
  void NoteInvalidation(const EntryView& entry);
  void Save(uint32_t forget_before_s = 0);
  uint64_t RevokedKeepMs() const {
    return 1000 * RevokedKeepSeconds(config_.session_lifetime_max_s, config_.token_leeway_s);
  }
  void Unknown();
  void BarrierPassed();
  void Fault(const Error& error);
  void Stuck();
  // For another backend. `seen`: what this one is thought to be; one that serves was left by
  // choice.
  void Leave(std::string_view cause, BackendHealth seen, std::string_view message, bool alarm);
  void LeaveUnwell();
  void Hurry();
  void GoHomeIfDue();
  // Something about the backends has changed, or about what this one brings.
  void Reconsider();
  void EndCall();
  void Retry(const FeedRetry& retry, std::string_view message);
  void WatchSilence();
  void Probe(bool answered_before);
  void Silent(bool answers);
  void ArmQuiet();
  void Note(Gateway::LogLevel level, std::string_view sentence, const Gateway::LogFields& fields);

  Loop& loop_;
  const GatewayConfig& config_;
  StateWriter& state_;
  Shard& shard_;
  Gateway::LogSink& log_;
  Feed feed_;
  Vouching vouching_;
  FeedStats stats_;
  SaveThrottle throttle_;
  Persisted saved_;

  Backends backends_;
  std::unique_ptr<GrpcClientCall> call_;
  std::optional<MessageSplitter> splitter_;
  std::unique_ptr<HealthCheck> probe_;
  bool ignoring_ = false;  // the stream is at fault and about to be dropped
  bool stopped_ = false;
  const uint64_t return_ms_;           // for how long the home must be well, drawn; 0: never
  std::optional<uint64_t> paused_ms_;  // a pause began that ends when some backend recovers
  std::string at_;                     // where the newest subscription was asked for
  uint64_t bytes_ms_ = 0;              // when the stream last said something
  Timer retry_;
  Timer silence_;  // no metadata, or with quiet_wait no entry
};

// The bytes of galaxy.backend.push.v1.GatewaySubscribeRequest.
std::string SubscribeRequestBytes(std::string_view gateway_client_id, std::string_view cursor);

}  // namespace galaxy::push
