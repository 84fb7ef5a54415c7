#include "log/shared_log.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/check.h"
#include "event/wire.h"

namespace galaxy::push {
namespace {

// While a log is opened: what there is comes within that.
constexpr std::chrono::seconds kQuiet{1};
// So many places are remembered; beyond, the stream is asked.
constexpr size_t kPlacesMax = 1u << 18;

// Where an entry of ours keeps what it is as of, until it has its place.
struct ReadEntry {
  EntryView view;
  uint64_t as_of_ms = 0;
};

uint64_t MarkOf(const EntryDigest& digest) { return digest.key.low ^ digest.content; }

// Nothing for what no backend of ours has written.
std::optional<ReadEntry> Decode(std::string_view entry) {
  if (entry.size() < kGrpcPrefixBytes) return std::nullopt;
  uint32_t length = 0;
  for (size_t i = 1; i < kGrpcPrefixBytes; ++i) {
    length = length << 8 | static_cast<unsigned char>(entry[i]);
  }
  if (entry[0] != 0 || length != entry.size() - kGrpcPrefixBytes) return std::nullopt;
  Result<EntryView> view = DecodePushEvent(EntryMessage(entry));
  if (!view || view->type == EntryType::kNone) return std::nullopt;
  if (view->cursor.data() + view->cursor.size() != entry.data() + entry.size()) return std::nullopt;
  Result<Cursor> written = Cursor::Parse(view->cursor);
  if (!written || written->sequence != 0) return std::nullopt;
  return ReadEntry{*view, written->time_ms};
}

}  // namespace

// Puts what is retained between the entries of the stream that it stood between.
class SharedLog::Recovery {
 public:
  Recovery(SharedLog& log, StreamMessages& retained) : log_(log), retained_(retained) {}

  void AddBefore(uint64_t sequence) {
    for (; next_ < retained_.messages.size(); ++next_) {
      const StreamMessages::Message& message = retained_.messages[next_];
      if (message.sequence >= sequence) break;
      size_t begin = next_ == 0 ? 0 : retained_.messages[next_ - 1].end;
      Add(message, {retained_.bytes.data() + begin, message.end - begin});
    }
  }
  // What is read from the stream itself is not wanted a second time.
  void Skip(uint64_t sequence) {
    bool same = next_ < retained_.messages.size() && retained_.messages[next_].sequence == sequence;
    if (same) ++next_;
  }

 private:
  void Add(const StreamMessages::Message& message, std::span<char> entry) {
    std::optional<ReadEntry> read = Decode({entry.data(), entry.size()});
    if (!read || read->view.type != EntryType::kInvalidation) return;
    Cursor cursor = log_.CursorOf(message, read->as_of_ms, read->view);
    PatchCursor(entry, cursor);
    log_.retained_.Add(cursor, read->view, {entry.data(), entry.size()});
  }

