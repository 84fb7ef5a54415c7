#include "log_nats/nats_stream.h"

#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

namespace galaxy::push {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr const char* kMessageIdHeader = "Nats-Msg-Id";
constexpr std::string_view kRetainedAnswer = "retained";  // no token
constexpr size_t kPlaceBytes = 16;  // place and time in the log, before what is retained

void PutU64(uint64_t value, char* to) {
  for (int i = 7; i >= 0; --i, value >>= 8) to[i] = static_cast<char>(value & 0xff);
}

uint64_t GetU64(const char* from) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(from[i]);
  return value;
}

// What JetStream answers to a publication: {"stream":"galaxy-log", "seq":8, "duplicate": true}, or
// {"error":{"code":503,"description":"…"},…}.
StreamNews::Answer ParseAnswer(uint64_t token, natsMsg* message) {
  StreamNews::Answer answer{.token = token};
  auto again = [&answer](std::string why) {
    answer.again = true;
    answer.error = Error{Code::kUnavailable, std::move(why), {}};
    return answer;
  };
  if (natsMsg_IsNoResponders(message)) return again("no server leads the stream");
  std::string_view text{natsMsg_GetData(message),
                        static_cast<size_t>(natsMsg_GetDataLength(message))};
  nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return again("JetStream's answer is not JSON");
  if (auto error = json.find("error"); error != json.end()) {
    std::string why = "JetStream: " + error->value("description", std::string("an error"));
    if (error->value("code", 0) >= 500) return again(std::move(why));
    answer.error = Error{Code::kInternal, std::move(why), {}};
    return answer;
  }
  answer.sequence = json.value("seq", uint64_t{0});
  answer.duplicate = json.value("duplicate", false);
  if (answer.sequence == 0) return again("JetStream's answer names no place");
  return answer;
}

}  // namespace

NatsStream::NatsStream(NatsConnection& connection, Options options)
    : connection_(connection), options_(std::move(options)) {}

NatsStream::~NatsStream() {
  closing_ = true;
  if (answers_) {
    natsSubscription_Unsubscribe(answers_.get());
    answers_over_.get_future().wait();
  }
  reader_.reset();
  retained_reader_.reset();
}

template <typename Change>
void NatsStream::AddNews(Change change) {
  std::function<void()> waker;
  {
    std::lock_guard lock(mutex_);
    change();
    if (!std::exchange(have_news_, true)) waker = waker_;
  }
  if (waker) waker();
}

void NatsStream::OnRead(const NatsReader::Message& message) {
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (news_.read.bytes.size() < kUnreadBytesMax || closing_) break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  AddNews([&] {
    if (first_read_ == 0) first_read_ = message.sequence;
    news_.read.Add(message.sequence, message.time_ms, message.bytes);
  });
}

void NatsStream::OnRetainedRead(const NatsReader::Message& message) {
  AddNews([&] {
    retained_read_ = message.sequence;
    ++retained_count_;
    retained_at_ms_ = nats_Now();
    if (message.bytes.size() < kPlaceBytes) return;
    uint64_t sequence = GetU64(message.bytes.data());
    uint64_t time_ms = GetU64(message.bytes.data() + sizeof sequence);
    news_.retained.push_back(sequence);
    if (opening_) retained_.Add(sequence, time_ms, message.bytes.substr(kPlaceBytes));
  });
}

void NatsStream::OnAnswer(natsConnection*, natsSubscription*, natsMsg* raw, void* closure) {
  auto* self = static_cast<NatsStream*>(closure);
  NatsMessageHandle message(raw);
  std::string_view subject = natsMsg_GetSubject(raw);
  uint64_t token = 0;
  const char* end = subject.data() + subject.size();
  if (subject.size() <= self->inbox_.size()) return;
  if (subject.substr(self->inbox_.size()) == kRetainedAnswer) return self->OnRetainedAnswer(raw);
  auto [at, error] = std::from_chars(subject.data() + self->inbox_.size(), end, token);
  if (error != std::errc() || at != end) return;
  StreamNews::Answer answer = ParseAnswer(token, raw);
  if (answer.error) ++self->refused_;
  self->AddNews([&] { self->news_.answers.push_back(std::move(answer)); });
}

