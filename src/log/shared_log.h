#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "log/log.h"
#include "log/shared_stream.h"

namespace galaxy::push {

// SharedLog is the log of one of several backends, whose order is that of a stream which they all
// write and read. What it reads goes into its ring, so every backend has the same entries under the
// same cursors: log start + place in the stream, with the stream's time.
//
//   Submit ─▶ pipeline ─▶ stream ─▶ answer ┐
//                           └─────▶ read ──┴─▶ ring, retained ─▶ completions ─▶ listeners
//
// An entry is acknowledged when the stream has taken it and this backend has read it; an
// invalidation, when its copy has been read back from where they are retained, too. Every backend
// puts a copy there of each one that it reads, until it has read it back. What the stream does not
// answer is sent again under its message id, in the order of publishing, until its time is over.
//
//   Threads    As Log. AwaitHead(): any.
//   Limits     The pipeline, in entries and bytes: what is beyond it waits in the queue.
//   Errors     Per entry, beside Log's: kUnavailable when the stream has not taken it in time: it
//              may be in the log or not; publishing it again under its id is safe (2.2). From then
//              on new entries are refused at once, and Ready() says so, until a canary, tried once
//              a second, is acknowledged.
//              Final (SetOnFatal): a hole, when the stream has let go what this backend had not
//              read, after a window's time without it; and another entry at a place than the one
//              that was acknowledged there. The process is to end; a start reads anew.
//   Cost       Reading: a copy into the ring, a digest of the idempotency key. Publishing: SHA-256
//              of that key.
class SharedLog final : public Log {
 public:
  struct StreamOptions {
    uint64_t publish_timeout_ms = 10'000;  // of an entry; an election takes up to 9 s
    uint64_t answer_timeout_ms = 1'500;    // then what is not answered is sent again
    uint64_t resend_pause_ms = 100;        // after a refusal
    uint64_t open_timeout_ms = 60'000;     // for reading what there is
    size_t pipeline_entries_max = 8'192;
    size_t pipeline_bytes_max = 8u << 20;
  };
  // What a reader asks of the head is answered by a canary, not more often than this.
  static constexpr uint64_t kProbeIntervalMs = 100;
  // What is not known to be retained is put there again.
  static constexpr uint64_t kRetainAgainMs = 1'000;

  // Reads what is in the stream. Blocks for that.
  static Result<std::unique_ptr<SharedLog>> Open(const Options& options,
                                                 const StreamOptions& stream_options,
                                                 std::unique_ptr<SharedStream> stream,
                                                 const Clock& clock);
  ~SharedLog() override;

  bool shared() const override { return true; }
  bool Work(uint64_t wall_ms, uint64_t mono_ms) override;
  void AwaitHead(std::function<void(Status)> done) override;
  Engine::Statistics EngineStats() const override;
  void CollectMetrics(MetricList& out) const override;

 private:
  enum class State : uint8_t { kUnsent, kSent, kPlaced, kDone };
  // An entry that is on its way.
  struct Pending {
    State state = State::kUnsent;
    EntryType type = EntryType::kEvent;
    bool known = false;  // to the stream before this publishing
    uint8_t partition = 0;
    uint16_t sends = 0;
    uint32_t item = 0;      // of its job
    uint64_t job = 0;       // number
    uint64_t begun_ms = 0;  // monotonic
    uint64_t sent_ms = 0;   // the last time
    uint64_t sequence = 0;  // when placed
    std::array<char, 43> message_id{};
  };
  struct OpenJob {
    Job job;
    size_t left = 0;  // entries without a result
    bool probe = false;
    bool finished = false;
    uint64_t begun_ms = 0;
  };
  // What was read at a place of the stream.
  struct Place {
    uint64_t time_ms;
    uint64_t mark;  // of the entry; 0: none of ours
  };
  // An invalidation that was read and is not known to be retained.
  struct Unretained {
    uint64_t time_ms;
    unsigned partition;
    std::string bytes;
    std::optional<uint64_t> put_ms;  // the last time
  };
  struct SharedCounters {
    std::atomic<uint64_t> resent{0}, probes{0}, probes_failed{0}, foreign{0}, retained_again{0};
  };
  class Recovery;

