#include "sim_publisher.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "http/string_source.h"

namespace galaxy::push::sim {
namespace {

// Longer than any pause that the backend may make before it answers.
constexpr uint64_t kPatienceMs = 20'000;

nlohmann::json ToJson(const EventContent& content) {
  nlohmann::json json = {{"user_id", content.user},
                         {"kind", content.kind},
                         {"payload", nlohmann::json::parse(content.payload)}};
  if (!content.session.empty()) json["device_session_id"] = content.session;
  if (!content.event_id.empty()) json["event_id"] = content.event_id;
  return json;
}

PublishOutcome OutcomeOf(const nlohmann::json& json) {
  PublishOutcome outcome;
  if (json.contains("error")) {
    outcome.refusal = {json["error"].value("code", ""), json["error"].value("field", ""),
                       json["error"].value("message", "")};
    return outcome;
  }
  outcome.cursor = json.value("cursor", "");
  outcome.duplicate = json.value("duplicate", false);
  return outcome;
}

}  // namespace

class HttpPost final : ResponseHandler {
 public:
  HttpPost(SimPublisher& owner, std::vector<size_t> publishes, std::string body)
      : owner_(owner), publishes_(std::move(publishes)), source_(body) {
    Loop& loop = owner.host_.loop();
    client_ = HttpClient::NewHttp1(loop, owner.backend_, {});
    RequestHead head{.method = "POST",
                     .path = "/v1/events",
                     .scheme = "http",
                     .authority = owner.backend_.ToString()};
    head.headers.Add("content-type", "application/json");
    head.headers.Add("content-length", std::to_string(body.size()));
    timeout_ = loop.RunAfter(kPatienceMs, [this] { Unanswered("in time"); });
    request_ = client_->Start(std::move(head), &source_, *this);
  }
  bool done() const { return done_; }

 private:
  void OnHead(const ResponseHead& head) override { status_ = head.status; }
  void OnBody(std::string_view bytes) override {
    body_ += bytes;
    if (request_) request_->Consumed(bytes.size());
  }
  void OnEnd(const Headers&) override {
    if (done_) return;
    auto json = nlohmann::json::parse(body_, nullptr, false);
    if (json.is_discarded()) {
      owner_.oracle_.Violate("2.3", "an answer to a POST is not JSON: " + body_);
      return Unanswered("that can be read");
    }
    timeout_.Cancel();
    done_ = true;
    if (status_ != 200 && !json.contains("error")) {  // a problem: nothing was published
      PublishOutcome outcome;
      outcome.refusal = {json.value("code", "?"), "", json.value("detail", "")};
      for (size_t publish : publishes_) owner_.Take(publish, outcome);
      return;
    }
    if (!json.is_array()) json = nlohmann::json::array({json});
    if (json.size() != publishes_.size())
      return owner_.oracle_.Violate("2.3", "an answer has not one result per entry: " + body_);
    for (size_t i = 0; i < json.size(); ++i) owner_.Take(publishes_[i], OutcomeOf(json[i]));
  }
  void OnFailed(const Error& error) override { Unanswered(error.message); }
  void Unanswered(const std::string& why) {
    if (std::exchange(done_, true)) return;
    timeout_.Cancel();
    owner_.Note("has no answer to a POST: " + why);
  }

