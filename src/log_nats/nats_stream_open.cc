// NatsStream: finding the streams, or making them, and reading what there is.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "log_nats/nats_stream.h"

namespace galaxy::push {
namespace {

constexpr int64_t kCallMs = 1'000;  // what one call of JetStream's API may take
constexpr int64_t kPauseMs = 100;
constexpr int64_t kQuietMs = 1'000;
constexpr int64_t kSettleMs = 1'000;
constexpr int64_t kCatchUpMs = 10'000;
constexpr int64_t kNsPerMs = 1'000'000;
constexpr uint64_t kHeaderBytesMax = 512;  // ours: the message id
constexpr std::string_view kDescription = "Galaxy Push: a log that began at ";
// Measured with 2.9: three servers take fewer a second the more wait (25 k with 512, 17 k with
// 8,192), one takes more.
constexpr size_t kUnansweredReplicated = 512;
constexpr size_t kUnansweredSingle = 8'192;

void Sleep(int64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

int64_t ToNs(uint64_t ms) { return static_cast<int64_t>(ms) * kNsPerMs; }

std::string Seconds(int64_t ns) { return std::to_string(ns / (1000 * kNsPerMs)) + " s"; }

// Those that no later try would change.
bool Final(jsErrCode code) {
  return code == JSNotEnabledErr || code == JSNotEnabledForAccountErr ||
         code == JSInsufficientResourcesErr || code == JSStreamReplicasNotSupportedErr;
}

std::string Describe(natsStatus status, jsErrCode code) {
  std::string text = natsStatus_GetText(status);
  natsStatus of = NATS_OK;
  const char* last = nats_GetLastError(&of);
  if (of == status && last != nullptr && *last != 0) text += std::string(" (") + last + ")";
  if (code != 0) text += ", JetStream error " + std::to_string(code);
  return text;
}

// What is retained came there a little out of order, and now and then twice.
StreamMessages InOrder(const StreamMessages& retained) {
  struct Part {
    const StreamMessages::Message* message;
    std::string_view bytes;
  };
  std::vector<Part> parts;
  size_t begin = 0;
  for (const StreamMessages::Message& message : retained.messages) {
    std::string_view all = retained.bytes;
    parts.push_back({&message, all.substr(begin, message.end - begin)});
    begin = message.end;
  }
  std::ranges::stable_sort(parts, {}, [](const Part& part) { return part.message->sequence; });
  StreamMessages sorted;
  for (const Part& part : parts) {
    uint64_t sequence = part.message->sequence;
    bool twice = !sorted.messages.empty() && sorted.messages.back().sequence == sequence;
    if (!twice) sorted.Add(sequence, part.message->time_ms, part.bytes);
  }
  return sorted;
}

Error Unusable(const std::string& stream, const std::string& why) {
  return {Code::kInvalidArgument, "the stream " + stream + " " + why, "nats-prefix"};
}

// When the log began, as the backend that made the stream has written it down. The stream's
// creation time is no such thing: in its first milliseconds the servers of 2.9 name different ones.
std::optional<uint64_t> BeginOf(const jsStreamInfo& info) {
  std::string_view text = info.Config->Description == nullptr ? "" : info.Config->Description;
  if (!text.starts_with(kDescription)) return std::nullopt;
  text.remove_prefix(kDescription.size());
  uint64_t ms = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (error != std::errc() || end != text.data() + text.size() || ms == 0) return std::nullopt;
  return ms;
}

}  // namespace

Result<SharedStream::Opening> NatsStream::Open() {
  int64_t deadline_ms = nats_Now() + static_cast<int64_t>(options_.open_timeout_ms);
  while (!connection_.connected()) {
    if (nats_Now() > deadline_ms) {
      return Fail(Code::kUnavailable, "no NATS server can be reached", "nats");
    }
    Sleep(10);
  }
  Status ok = CheckPayload();
  if (ok) ok = Listen();
  if (!ok) return std::unexpected(ok.error());
  auto log = OpenLog(deadline_ms);
  if (!log) return std::unexpected(log.error());
  replicas_ = static_cast<int>((*log)->Config->Replicas);
  auto retained = OpenRetained(deadline_ms);
  if (!retained) return std::unexpected(retained.error());
  ok = CheckRetained(**retained);
  if (!ok) return std::unexpected(ok.error());

  // The log first: what leaves it while the other one is read must be found there.
  Opening opening{.began_ms = *BeginOf(**log)};
  opening.unanswered_max = replicas_ > 1 ? kUnansweredReplicated : kUnansweredSingle;
  uint64_t first = std::max<uint64_t>((*log)->State.FirstSeq, 1);
  reader_ = std::make_unique<NatsReader>(connection_, log_name(), options_.prefix + ".*.*", first,
                                         [this](const auto& message) { OnRead(message); });
  ok = WaitUntil(log_name(), deadline_ms, [&](const jsStreamState& state) {
    // A consumer that was made in an election may never bring anything.
    if (state.Msgs > 0) reader_->Expect(state.LastSeq);
    std::lock_guard lock(mutex_);
    opening.last = state.LastSeq;
    opening.messages = state.Msgs;
    opening.last_time_ms = static_cast<uint64_t>(std::max<int64_t>(state.LastTime, 0) / kNsPerMs);
    opening.first = first_read_ != 0 ? first_read_ : state.LastSeq + 1;
    return first_read_ != 0 || state.Msgs == 0;
  });
  if (!ok) return std::unexpected(ok.error());
  retained_reader_ =
      std::make_unique<NatsReader>(connection_, retained_name(), options_.prefix + ".r.*",
                                   std::max<uint64_t>((*retained)->State.FirstSeq, 1),
                                   [this](const auto& message) { OnRetainedRead(message); });
  ok = WaitUntil(retained_name(), deadline_ms, [this](const jsStreamState& state) {
    if (state.Msgs > 0) retained_reader_->Expect(state.LastSeq);
    std::lock_guard lock(mutex_);
    // The newest places may be empty: servers of 2.9 count what they refuse. Not by the number
    // alone: some may leave while they are read.
    bool quiet = nats_Now() - retained_at_ms_ > kQuietMs;
    return retained_read_ >= state.LastSeq || state.Msgs == 0 ||
           (quiet && retained_count_ >= state.Msgs);
  });
  if (!ok) {
    return Fail(ok.error().code, ok.error().message + "; " + retained_reader_->Describe());
  }
  ok = CheckNotAhead(deadline_ms);
  if (!ok) return std::unexpected(ok.error());
  std::lock_guard lock(mutex_);
  opening_ = false;
  opening.retained = InOrder(std::exchange(retained_, {}));
  return opening;
}

Status NatsStream::CheckPayload() const {
  auto limit = static_cast<uint64_t>(natsConnection_GetMaxPayload(connection_.get()));
  if (options_.entry_bytes_max + kHeaderBytesMax <= limit) return {};
  return Fail(Code::kInvalidArgument,
              "an entry may have " + std::to_string(options_.entry_bytes_max) +
                  " bytes, and the NATS servers take messages of " + std::to_string(limit) +
                  " bytes (their max_payload), " + std::to_string(kHeaderBytesMax) +
                  " of them for headers",
              "nats");
}

Status NatsStream::Listen() {
  jsOptions wait;
  jsOptions_Init(&wait);
  wait.Wait = kCallMs;
  jsCtx* context = nullptr;
  natsStatus status = natsConnection_JetStream(&context, connection_.get(), &wait);
  context_.reset(context);
  natsInbox* inbox = nullptr;
  natsSubscription* answers = nullptr;
  if (status == NATS_OK) status = natsInbox_Create(&inbox);
  if (status == NATS_OK) {
    inbox_ = std::string(inbox) + ".";
    status = natsConnection_Subscribe(&answers, connection_.get(), (inbox_ + "*").c_str(), OnAnswer,
                                      this);
  }
  NatsSubscriptionHandle subscription(answers);
  // By that it is known when the last answer has been handled.
  if (status == NATS_OK) status = natsSubscription_SetOnCompleteCB(answers, OnAnswersOver, this);
  if (status == NATS_OK) answers_ = std::move(subscription);
  if (status == NATS_OK) status = natsSubscription_SetPendingLimits(answers, -1, -1);
  natsInbox_Destroy(inbox);
  if (status == NATS_OK) return {};
  return NatsFailure("NATS does not take a subscription", status);
}

natsStatus NatsStream::Make(jsStreamConfig& config, jsErrCode& code) {
  config.Storage = js_FileStorage;
  config.Discard = js_DiscardOld;
  config.Replicas = options_.replicas == 0 ? 3 : options_.replicas;
  natsStatus made = js_AddStream(nullptr, context_.get(), &config, nullptr, &code);
  if (made == NATS_OK || options_.replicas != 0 || code != JSStreamReplicasNotSupportedErr) {
    return made;
  }
  config.Replicas = 1;  // not a cluster
  return js_AddStream(nullptr, context_.get(), &config, nullptr, &code);
}

// Two backends may start at the same time, and before the servers have a leader.
Result<JsStreamInfoHandle> NatsStream::FindOrMake(jsStreamConfig& config, int64_t deadline_ms) {
  for (;;) {
    jsErrCode code{};
    jsStreamInfo* info = nullptr;
    natsStatus status = js_GetStreamInfo(&info, context_.get(), config.Name, nullptr, &code);
    if (status == NATS_OK) return JsStreamInfoHandle(info);
    if (code == JSStreamNotFoundErr) {
      code = {};
      status = Make(config, code);
      if (status == NATS_OK || code == JSStreamNameExistErr) continue;
    }
    if (Final(code) || nats_Now() > deadline_ms) {
      return Fail(Code::kUnavailable,
                  std::string("the stream ") + config.Name +
                      " can neither be found nor made: " + Describe(status, code));
    }
    Sleep(kPauseMs);
  }
}

Result<JsStreamInfoHandle> NatsStream::OpenLog(int64_t deadline_ms) {
  std::string name = log_name();
  std::string events = options_.prefix + ".e.*";
  std::string invalidations = options_.prefix + ".i.*";
  const char* subjects[] = {events.c_str(), invalidations.c_str()};
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  std::string description = std::string(kDescription) + std::to_string(nats_Now());
  config.Name = name.c_str();
  config.Description = description.c_str();
  config.Subjects = subjects;
  config.SubjectsLen = 2;
  config.MaxAge = ToNs(options_.window_ms);
  config.Duplicates = ToNs(options_.window_ms);
  config.MaxBytes = static_cast<int64_t>(options_.bytes_max);
  auto info = FindOrMake(config, deadline_ms);
  if (!info) return info;
  if (Status ok = CheckLog(**info); !ok) return std::unexpected(ok.error());
  // When several make it at the same moment, a cluster of 2.9 takes one after the other, and says
  // yes to each: what nobody has written to yet is asked again until it stands.
  while ((*info)->Cluster != nullptr && (*info)->State.LastSeq == 0) {
    Sleep(kSettleMs);
    auto again = FindOrMake(config, deadline_ms);
    if (!again) return again;
    if (BeginOf(**again) == BeginOf(**info)) return again;
    info = std::move(again);
  }
  return info;
}

Result<JsStreamInfoHandle> NatsStream::OpenRetained(int64_t deadline_ms) {
  std::string name = retained_name();
  std::string copies = options_.prefix + ".r.*";
  const char* subject = copies.c_str();
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = name.c_str();
  config.Description = "Galaxy Push: retained invalidations";
  config.Subjects = &subject;
  config.SubjectsLen = 1;
  config.MaxAge = ToNs(options_.retained_ms);
  config.Duplicates = ToNs(std::min(options_.window_ms, options_.retained_ms));
  return FindOrMake(config, deadline_ms);
}

Status NatsStream::CheckLog(const jsStreamInfo& info) const {
  const jsStreamConfig& config = *info.Config;
  int64_t window_ns = ToNs(options_.window_ms);
  auto refuse = [this](const std::string& why) -> Status {
    return std::unexpected(Unusable(log_name(), why));
  };
  if (config.Mirror != nullptr || config.SubjectsLen != 2 || !BeginOf(info)) {
    return refuse("is there already and is no log of ours");
  }
  for (int i = 0; i < config.SubjectsLen; ++i) {
    std::string subject = config.Subjects[i];
    if (subject != options_.prefix + ".e.*" && subject != options_.prefix + ".i.*") {
      return refuse("takes other subjects: " + subject);
    }
  }
  if (config.MaxAge != 0 && config.MaxAge < window_ns) {
    return refuse("keeps messages for " + Seconds(config.MaxAge) + ", the window is " +
                  Seconds(window_ns) + ": change its max_age, or the window");
  }
  if (config.Duplicates < window_ns) {
    return refuse("knows message ids for " + Seconds(config.Duplicates) + ", the window is " +
                  Seconds(window_ns) + ": change its duplicate_window, or the window");
  }
  return {};
}

Status NatsStream::CheckRetained(const jsStreamInfo& info) const {
  const jsStreamConfig& config = *info.Config;
  auto refuse = [this](const std::string& why) -> Status {
    return std::unexpected(Unusable(retained_name(), why));
  };
  bool ours = config.Mirror == nullptr && config.SubjectsLen == 1 &&
              config.Subjects[0] == options_.prefix + ".r.*";
  if (!ours) return refuse("is there already and does not retain invalidations of ours");
  if (config.MaxAge != 0 && config.MaxAge < ToNs(options_.retained_ms)) {
    return refuse("keeps messages for " + Seconds(config.MaxAge) + ", invalidations are wanted " +
                  Seconds(ToNs(options_.retained_ms)) + ": change its max_age");
  }
  return {};
}

// Of a log that was made anew or restored the places are given again. A server that has just come
// to lead the log may have to put into it what it has heard of already: that is waited for.
Status NatsStream::CheckNotAhead(int64_t deadline_ms) {
  uint64_t newest = 0;
  {
    std::lock_guard lock(mutex_);
    for (const auto& message : retained_.messages) newest = std::max(newest, message.sequence);
  }
  uint64_t last = 0;
  int64_t patience_ms = nats_Now() + kCatchUpMs;
  Status ok = WaitUntil(log_name(), deadline_ms, [&](const jsStreamState& state) {
    last = state.LastSeq;
    return last >= newest || nats_Now() > patience_ms;
  });
  if (!ok || newest <= last) return ok;
  return std::unexpected(
      Unusable(retained_name(), "is ahead of " + log_name() +
                                    ", which was made anew or restored: delete both, or restore "
                                    "both"));
}

Status NatsStream::WaitUntil(const std::string& name, int64_t deadline_ms,
                             const std::function<bool(const jsStreamState&)>& reached) {
  for (;;) {
    jsErrCode code{};
    jsStreamInfo* raw = nullptr;
    natsStatus status = js_GetStreamInfo(&raw, context_.get(), name.c_str(), nullptr, &code);
    JsStreamInfoHandle info(raw);
    if (status == NATS_OK && reached(info->State)) return {};
    if (nats_Now() > deadline_ms) {
      return Fail(Code::kUnavailable, "the stream " + name + " cannot be read" +
                                          (status == NATS_OK ? "" : ": " + Describe(status, code)));
    }
    Sleep(10);
  }
}

}  // namespace galaxy::push
