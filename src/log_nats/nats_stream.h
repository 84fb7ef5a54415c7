#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "log/shared_stream.h"
#include "log_nats/nats_connection.h"
#include "log_nats/nats_handle.h"
#include "log_nats/nats_reader.h"

namespace galaxy::push {

// NatsStream keeps a log in NATS JetStream, as two streams of files:
//
//   PREFIX-log            subjects PREFIX.e.<partition> (events) and PREFIX.i.<partition>
//                         (invalidations), for the freshness window; it makes the order
//   PREFIX-invalidations  subjects PREFIX.r.<partition>: a copy of each invalidation, after its
//                         place and time in the log, for the maximum session lifetime
//
// A message is one entry in wire format, with an empty place for its cursor; its one header is
// Nats-Msg-Id. docs/formats/jetstream.md has all of it.
//
//   Threads   As SharedStream. It has one for each of the two streams, beside the library's.
//   Errors    Open(): kUnavailable when the servers cannot be reached or have no leader for
//             `open_timeout_ms`; kInvalidArgument when the streams are there and are not what this
//             backend needs.
class NatsStream final : public SharedStream {
 public:
  struct Options {
    std::string prefix = "galaxy";  // a-z, A-Z, 0-9, '-' and '_', at most 32
    int replicas = 0;               // 0: three in a cluster, else one
    uint64_t window_ms = 5 * 60 * 1000;
    uint64_t retained_ms = 31ull * 24 * 3600 * 1000;
    uint64_t bytes_max = 1u << 30;  // of PREFIX-log; its oldest entries leave early
    uint64_t entry_bytes_max = 0;   // what the servers must take at least
    uint64_t open_timeout_ms = 60'000;
  };
  // What was read and not taken yet; beyond it the reader waits.
  static constexpr size_t kUnreadBytesMax = 32u << 20;

  // `connection` outlives it.
  NatsStream(NatsConnection& connection, Options options);
  ~NatsStream() override;

  Result<Opening> Open() override;
  Status Publish(const Publication& publication) override;
  Status Retain(const StreamMessages::Message& message, unsigned partition,
                std::string_view bytes) override;
  void Take(StreamNews& news) override;
  Result<std::optional<StreamMessages>> Read(uint64_t sequence) override;
  void SetWaker(std::function<void()> waker) override;
  void Expect(uint64_t sequence) override { reader_->Expect(sequence); }
  void CollectMetrics(MetricList& out) const override;

  // Of the log, since Open().
  int replicas() const { return replicas_; }
  std::string log_name() const { return options_.prefix + "-log"; }
  std::string retained_name() const { return options_.prefix + "-invalidations"; }

 private:
  static void OnAnswer(natsConnection*, natsSubscription*, natsMsg* message, void* self);
  Status Listen();
  // Finds the stream or makes it, until `deadline_ms` (nats_Now()).
  Result<JsStreamInfoHandle> FindOrMake(jsStreamConfig& config, int64_t deadline_ms);
  natsStatus Make(jsStreamConfig& config, jsErrCode& code);
  Result<JsStreamInfoHandle> OpenLog(int64_t deadline_ms);
  Result<JsStreamInfoHandle> OpenRetained(int64_t deadline_ms);
  Status CheckLog(const jsStreamInfo& info) const;
  Status CheckRetained(const jsStreamInfo& info) const;
  Status CheckNotAhead(int64_t deadline_ms);
  Status CheckPayload() const;
  // Waits until `reached` says so of the stream as it is.
  Status WaitUntil(const std::string& name, int64_t deadline_ms,
                   const std::function<bool(const jsStreamState&)>& reached);
  Status Put(const std::string& subject, const std::string& reply, const std::string& id,
             std::string_view bytes);
  static void OnAnswersOver(void* self);
  void OnRetainedAnswer(natsMsg* message);
  void OnRead(const NatsReader::Message& message);
  void OnRetainedRead(const NatsReader::Message& message);
  template <typename Change>
  void AddNews(Change change);

  NatsConnection& connection_;
  const Options options_;
  JsContextHandle context_;
  std::string inbox_;
  int replicas_ = 1;
  std::string subject_, reply_, id_;  // of the publication under way; they keep their room
  NatsSubscriptionHandle answers_;
  std::promise<void> answers_over_;  // OnAnswer() is not called any more
  std::unique_ptr<NatsReader> reader_;
  std::unique_ptr<NatsReader> retained_reader_;

  std::atomic<bool> closing_{false};
  mutable std::mutex mutex_;  // guards what follows
  StreamNews news_;
  bool have_news_ = false;
  bool opening_ = true;  // what is retained is kept
  StreamMessages retained_;
  uint64_t retained_read_ = 0;  // in its own stream
  uint64_t retained_count_ = 0;
  int64_t retained_at_ms_ = 0;  // when the newest came
  uint64_t first_read_ = 0;
  std::function<void()> waker_;

  std::atomic<uint64_t> refused_{0};
};

}  // namespace galaxy::push