void NatsStream::OnAnswersOver(void* self) {
  static_cast<NatsStream*>(self)->answers_over_.set_value();
}

// Where it stands in its own stream: by that the reader finds out when it does not come.
void NatsStream::OnRetainedAnswer(natsMsg* message) {
  retained_reader_->Expect(ParseAnswer(0, message).sequence);
}

void NatsStream::Take(StreamNews& news) {
  std::lock_guard lock(mutex_);
  std::swap(news, news_);
  have_news_ = false;
}

void NatsStream::SetWaker(std::function<void()> waker) {
  std::lock_guard lock(mutex_);
  waker_ = std::move(waker);
  have_news_ = false;  // whoever sets it looks at once
}

// --- the log thread's calls

Status NatsStream::Publish(const Publication& publication) {
  subject_ = options_.prefix;
  subject_ += publication.type == EntryType::kInvalidation ? ".i." : ".e.";
  subject_ += std::to_string(publication.partition);
  reply_ = inbox_;
  reply_ += std::to_string(publication.token);
  id_ = publication.message_id;
  return Put(subject_, reply_, id_, publication.bytes);
}

Status NatsStream::Retain(const StreamMessages::Message& message, unsigned partition,
                          std::string_view bytes) {
  std::string copy(kPlaceBytes, '\0');
  PutU64(message.sequence, copy.data());
  PutU64(message.time_ms, copy.data() + sizeof(uint64_t));
  copy += bytes;
  return Put(options_.prefix + ".r." + std::to_string(partition),
             inbox_ + std::string(kRetainedAnswer),
             std::to_string(message.sequence) + "-" + std::to_string(message.time_ms), copy);
}

Status NatsStream::Put(const std::string& subject, const std::string& reply, const std::string& id,
                       std::string_view bytes) {
  // Else the library keeps it and sends it when nobody may want it any more.
  if (!connection_.connected()) return Fail(Code::kUnavailable, "no NATS server can be reached");
  natsMsg* raw = nullptr;
  natsStatus status = natsMsg_Create(&raw, subject.c_str(), reply.c_str(), bytes.data(),
                                     static_cast<int>(bytes.size()));
  NatsMessageHandle message(raw);
  if (status == NATS_OK) status = natsMsgHeader_Set(raw, kMessageIdHeader, id.c_str());
  if (status == NATS_OK) status = natsConnection_PublishMsg(connection_.get(), raw);
  if (status == NATS_OK) return {};
  return NatsFailure("NATS does not take a message", status);
}

Result<std::optional<StreamMessages>> NatsStream::Read(uint64_t sequence) {
  jsErrCode code{};
  natsMsg* raw = nullptr;
  natsStatus status = js_GetMsg(&raw, context_.get(), log_name().c_str(), sequence, nullptr, &code);
  NatsMessageHandle message(raw);
  if (code == JSNoMessageFoundErr || status == NATS_NOT_FOUND) return std::nullopt;
  if (status != NATS_OK) return NatsFailure("a message of the log cannot be read", status);
  StreamMessages one;
  one.Add(sequence, static_cast<uint64_t>(natsMsg_GetTime(raw) / kNsPerMs),
          {natsMsg_GetData(raw), static_cast<size_t>(natsMsg_GetDataLength(raw))});
  return one;
}

void NatsStream::CollectMetrics(MetricList& out) const {
  MetricPart part("nats", out);
  part.Gauge("connected", "1 while a NATS server is connected.", connection_.connected() ? 1 : 0);
  part.Counter("reconnects_total", "Connections made anew.", connection_.reconnects());
  part.Counter("consumers_anew_total", "Consumers that had to be replaced.",
               reader_->begun_anew() + retained_reader_->begun_anew());
  part.Counter("publications_refused_total", "Publications that JetStream refused.",
               refused_.load());
}

}  // namespace galaxy::push