  SimPublisher& owner_;
  std::vector<size_t> publishes_;
  StringSource source_;
  std::unique_ptr<HttpClient> client_;
  std::unique_ptr<ClientRequest> request_;
  Timer timeout_;
  int status_ = 0;
  std::string body_;
  bool done_ = false;
};

SimPublisher::SimPublisher(SimNetwork& network, SimNode& host, Address backend, Oracle& oracle,
                           History& history)
    : network_(network),
      host_(host),
      backend_(std::move(backend)),
      oracle_(oracle),
      history_(history) {}

SimPublisher::~SimPublisher() = default;

void SimPublisher::Publish(const EventContent& content) {
  if (!stream_) {
    stream_ended_ = false;
    stream_ = EventPublisher::Start(host_.loop(), backend_, {}, *this);
  }
  size_t publish = oracle_.Publish(now_ms(), content);
  Note("publishes " + content.payload + " to " + content.user + "/" + content.session);
  if (stream_ended_) return;
  EntryView event{.type = EntryType::kEvent,
                  .user_id = content.user,
                  .device_session_id = content.session,
                  .kind = content.kind,
                  .payload = content.payload,
                  .event_id = content.event_id};
  if (!stream_->Publish(event)) return oracle_.Refused(publish, "no_room");
  waiting_.push_back(publish);
  // The stream has no deadline of its own; who waits for too long hangs up.
  if (!watch_.running()) {
    watch_ = host_.loop().RunAfter(kPatienceMs, [this] {
      if (!waiting_.empty()) OnEnd(Fail(Code::kDeadlineExceeded, "no answer in time"));
    });
  }
}

void SimPublisher::PublishHttp(const std::vector<EventContent>& contents) {
  nlohmann::json body = nlohmann::json::array();
  std::vector<size_t> publishes;
  for (const EventContent& content : contents) {
    publishes.push_back(oracle_.Publish(now_ms(), content));
    body.push_back(ToJson(content));
    Note("posts " + content.payload + " to " + content.user + "/" + content.session);
  }
  std::string text = contents.size() == 1 ? body[0].dump() : body.dump();
  posts_.push_back(std::make_unique<HttpPost>(*this, std::move(publishes), std::move(text)));
}

void SimPublisher::Invalidate(const std::string& user, const std::string& session,
                              std::string_view reason) {
  size_t id = oracle_.Invalidate(now_ms(), user, session);
  Note("invalidates " + user + "/" + session);
  PendingInvalidation& pending = invalidations_.emplace_back();
  pending.id = id;
  pending.call =
      ClientInvalidation::Start(host_.loop(), backend_, user, session, reason, kPatienceMs,
                                [this, &pending](Result<std::string> cursor) {
                                  pending.done = true;
                                  if (cursor) {
                                    Note("has invalidation " + *cursor);
                                    return oracle_.InvalidationAcked(now_ms(), pending.id, *cursor);
                                  }
                                  Note("has no invalidation: " + cursor.error().message);
                                  if (cursor.error().code == Code::kResourceExhausted)
                                    oracle_.InvalidationRefused(pending.id);
                                });
}

void SimPublisher::Sweep() {
  if (stream_ended_) stream_.reset();
  std::erase_if(posts_, [](const auto& post) { return post->done(); });
  std::erase_if(invalidations_, [](const auto& pending) { return pending.done; });
}

void SimPublisher::OnOutcome(const PublishOutcome& outcome) {
  if (waiting_.empty()) return oracle_.Violate("2.1", "a PublishStream answers what was not asked");
  size_t publish = waiting_.front();
  waiting_.pop_front();
  watch_.Cancel();
  if (!waiting_.empty()) {
    watch_ = host_.loop().RunAfter(kPatienceMs, [this] {
      if (!waiting_.empty()) OnEnd(Fail(Code::kDeadlineExceeded, "no answer in time"));
    });
  }
  Take(publish, outcome);
}

void SimPublisher::OnEnd(const Status& status) {
  if (std::exchange(stream_ended_, true)) return;
  watch_.Cancel();
  Note("has lost its stream with " + std::to_string(waiting_.size()) +
       " unanswered: " + (status ? "OK" : status.error().message));
  waiting_.clear();
}

void SimPublisher::Take(size_t publish, const PublishOutcome& outcome) {
  if (outcome.refusal) {
    Note("is refused: " + outcome.refusal->code + " " + outcome.refusal->message);
    return oracle_.Refused(publish, outcome.refusal->code);
  }
  Note("has " + outcome.cursor + (outcome.duplicate ? " (duplicate)" : ""));
  oracle_.Acked(now_ms(), publish, outcome.cursor, outcome.duplicate);
}

}  // namespace galaxy::push::sim