  SharedLog& log_;
  StreamMessages& retained_;
  size_t next_ = 0;
};

SharedLog::SharedLog(const Options& options, const StreamOptions& stream_options,
                     std::unique_ptr<SharedStream> stream)
    : Log(options), stream_options_(stream_options), stream_(std::move(stream)) {}

SharedLog::~SharedLog() {
  std::vector<Job> left;
  for (OpenJob& job : jobs_) {
    if (!job.finished) left.push_back(std::move(job.job));
  }
  RefuseWaiters();
  RefuseRest(left);
}

Result<std::unique_ptr<SharedLog>> SharedLog::Open(const Options& options,
                                                   const StreamOptions& stream_options,
                                                   std::unique_ptr<SharedStream> stream,
                                                   const Clock& clock) {
  std::unique_ptr<SharedLog> log(new SharedLog(options, stream_options, std::move(stream)));
  if (Status recovered = log->Recover(clock); !recovered) {
    return std::unexpected(recovered.error());
  }
  return log;
}

Status SharedLog::Recover(const Clock& clock) {
  Result<SharedStream::Opening> opening = stream_->Open();
  if (!opening) return std::unexpected(opening.error());
  unanswered_max_ = std::max<size_t>(opening->unanswered_max, 1);
  log_start_ = NewLogStart(opening->began_ms);
  read_ = opening->first - 1;
  Cursor floor{log_start_.sequence + read_, 0};
  if (read_ == 0) floor = log_start_;
  if (read_ == opening->last && read_ > 0) floor.time_ms = opening->last_time_ms;
  StartRing(floor, log_start_);
  Recovery recovery(*this, opening->retained);
  recovery_ = &recovery;
  // By a clock that goes on in a test, too.
  auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(stream_options_.open_timeout_ms);
  auto news_at = std::chrono::steady_clock::now();
  for (uint64_t messages = 0; read_ < opening->last;) {
    bool news = TakeNews();
    messages += news_.read.messages.size();
    if (news) {
      news_at = std::chrono::steady_clock::now();
      continue;
    }
    // The newest places are empty. Not by the number alone: some may leave while they are read.
    bool quiet = std::chrono::steady_clock::now() - news_at > kQuiet;
    if (quiet && messages >= opening->messages) break;
    if (std::chrono::steady_clock::now() > deadline) {
      recovery_ = nullptr;
      return Fail(Code::kUnavailable, "the stream could not be read to its end: " +
                                          std::to_string(opening->last - read_) +
                                          " messages are missing");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  recovery.AddBefore(read_ + 1);
  recovery_ = nullptr;
  begun_after_ = std::max(ring_->head().sequence, NewLogStart(clock.WallMs()).sequence);
  ExpireMemory(clock.WallMs());
  return {};
}

bool SharedLog::Work(uint64_t wall_ms, uint64_t mono_ms) {
  SetWorked(mono_ms);
  if (failed()) return false;
  if (!std::exchange(waker_set_, true)) stream_->SetWaker([this] { Wake(); });
  mono_ms_ = mono_ms;
  Cursor head = ring_->head();
  bool news = TakeNews();
  if (failed()) return false;
  CheckTimes();
  RetainRest();
  TakeNewJobs();
  ProbeIfWanted(wall_ms);
  Send();
  CompleteJobs();
  if (ring_->head().sequence != head.sequence) TellListeners();
  if (!expired_mono_ms_ || mono_ms - *expired_mono_ms_ >= kWorkIntervalMs) {
    ExpireMemory(wall_ms);
    expired_mono_ms_ = mono_ms;
  }
  return news;
}

// --- what the stream says

bool SharedLog::TakeNews() {
  news_.Clear();
  stream_->Take(news_);
  size_t begin = 0;
  for (const StreamMessages::Message& message : news_.read.messages) {
    std::span<char> entry{news_.read.bytes.data() + begin, message.end - begin};
    begin = message.end;
    if (!AppendRead(message, entry)) return false;
  }
  if (!news_.read.messages.empty()) TrimDedupe();
  for (uint64_t sequence : news_.retained) OnRetained(sequence);
  for (const StreamNews::Answer& answer : news_.answers) OnAnswer(answer);
  ResolvePlaced();
  if (broken_ && !failed()) Fatal(*broken_);
  return !news_.read.messages.empty() || !news_.answers.empty() || !news_.retained.empty();
}

void SharedLog::KeepUntilRetained(const StreamMessages::Message& message, std::span<char> entry,
                                  const EntryView& view) {
  if (view.type != EntryType::kInvalidation) return;
  if (retained_early_.erase(message.sequence) > 0) return;
  unretained_.emplace(
      message.sequence,
      Unretained{message.time_ms, PartitionOf(view.user_id), {entry.data(), entry.size()}, {}});
}

void SharedLog::OnRetained(uint64_t sequence) {
  if (unretained_.erase(sequence) == 0 && sequence > read_) retained_early_.insert(sequence);
}

// In order, and so many at once as the stream takes best.
void SharedLog::RetainRest() {
  size_t under_way = 0;
  for (auto& [sequence, kept] : unretained_) {
    if (++under_way > unanswered_max_) return;
    if (kept.put_ms && mono_ms_ - *kept.put_ms < kRetainAgainMs) continue;
    if (kept.put_ms) Bump(shared_counters_.retained_again);
    if (!stream_->Retain({sequence, kept.time_ms}, kept.partition, kept.bytes)) return;
    kept.put_ms = mono_ms_;
  }
}

Cursor SharedLog::CursorOf(const StreamMessages::Message& message, uint64_t as_of_ms,
                           const EntryView& view) const {
  Cursor cursor{log_start_.sequence + message.sequence, message.time_ms};
  if (as_of_ms == 0 || view.type != EntryType::kInvalidation) return cursor;
  // 8.5. It takes the place of an earlier one of the same sessions (3.2), so it must mean all that
  // that one meant. Every backend finds the same, by the same entries before it.
  cursor.time_ms = std::max(as_of_ms, retained_.TimeOf(view).value_or(0));
  cursor.time_ms = std::min(cursor.time_ms, message.time_ms);
  return cursor;
}

bool SharedLog::AppendRead(const StreamMessages::Message& message, std::span<char> entry) {
  if (message.sequence <= read_) return true;  // a reader that began anew
  if (message.sequence != read_ + 1) {
    Cursor before{log_start_.sequence + message.sequence - 1, message.time_ms};
    if (recovery_ == nullptr) {
      Fatal({Code::kInternal,
             "the stream has let go " + std::to_string(message.sequence - read_ - 1) +
                 " messages that were not read",
             {}});
      return false;
    }
    ring_->Clear(before, log_start_);
    places_.clear();
  }
  if (recovery_ != nullptr) {
    recovery_->AddBefore(message.sequence);
    recovery_->Skip(message.sequence);
  }
  read_ = message.sequence;
  places_.push_back({message.time_ms, 0});
  if (places_.size() > kPlacesMax) places_.pop_front();
  std::optional<ReadEntry> read = Decode({entry.data(), entry.size()});
  if (!read) {
    Bump(shared_counters_.foreign);
    return true;
  }
  KeepUntilRetained(message, entry, read->view);
  Cursor cursor = CursorOf(message, read->as_of_ms, read->view);
  places_.back().time_ms = cursor.time_ms;
  AppendDecoded(cursor, entry, read->view);
  return true;
}

void SharedLog::AppendDecoded(Cursor cursor, std::span<char> entry, const EntryView& view) {
  // Before the cursor is written: the views point into the same bytes.
  EntryDigest digest = hasher_.Digest(view);
  if (view.type == EntryType::kEvent && !view.event_id.empty()) dedupe_.Add(digest, cursor);
  places_.back().mark = MarkOf(digest);
  PatchCursor(entry, cursor);
  Append({view.type, cursor, {entry.data(), entry.size()}, PartitionOfEntry(view)});
  Bump(counters_.entries);
}

const SharedLog::Place* SharedLog::PlaceOf(uint64_t sequence) const {
  if (sequence > read_ || read_ - sequence >= places_.size()) return nullptr;
  return &places_[places_.size() - 1 - (read_ - sequence)];
}

// --- what becomes of publications

void SharedLog::OnAnswer(const StreamNews::Answer& answer) {
  if (answer.token < pending_begin_ || answer.token - pending_begin_ >= pending_.size()) return;
  Pending& pending = pending_[answer.token - pending_begin_];
  if (pending.state != State::kSent && pending.state != State::kUnsent) return;
  if (answer.error) {
    if (!answer.again) return Done(pending, std::unexpected(*answer.error));
    Become(State::kUnsent, pending);
    return ResendLater();
  }
  SetAvailable();
  Become(State::kPlaced, pending);
  pending.sequence = answer.sequence;
  pending.known = answer.duplicate;
  if (Seen(pending)) return Done(pending, AnswerTo(pending));
  stream_->Expect(pending.sequence);
  placed_.push_back(answer.token);
}

bool SharedLog::Seen(const Pending& pending) const {
  if (pending.sequence > read_) return false;
  return pending.type != EntryType::kInvalidation || !unretained_.contains(pending.sequence);
}

// Answers come in the stream's order but for what was sent again, so the first ones are seen first.
void SharedLog::ResolvePlaced() {
  while (!placed_.empty()) {
    if (placed_.front() >= pending_begin_) {
      Pending& pending = pending_[placed_.front() - pending_begin_];
      if (pending.state == State::kPlaced && !Seen(pending)) return;
      if (pending.state == State::kPlaced) Done(pending, AnswerTo(pending));
    }
    placed_.pop_front();
  }
}

Result<Ack> SharedLog::AnswerTo(const Pending& pending) {
  const LogBatch::Item& item = ItemOf(pending);
  if (!pending.known || !item.idempotent) return AckAt(pending);
  Dedupe::Answer answer = dedupe_.Find(item.digest);
  if (answer.verdict == Dedupe::Verdict::kNew) return AnswerFromStream(pending);
  return AnswerKnown(answer, pending.sends > 1);
}

// `own`: it was sent more than once, so the first one may be of this publishing, too.
Result<Ack> SharedLog::AnswerKnown(const Dedupe::Answer& answer, bool own) {
  if (answer.verdict == Dedupe::Verdict::kConflict) {
    Bump(counters_.conflicts);
    return Fail(
        Code::kAlreadyExists,
        "this event_id was published with another kind or payload, as " + answer.first.Format(),
        "event_id");
  }
  if (!own) Bump(counters_.duplicates);
  return Ack{answer.first, !own};
}

// What this backend has read there must be what was published: if not, it reads other servers'
// history than the one that answered.
Result<Ack> SharedLog::AckAt(const Pending& pending) {
  Cursor cursor{log_start_.sequence + pending.sequence, 0};
  if (const Place* place = PlaceOf(pending.sequence)) {
    cursor.time_ms = place->time_ms;
    std::span<char> entry = EntryOf(JobOf(pending), pending.item);
    EntryDigest digest = ItemOf(pending).digest;
    if (!ItemOf(pending).idempotent) digest = hasher_.Digest(ViewOf({entry.data(), entry.size()}));
    if (place->mark == MarkOf(digest)) return Ack{cursor, false};
    Error error{Code::kInternal,
                "the stream holds another entry at " + std::to_string(pending.sequence) +
                    " than the one that was acknowledged there: its servers do not agree",
                {}};
    broken_ = error;
    return std::unexpected(std::move(error));
  }
  // An answer that came very late.
  if (ItemOf(pending).idempotent) return AnswerFromStream(pending);
  return Fail(Code::kUnavailable, "the stream answered too late to tell the entry's cursor");
}

// The stream remembers the key or the place, and this backend does not any more.
Result<Ack> SharedLog::AnswerFromStream(const Pending& pending) {
  auto found = stream_->Read(pending.sequence);
  if (!found) return std::unexpected(found.error());
  std::optional<ReadEntry> read = *found ? Decode((*found)->bytes) : std::nullopt;
  if (!read) {
    return Fail(Code::kAlreadyExists,
                "this event_id was published before, and the entry has left the log", "event_id");
  }
  Cursor first = CursorOf((*found)->messages.front(), read->as_of_ms, read->view);
  bool same = hasher_.Digest(read->view) == ItemOf(pending).digest;
  auto verdict = same ? Dedupe::Verdict::kDuplicate : Dedupe::Verdict::kConflict;
  return AnswerKnown({verdict, first}, !pending.known || pending.sends > 1);
}

Engine::Statistics SharedLog::EngineStats() const {
  std::lock_guard lock(shared_mutex_);
  return {.probes = shared_counters_.probes.load(), .commit = commit_};
}

void SharedLog::CollectMetrics(MetricList& out) const {
  MetricPart part("stream", out);
  part.Counter("resent_total", "Publications that were sent again, under the same id.",
               shared_counters_.resent.load());
  part.Counter("probes_failed_total", "Canaries for the head that did not come back.",
               shared_counters_.probes_failed.load());
  part.Counter("foreign_messages_total", "Messages of the stream that no backend of ours wrote.",
               shared_counters_.foreign.load());
  part.Counter("retained_again_total", "Invalidations put again where they are retained.",
               shared_counters_.retained_again.load());
  stream_->CollectMetrics(out);
}

}  // namespace galaxy::push
