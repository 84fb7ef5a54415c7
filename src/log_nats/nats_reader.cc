#include "log_nats/nats_reader.h"

#include <chrono>

namespace galaxy::push {
namespace {

constexpr int64_t kLookMs = 100;  // how long it waits for a message before it looks around
constexpr int64_t kPauseMs = 100;
constexpr int64_t kHeartbeatNs = 1'000'000'000;
constexpr int64_t kNsPerMs = 1'000'000;

using MetaDataHandle = NatsHandle<jsMsgMetaData, jsMsgMetaData_Destroy>;

}  // namespace

NatsReader::NatsReader(const NatsConnection& connection, std::string stream, std::string subject,
                       uint64_t first, OnMessage on_message)
    : connection_(connection),
      stream_(std::move(stream)),
      subject_(std::move(subject)),
      on_message_(std::move(on_message)),
      next_(first),
      thread_([this] { Run(); }) {}

NatsReader::~NatsReader() { Stop(); }

void NatsReader::Stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void NatsReader::Expect(uint64_t sequence) {
  uint64_t known = expected_.load();
  while (known < sequence && !expected_.compare_exchange_weak(known, sequence)) {
  }
}

std::string NatsReader::Describe() const {
  std::string text = "read up to " + std::to_string(newest_.load()) + " of " +
                     std::to_string(expected_.load()) + " by " + std::to_string(consumers_.load()) +
                     " consumers";
  auto failure = static_cast<natsStatus>(failure_.load());
  if (failure == NATS_OK) return text;
  return text + ", the last try for one: " + natsStatus_GetText(failure) + ", JetStream error " +
         std::to_string(failure_code_.load());
}

void NatsReader::Run() {
  while (!stopping_) {
    if (!Subscribe()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(kPauseMs));
      continue;
    }
    ReadOn();
    subscription_.reset();
  }
  context_.reset();
}

bool NatsReader::Subscribe() {
  jsOptions wait;
  jsOptions_Init(&wait);
  wait.Wait = kOverdueMs;
  jsCtx* context = nullptr;
  if (!connection_.connected()) return false;
  if (!context_ && natsConnection_JetStream(&context, connection_.get(), &wait) != NATS_OK) {
    return false;
  }
  if (context != nullptr) context_.reset(context);
  reconnects_ = connection_.reconnects();
  jsSubOptions options;
  jsSubOptions_Init(&options);
  options.Stream = stream_.c_str();
  options.Ordered = true;
  options.Config.DeliverPolicy = js_DeliverByStartSequence;
  options.Config.OptStartSeq = next_;
  options.Config.Heartbeat = kHeartbeatNs;
  natsSubscription* subscription = nullptr;
  jsErrCode code{};
  natsStatus made =
      js_SubscribeSync(&subscription, context_.get(), subject_.c_str(), &wait, &options, &code);
  failure_ = made;
  failure_code_ = code;
  if (made != NATS_OK) return false;
  subscription_.reset(subscription);
  // The server's flow control bounds what waits.
  natsSubscription_SetPendingLimits(subscription, -1, -1);
  moved_ms_ = nats_Now();
  ++consumers_;
  return true;
}

void NatsReader::ReadOn() {
  while (!stopping_) {
    natsMsg* raw = nullptr;
    natsStatus status = natsSubscription_NextMsg(&raw, subscription_.get(), kLookMs);
    NatsMessageHandle message(raw);
    if (status == NATS_OK) {
      Take(raw);
      continue;
    }
    if (status != NATS_TIMEOUT || Overdue()) return;
  }
}

void NatsReader::Take(natsMsg* message) {
  jsMsgMetaData* raw = nullptr;
  if (natsMsg_GetMetaData(&raw, message) != NATS_OK) return;
  MetaDataHandle metadata(raw);
  uint64_t sequence = metadata->Sequence.Stream;
  if (sequence < next_) return;
  next_ = sequence + 1;
  newest_ = sequence;
  moved_ms_ = nats_Now();
  on_message_({sequence,
               static_cast<uint64_t>(metadata->Timestamp / kNsPerMs),
               {natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message))}});
}

bool NatsReader::Overdue() {
  if (connection_.reconnects() != reconnects_) return true;
  int64_t now_ms = nats_Now();
  if (expected_.load() < next_) moved_ms_ = now_ms;
  return now_ms - moved_ms_ > kOverdueMs;
}

}  // namespace galaxy::push
