#include "gateway/feed.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/ids.h"

namespace galaxy::push {
namespace {

std::string_view Text(const Metadata& metadata, std::string_view name) {
  return metadata.Get(name).value_or(std::string_view());
}

uint64_t Number(const Metadata& metadata, std::string_view name) {
  std::string_view text = Text(metadata, name);
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::optional<Cursor> CursorOf(std::string_view text) {
  auto cursor = Cursor::Parse(text);
  return cursor ? std::optional(*cursor) : std::nullopt;
}

// Of the reasons that there are (4.1); this text goes on to clients.
std::string GapReason(std::string_view text) {
  for (std::string_view known : {"evicted", "future", "malformed"}) {
    if (text == known) return std::string(known);
  }
  return "unknown";
}

// 1.5: what a cursor of a backend that is not ours must at least be.
bool IsUsableOpaque(std::string_view cursor) {
  return cursor.size() <= kCursorBytesMax &&
         std::all_of(cursor.begin(), cursor.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

}  // namespace

Feed::Feed(const GatewayConfig& config, std::string persisted,
           std::function<uint64_t(uint64_t)> random)
    : config_(config),
      random_(std::move(random)),
      received_(std::move(persisted)),
      processed_(received_),
      persisted_(received_.ours()),
      revoked_complete_(persisted_.has_value()) {}

Feed::Place::Place(std::string text) : ours_(CursorOf(text)) {
  if (!ours_) opaque_ = std::move(text);
}

FeedRequest Feed::Connect(uint64_t wall_ms, uint64_t mono_ms) {
  opened_ms_ = mono_ms;
  FeedRequest request{.gateway_client_id = config_.id, .cursor = {}, .metadata = {}};
  if (!vouched_) {
    // The ring does not outlive the process, so until it is whole its window is asked for (4.10),
    // from where delivery has got.
    received_ = processed_;
    uint64_t since = wall_ms - std::min(wall_ms, config_.window_ms);
    request.metadata.Add("push-since", std::to_string(since));
  }
  if (!config_.partitions.all()) {
    request.metadata.Add("push-partitions", config_.partitions.Format());
  }
  request.cursor = received_.Text();
  // 9.1. Also when a stream broke off amid the retained invalidations that a gap had begun with.
  if (!revoked_complete_ || retained_due_) request.metadata.Add("push-invalidations", "all");
  return request;
}

FeedOpening Feed::OnMetadata(const Metadata& metadata, uint64_t mono_ms) {
  bool assumed = streaming_;  // OnNoMetadata() was, and this comes with the first entry
  auto resume = metadata.Get("push-resume");
  if (!resume && assumed) return {.foreign = true, .caught_up = true};
  FeedOpening opening = resume ? OpenOurs(metadata, *resume) : OpenForeign(mono_ms);
  streaming_ = true;
  opened_before_ = true;
  superseded_ = false;
  if (opening.unknown) unknown_ = true;
  if (opening.caught_up) PassBarrier();
  return opening;
}

FeedOpening Feed::OnNoMetadata(uint64_t mono_ms) { return OnMetadata({}, mono_ms); }

FeedOpening Feed::OpenOurs(const Metadata& metadata, std::string_view resume) {
  bool was_foreign = foreign_ && opened_before_;
  foreign_ = false;
  start_ = CursorOf(Text(metadata, "push-start-cursor"));
  head_ = CursorOf(Text(metadata, "push-head-cursor"));
  last_.reset();
  generation_ = Number(metadata, "push-generation");
  catching_up_ = true;

  FeedOpening opening{.floor = start_ ? start_->Format() : std::string()};
  opening.unknown = Text(metadata, "push-invalidations") == "unknown";
  bool expected = resume == "resumed" || (resume == "fresh" && received_.empty());
  if (!vouched_ && expected) {
    opening.ring = FeedOpening::Ring::kReset;
  } else if (resume != "resumed" || was_foreign) {
    // A gap; or a fresh start in the middle of our life, which is one as well.
    opening.ring = FeedOpening::Ring::kGap;
    opening.gap_reason = GapReason(Text(metadata, "push-resume-reason"));
    if (resume != "gap") opening.unknown = true;
    // 4.3: the one way in which the cursor may fall. `processed_` follows with the barrier.
    received_ = Place(opening.floor);
    persisted_.reset();
    retained_due_ = true;
  }
  if (opening.ring != FeedOpening::Ring::kKeep) appended_ = start_;
  // Without canaries nothing announces that a quiet stream is complete (4.1).
  canary_ms_ = Number(metadata, "push-canary-ms");
  // Nor may it ever reach a head that is of other partitions.
  bool reaches_head = config_.partitions.all() && head_ && start_ && *head_ > *start_;
  if (canary_ms_ == 0 && !reaches_head) {
    opening.quiet_wait = !vouched_ || retained_due_ || !config_.partitions.all();
    opening.caught_up = !opening.quiet_wait;
  }
  return opening;
}

FeedOpening Feed::OpenForeign(uint64_t mono_ms) {
  bool was_ours = !foreign_ && opened_before_;
  foreign_ = true;
  start_.reset();
  head_.reset();
  canary_ms_ = 0;
  generation_ = 0;
  catching_up_ = false;
  FeedOpening opening{.foreign = true, .caught_up = true};
  bool short_away = ended_ms_ && mono_ms - *ended_ms_ < config_.assume_resumed_ms;
  if (opened_before_ && !was_ours && short_away) return opening;
  if (!opened_before_ && received_.empty()) {
    opening.ring = FeedOpening::Ring::kReset;
    return opening;
  }
  // 4.8: it may have resumed, but it has not said so.
  opening.ring = FeedOpening::Ring::kGap;
  opening.gap_reason = "unknown";
  opening.unknown = true;
  return opening;
}

Result<FeedStep> Feed::OnEntry(const EntryView& entry, bool known) {
  return foreign_ ? ForeignStep(entry, known) : OursStep(entry);
}

Result<FeedStep> Feed::OursStep(const EntryView& entry) {
  auto parsed = Cursor::Parse(entry.cursor);
  if (!parsed) return Fail(Code::kInternal, "an entry's cursor is malformed", "cursor");
  const Cursor at = *parsed;
  if (last_ && at <= *last_) {
    return Fail(Code::kInternal, "the cursors of a stream do not rise", "cursor");
  }
  last_ = at;
  Result<FeedStep> step;
  step->cursor = at;
  if (start_ && at <= *start_) {
    // 4.3: retained invalidations come first, and nothing else.
    if (entry.type != EntryType::kInvalidation) {
      return Fail(Code::kInternal, "an event lies before the start of its stream", "cursor");
    }
    return step;
  }
  if (appended_ && at <= *appended_) {
    return Fail(Code::kInternal, "an entry comes again after a lossless resume", "cursor");
  }
  appended_ = at;
  step->append = true;
  received_.Set(at);
  if (catching_up_) {
    bool before = head_ && (canary_ms_ > 0 ? at <= *head_ : at < *head_);
    if (before) {
      step->skip = !vouched_ && persisted_ && at <= *persisted_;
      return step;
    }
    step->caught_up = true;
    PassBarrier();
  }
  step->deliver = true;
  Process(received_);
  return step;
}

Result<FeedStep> Feed::ForeignStep(const EntryView& entry, bool known) {
  if (!IsUsableOpaque(entry.cursor)) {
    return Fail(Code::kInternal, "a foreign cursor is over 128 bytes or not printable", "cursor");
  }
  if (!entry.cursor.empty() && (known || received_.Is(entry.cursor)))
    return FeedStep{.ignore = true};
  if (!entry.cursor.empty()) {
    received_.Set(entry.cursor);
    Process(received_);
  }
  return FeedStep{.append = true, .deliver = true};
}

uint64_t Feed::behind_entries() const {
  if (!streaming_ || !catching_up_ || !head_ || !start_) return 0;
  uint64_t at = std::max(start_->sequence, last_ ? last_->sequence : 0);
  return head_->sequence - std::min(head_->sequence, at);
}

void Feed::PassBarrier() {
  catching_up_ = false;
  vouched_ = true;
  if (!foreign_) {
    revoked_complete_ = true;
    if (!received_.empty()) Process(received_);
  }
  retained_due_ = false;
}

// 4.3: never falls, but where a gap says that the log goes on before it (restored from a copy).
void Feed::Process(const Place& place) {
  bool falls = place.ours() && processed_.ours() && *place.ours() < *processed_.ours();
  if (falls && !retained_due_) return;
  if (place.ours()) {
    processed_.Set(*place.ours());
  } else {
    processed_ = place;
  }
}

bool Feed::OnQuiet() {
  if (!streaming_ || foreign_ || !catching_up_) return false;
  bool reaches_head = config_.partitions.all() && head_ && start_ && *head_ > *start_;
  if (reaches_head && (!last_ || *last_ < *head_)) return false;
  PassBarrier();
  return true;
}

uint64_t Feed::Backoff(bool longest) {
  if (longest) return config_.backoff_max_ms;
  uint64_t bound = config_.backoff_min_ms << std::min<uint32_t>(attempts_, 20);
  ++attempts_;
  return random_(std::min(bound, config_.backoff_max_ms));  // 6.4: full jitter
}

void Feed::NoteEnd(uint64_t mono_ms) {
  bool was_streaming = std::exchange(streaming_, false);
  if (!was_streaming) return;
  ended_ms_ = mono_ms;
  uint64_t lived_ms = mono_ms - opened_ms_;
  if (lived_ms >= config_.backoff_reset_ms) attempts_ = 0;
  if (lived_ms >= config_.superseded_max_ms) superseded_delay_ms_ = 0;
}

// 6.6: to another backend at once, a little spread; 6.4: to one that has failed after a while.
FeedRetry Feed::Again(std::string_view cause, bool elsewhere) {
  uint64_t delay_ms = elsewhere ? random_(config_.move_spread_ms) : Backoff(/*longest=*/false);
  return {.delay_ms = delay_ms, .hurries = true, .cause = cause};
}

FeedRetry Feed::OnEnd(const GrpcEnd& end, uint64_t mono_ms, bool elsewhere) {
  NoteEnd(mono_ms);
  std::string_view reason = Text(end.trailers, "push-close-reason");
  bool superseded = end.status == GrpcStatus::kAborted &&
                    (reason == "superseded" || (reason.empty() && end.message == "superseded"));
  if (superseded) {
    superseded_ = true;
    superseded_delay_ms_ = superseded_delay_ms_ == 0
                               ? config_.superseded_min_ms
                               : std::min(superseded_delay_ms_ * 2, config_.superseded_max_ms);
    return {.delay_ms = superseded_delay_ms_, .alarm = true, .cause = "superseded"};
  }
  switch (end.status) {
    case GrpcStatus::kInvalidArgument:
    case GrpcStatus::kPermissionDenied:
    case GrpcStatus::kUnauthenticated:
    case GrpcStatus::kUnimplemented:
      return {.delay_ms = Backoff(/*longest=*/true), .alarm = true, .cause = "refused"};
    case GrpcStatus::kOutOfRange:
      return Again("overrun", elsewhere);
    case GrpcStatus::kAborted:
      return Again(reason == "slow" ? "slow" : "aborted", elsewhere);
    case GrpcStatus::kOk:
      return Again("ended", elsewhere);
    case GrpcStatus::kUnavailable:
      return Again(reason == "drain" ? "drain" : "unavailable", elsewhere);
    default:
      return Again("failed", elsewhere);
  }
}

FeedRetry Feed::OnFault(uint64_t mono_ms) {
  streaming_ = false;
  ended_ms_ = mono_ms;
  return {.delay_ms = Backoff(/*longest=*/true), .alarm = true, .cause = "fault"};
}

FeedRetry Feed::OnStuck(uint64_t mono_ms, bool elsewhere) {
  NoteEnd(mono_ms);
  FeedRetry retry = Again("stuck", elsewhere);
  retry.alarm = true;
  return retry;
}

FeedRetry Feed::OnLeft(std::string_view cause, bool alarm, uint64_t mono_ms, bool elsewhere) {
  NoteEnd(mono_ms);
  FeedRetry retry = Again(cause, elsewhere);
  retry.alarm = alarm;
  return retry;
}

}  // namespace galaxy::push