  SharedLog(const Options& options, const StreamOptions& stream_options,
            std::unique_ptr<SharedStream> stream);
  Status Recover(const Clock& clock);
  bool AllAnswered() const override { return QueueEmpty() && open_jobs_.load() == 0; }

  // What the stream says.
  bool TakeNews();
  bool AppendRead(const StreamMessages::Message& message, std::span<char> entry);
  void KeepUntilRetained(const StreamMessages::Message& message, std::span<char> entry,
                         const EntryView& view);
  void OnRetained(uint64_t sequence);
  void RetainRest();
  void AppendDecoded(Cursor cursor, std::span<char> entry, const EntryView& view);
  Cursor CursorOf(const StreamMessages::Message& message, uint64_t as_of_ms,
                  const EntryView& view) const;
  const Place* PlaceOf(uint64_t sequence) const;
  void OnAnswer(const StreamNews::Answer& answer);
  void ResolvePlaced();
  bool Seen(const Pending& pending) const;
  Result<Ack> AnswerTo(const Pending& pending);
  Result<Ack> AnswerKnown(const Dedupe::Answer& answer, bool own);
  Result<Ack> AnswerFromStream(const Pending& pending);
  Result<Ack> AckAt(const Pending& pending);

  // What is on its way to it.
  void TakeNewJobs();
  void Begin(Job job, bool probe);
  void Enqueue(OpenJob& job, uint64_t number, size_t index);
  void Send();
  void Become(State state, Pending& pending);
  bool SendOne(uint64_t token, Pending& pending);
  void ResendLater();
  void Resend();
  void CheckTimes();
  void FailOverdue();
  void Done(Pending& pending, Result<Ack> result);
  void SetUnavailable(const Error& error);
  void SetAvailable();
  void CompleteJobs();
  void Finish(OpenJob& job);
  void ProbeIfWanted(uint64_t wall_ms);
  void OnProbe(const Status& status);
  void RefuseWaiters();
  OpenJob& JobOf(const Pending& pending);
  const LogBatch::Item& ItemOf(const Pending& pending);
  static std::span<char> EntryOf(OpenJob& job, size_t item);

  const StreamOptions stream_options_;
  const std::unique_ptr<SharedStream> stream_;
  Cursor log_start_;

  // The log thread's alone.
  StreamNews news_;
  uint64_t mono_ms_ = 0;
  uint64_t read_ = 0;  // place of the newest message read
  std::map<uint64_t, Unretained> unretained_;
  std::set<uint64_t> retained_early_;  // known to be retained, and not read yet
  bool waker_set_ = false;
  Recovery* recovery_ = nullptr;  // while Open() reads
  std::optional<Error> unavailable_;
  std::optional<uint64_t> expired_mono_ms_;
  std::deque<Place> places_;  // the newest, up to read_, by which answers are given
  std::optional<Error> broken_;
  std::deque<OpenJob> jobs_;  // numbers from jobs_begin_ on
  uint64_t jobs_begin_ = 0;
  uint64_t complete_ = 0;        // number of the first that may be left to complete
  std::deque<Pending> pending_;  // tokens from pending_begin_ on
  uint64_t pending_begin_ = 0;
  uint64_t next_ = 0;  // token; what is before it is not unsent
  size_t unanswered_max_ = 1;
  size_t unanswered_ = 0;        // sent, and nothing heard
  size_t pipeline_entries_ = 0;  // without a result
  size_t pipeline_bytes_ = 0;
  std::deque<uint64_t> placed_;  // tokens of those that wait to be seen
  bool resend_ = false;          // nothing is sent before what failed is sent again
  uint64_t resend_ms_ = 0;       // when that may be
  std::vector<Job> taken_;
  uint64_t probed_ms_ = 0;
  bool probing_ = false;
  std::vector<std::function<void(Status)>> probe_waiters_;

  std::atomic<size_t> open_jobs_{0};
  SharedCounters shared_counters_;
  mutable std::mutex shared_mutex_;  // guards what follows
  std::vector<std::function<void(Status)>> waiters_;
  LatencyHistogram commit_;
};

}  // namespace galaxy::push
