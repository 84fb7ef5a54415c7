#include "gateway/feed_client.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "base/random.h"
#include "event/wire.h"

namespace galaxy::push {
namespace {

constexpr std::string_view kSubscribePath = "/galaxy.backend.push.v1.Push/SubscribePush";
// How long a stream without canaries is quiet before it counts as caught up.
constexpr uint64_t kQuietMs = 1'000;
// A gRPC server of default settings allows one PING in 5 min on a silent stream and answers the
// fourth of a closer series with GOAWAY, too_many_pings; behind a backend that is not ours every
// such loss would close every client (4.8, 9.3).
constexpr uint64_t kForeignPingMs = 310'000;

void AppendStringField(std::string& out, int number, std::string_view text) {
  if (text.empty()) return;
  out.push_back(static_cast<char>(number << 3 | 2));
  size_t size = text.size();
  for (; size >= 0x80; size >>= 7) out.push_back(static_cast<char>(size | 0x80));
  out.push_back(static_cast<char>(size));
  out.append(text);
}

uint64_t RandomUpTo(uint64_t bound) { return RandomU64() % (bound + 1); }

}  // namespace

std::string SubscribeRequestBytes(std::string_view gateway_client_id, std::string_view cursor) {
  std::string out;
  AppendStringField(out, 1, gateway_client_id);
  AppendStringField(out, 2, cursor);
  return out;
}

FeedClient::FeedClient(Loop& loop, const GatewayConfig& config, StateWriter& state,
                       Persisted persisted, Shard& shard, Gateway::LogSink& log)
    : loop_(loop),
      config_(config),
      state_(state),
      shard_(shard),
      log_(log),
      feed_(config, persisted.cursor, RandomUpTo),
      vouching_(
          loop, config, shard, log, [this] { Stuck(); }, [this] { Reconsider(); }),
      throttle_(config.persist_interval_ms, config.persist_entries),
      saved_(std::move(persisted)),
      backends_(loop, config, [this] { Reconsider(); }),
      return_ms_(config.backend_return_ms + RandomUpTo(config.backend_return_ms)) {
  // After that time no token is left that lost invalidations could have meant.
  bool matters = loop.clock().WallMs() < saved_.unknown_ms + RevokedKeepMs();
  if (saved_.unknown_ms == 0 || !matters) return;
  feed_.RememberUnknown();
  if (config.refuse_unknown) vouching_.Hold();  // a restart is no confirmation (9.3)
}

FeedClient::~FeedClient() = default;

void FeedClient::Start() { Connect(); }

void FeedClient::Stop() {
  stopped_ = true;
  retry_.Cancel();
  silence_.Cancel();
  vouching_.Stop();
  backends_.Stop();
  probe_.reset();
  call_.reset();
  stats_.connected = false;
  Save();
}

void FeedClient::Connect() {
  paused_ms_.reset();
  backends_.Prepare([this] { Subscribe(); });
}

void FeedClient::Subscribe() {
  ++stats_.connects;
  ignoring_ = false;
  splitter_.emplace();
  const Clock& clock = loop_.clock();
  FeedRequest request = feed_.Connect(clock.WallMs(), clock.MonoMs());
  vouching_.OnConnect();
  GrpcChannel* channel = backends_.Take();
  if (channel == nullptr) {
    return OnEnd({.status = GrpcStatus::kUnavailable, .message = backends_.trouble()});
  }
  std::string at = backends_.pool().in_use()->target.address.ToString();
  if (std::exchange(at_, at) != at && stats_.connects > 1) ++stats_.moves;
  channel->SetPingFloor(0);  // whose backend answers is not known yet
  call_ = channel->Start(kSubscribePath, std::move(request.metadata), 0, *this);
  call_->Write(SubscribeRequestBytes(request.gateway_client_id, request.cursor));
  call_->HalfClose();
  WatchSilence();
}

// A backend that is not ours may send its metadata only with the first entry, so silence can mean
// an open stream, or a peer that hangs. Only one that answers is vouched for.
void FeedClient::WatchSilence() {
  silence_ = loop_.RunAfter(config_.metadata_wait_ms, [this] {
    if (!stats_.connected) Probe(false);
  });
}

// The first probe may have travelled together with the subscription (a connection that took long, a
// process that stood still) and be answered before it. One that is sent after an answer came is
// answered after the metadata of a backend of ours.
void FeedClient::Probe(bool answered_before) {
  auto done = [this, answered_before](HealthAnswer answer, const std::string&) {
    if (stats_.connected || stopped_ || !call_) return;
    bool alive = answer != HealthAnswer::kNone;
    if (!alive || answered_before) return Silent(alive);
    silence_ = loop_.RunAfter(0, [this] { Probe(true); });
  };
  probe_ =
      std::make_unique<HealthCheck>(backends_.channel(), config_.metadata_wait_ms, std::move(done));
}

// Where there are several backends, and ours, one that keeps its answer back is in trouble.
void FeedClient::Silent(bool answers) {
  bool several = backends_.pool().several();
  bool foreign = answers && !(several && feed_.was_ours());
  if (foreign) return Open(feed_.OnNoMetadata(loop_.clock().MonoMs()));
  if (!backends_.pool().HasNext()) return WatchSilence();
  silence_ = loop_.RunAfter(0, [this] {  // not here: the probe is on the stack
    if (stats_.connected) return;
    Leave("silent", BackendHealth::kUnreachable, "the subscription is not answered", true);
  });
}

void FeedClient::OnMetadata(const Metadata& metadata) {
  if (ignoring_) return;
  silence_.Cancel();
  Open(feed_.OnMetadata(metadata, loop_.clock().MonoMs()));
}

void FeedClient::Open(const FeedOpening& opening) {
  stats_.connected = true;
  backends_.OnAccepted();
  vouching_.OnOpen(feed_.canary_ms(), feed_.head());
  backends_.channel().SetPingFloor(opening.foreign ? kForeignPingMs : 0);
  if (opening.ring == FeedOpening::Ring::kReset) shard_.ResetRing(opening.floor, opening.foreign);
  if (opening.ring == FeedOpening::Ring::kGap) {
    ++stats_.gaps;
    shard_.Gap(opening.gap_reason, opening.floor, opening.foreign);
    Note(Gateway::LogLevel::kWarning, "The feed has a gap.",
         {{"reason", opening.gap_reason}, {"head", opening.floor}});
  }
  if (opening.unknown) Unknown();
  Note(Gateway::LogLevel::kInfo, "The feed is open.",
       {{"foreign", opening.foreign ? "yes" : "no"},
        {"backend", backends_.pool().in_use()->target.address.ToString()}});
  if (opening.caught_up) BarrierPassed();
  if (opening.quiet_wait) ArmQuiet();
}

// 9.3
void FeedClient::Unknown() {
  if (config_.refuse_unknown) {
    Note(Gateway::LogLevel::kWarning,
         "Invalidations may have been lost; nobody is admitted before an operator confirms.", {});
    return vouching_.Hold();
  }
  Note(Gateway::LogLevel::kWarning,
       "Invalidations may have been lost; connections from before are closed.",
       {{"spread_ms", std::to_string(config_.unknown_spread_ms)}});
  shard_.CloseUnvouched(config_.unknown_spread_ms);
}

bool FeedClient::ConfirmUnknown() {
  if (!feed_.unknown()) return false;
  Note(Gateway::LogLevel::kWarning, "An operator has confirmed that invalidations may be lost.",
       {{"held", vouching_.held() ? "yes" : "no"}});
  feed_.ForgetUnknown();
  vouching_.Confirm();
  throttle_.Count(1);  // it is persisted, too
  return true;
}

std::string FeedClient::stale_reason() const {
  if (vouching_.state() != FreshState::kStale) return "";
  if (vouching_.held()) return "invalidations may be lost, and no operator has confirmed that";
  if (!feed_.vouched()) return "the feed has not passed its catch-up barrier";
  return "nothing young has come from the backend for too long";
}

void FeedClient::ArmQuiet() {
  silence_ = loop_.RunAfter(kQuietMs, [this] {
    if (loop_.clock().MonoMs() < bytes_ms_ + kQuietMs) return ArmQuiet();
    if (feed_.OnQuiet()) BarrierPassed();
  });
}

void FeedClient::BarrierPassed() {
  shard_.Deliver();
  vouching_.OnBarrier();
  throttle_.Count(1);
}

void FeedClient::OnBytes(std::string_view bytes) {
  if (ignoring_ || stopped_) return;
  stats_.bytes += bytes.size();
  bytes_ms_ = loop_.clock().MonoMs();
  backends_.OnBytes(bytes_ms_);
  vouching_.OnBytes();
  splitter_->Feed(bytes);
  std::string_view framed;
  for (;;) {
    auto more = splitter_->Next(framed);
    if (!more) return Fault(more.error());
    if (!*more) return;
    if (auto taken = Take(framed); !taken) return Fault(taken.error());
  }
}

Status FeedClient::Take(std::string_view framed) {
  std::string_view message = EntryMessage(framed);
  auto entry = DecodePushEvent(message);
  if (!entry) return std::unexpected(entry.error());
  ++stats_.entries;
  bool known = shard_.ring().foreign() && shard_.ring().Contains(entry->cursor);
  bool vouched = feed_.vouched();
  auto step = feed_.OnEntry(*entry, known);
  if (!step) return std::unexpected(step.error());
  if (step->ignore) {
    ++stats_.duplicates;
    return {};
  }
  if (entry->type == EntryType::kInvalidation) {
    shard_.Invalidate(*entry, step->cursor);
    throttle_.Count(1);
    // Not the retained ones at a start: there may be millions, and they were told of before.
    if (step->append && !step->skip) NoteInvalidation(*entry);
  }
  Count(*entry, *step, vouched);
  if (step->append) {
    bool deliver = step->deliver && !step->caught_up;
    shard_.Append(message, *entry, step->cursor, bytes_ms_, deliver);
  }
  if (step->skip) shard_.SkipDelivery();
  if (step->caught_up) BarrierPassed();
  if (step->deliver) {
    throttle_.Count(1);
    // The cursor of an invalidation may tell an earlier time than that of its publishing (8.5).
    bool tells_age = step->cursor && entry->type != EntryType::kInvalidation;
    if (tells_age) vouching_.OnEntry(*step->cursor, bytes_ms_);
  }
  return {};
}

// `vouched`: the gateway served clients before this entry came.
void FeedClient::Count(const EntryView& entry, const FeedStep& step, bool vouched) {
  stats_.entry_ms = bytes_ms_;
  if (step.cursor) stats_.newest_time_ms = step.cursor->time_ms;
  if (entry.type == EntryType::kNone) ++stats_.unknown_kinds;
  if (entry.type == EntryType::kEvent && entry.user_id == kCanaryUser) {
    ++stats_.canaries;
    stats_.canary_ms = stats_.entry_ms;
  }
  bool applied = entry.type == EntryType::kInvalidation && step.append && vouched && step.cursor;
  if (!applied) return;
  uint64_t wall_ms = loop_.clock().WallMs();
  stats_.invalidation.ObserveMs(wall_ms - std::min(wall_ms, step.cursor->time_ms));
}

void FeedClient::NoteInvalidation(const EntryView& entry) {
  Note(Gateway::LogLevel::kInfo, "Sessions were invalidated.",
       {{"user", std::string(entry.user_id)},
        {"session", std::string(entry.device_session_id)},
        {"reason", std::string(entry.reason)},
        {"cursor", std::string(entry.cursor)}});
}

void FeedClient::SaveIfDue() {
  state_.Retry();
  uint64_t now = loop_.clock().MonoMs();
  if (!throttle_.Due(now)) return;
  throttle_.Saved(now);
  Save();
}

// Always as a whole: what was revoked, and how far that is complete (7.2).
void FeedClient::Save(uint32_t forget_before_s) {
  uint64_t now_ms = loop_.clock().WallMs();
  Persisted known{.cursor = feed_.processed(), .unknown_ms = saved_.unknown_ms};
  if (feed_.unknown() != (known.unknown_ms > 0)) known.unknown_ms = feed_.unknown() ? now_ms : 0;
  bool news = shard_.revoked().news() > 0 || forget_before_s > 0 || known != saved_;
  if (!news) return;
  saved_ = std::move(known);
  state_.Save({.cursor = saved_.cursor,
               .revoked = shard_.TakeRevokedNews(),
               .forget_before_s = forget_before_s,
               .unknown_ms = saved_.unknown_ms,
               .now_ms = now_ms});
}

// By the older of two clocks, ours and the log's: one of them that steps ahead must not let revoked
// sessions in. Of a log that is not ours nothing is known.
void FeedClient::ForgetRevoked() {
  uint64_t now_ms = loop_.clock().WallMs();
  if (!feed_.foreign()) now_ms = std::min(now_ms, stats_.newest_time_ms);
  uint32_t before_s = shard_.ForgetRevoked(now_ms / 1000);
  if (before_s > 0) Save(before_s);
}

void FeedClient::Note(Gateway::LogLevel level, std::string_view sentence,
                      const Gateway::LogFields& fields) {
  if (log_) log_(level, sentence, fields);
}

}  // namespace galaxy::push
