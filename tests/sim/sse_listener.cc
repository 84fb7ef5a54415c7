#include "sse_listener.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "client/backoff.h"
#include "client/reconnect.h"
#include "http/client.h"
#include "http/sse.h"
#include "http/text_source.h"
#include "http/url.h"
#include "net/loop.h"

namespace galaxy::push::sim {
namespace {

constexpr uint64_t kSessionRevoked = 4503;

// One request; what it was part of goes with it.
struct Stream final : ResponseHandler, SseHandler {
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnFrame(std::string_view text) = 0;
    virtual void OnStreamEnd(const ConnectionEnd& end) = 0;
  };
  explicit Stream(Owner& the_owner) : owner(&the_owner) {}

  void OnHead(const ResponseHead& got) override { head = got; }
  void OnBody(std::string_view bytes) override {
    if (owner == nullptr) return;
    if (head.status != 200) {
      problem += bytes;
    } else if (Status fed = parser.Feed(bytes); !fed) {
      return End({Verdict::kResume, 1002, fed.error().message, 0});
    }
    if (request) request->Consumed(bytes.size());
  }
  void OnEnd(const Headers&) override {
    if (head.status == 200) return End({Verdict::kResume, 1006, "the stream ended", 0});
    ConnectionEnd end = EndOfRefusal(head);
    auto json = nlohmann::json::parse(problem, nullptr, false);
    if (json.is_object() && json.value("code", "") == "session_revoked")
      end = {Verdict::kNever, kSessionRevoked, json.value("detail", ""), 0};
    End(end);
  }
  void OnFailed(const Error& error) override { End({Verdict::kResume, 1006, error.message, 0}); }
  void OnEvent(std::string_view, std::string_view data, std::string_view) override {
    if (owner != nullptr) owner->OnFrame(data);
  }
  void OnRetry(uint64_t) override {}
  void End(const ConnectionEnd& end) {
    if (Owner* told = std::exchange(owner, nullptr)) told->OnStreamEnd(end);
  }

  Owner* owner;  // null: over
  ResponseHead head;
  std::string problem;
  SseParser parser{*this};
  std::unique_ptr<HttpClient> client;
  std::unique_ptr<ClientRequest> request;
};

class SseListener final : public EventListener, public Stream::Owner {
 public:
  SseListener(Loop& loop, SseTransport transport, ListenerOptions options, ServerUrl url,
              std::unique_ptr<TextSource> keys, TokenSource token, EventListenerHandler& handler)
      : loop_(loop),
        transport_(transport),
        options_(std::move(options)),
        url_(std::move(url)),
        key_source_(std::move(keys)),
        token_source_(std::move(token)),
        handler_(handler),
        session_(options_.plane, options_.cursor, handler),
        backoff_(options_.backoff_min_ms, options_.backoff_max_ms) {}

  const std::string& cursor() const override { return session_.cursor(); }

  void Connect() {
    if (!session_.has_keys()) return FetchKeys();
    Result<std::string> token = token_source_();
    if (!token) return;
    handler_.OnState("connecting", "by SSE to " + url_.address.ToString());
    session_.BeginConnection();
    stream_ = std::make_unique<Stream>(*this);
    HttpClientLimits limits;
    limits.connect_timeout_ms = options_.connect_timeout_ms;
    stream_->client = transport_ == SseTransport::kHttp1
                          ? HttpClient::NewHttp1(loop_, url_.address, limits)
                          : HttpClient::NewHttp2(loop_, url_.address, limits);
    RequestHead head{.method = "GET",
                     .path = "/v1/events",
                     .scheme = "http",
                     .authority = url_.address.ToString()};
    head.headers.Add("accept", std::string(kSseMediaType));
    head.headers.Add("authorization", "Bearer " + *token);
    if (!session_.cursor().empty()) head.headers.Add("last-event-id", session_.cursor());
    stream_->request = stream_->client->Start(std::move(head), nullptr, *stream_);
    heard_ms_ = loop_.clock().MonoMs();
    WatchSilence();
  }

 private:
  void FetchKeys() {
    key_source_->Fetch([this](Result<std::string> text) {
      Result<PublicKeys::Snapshot> keys =
          text ? PublicKeys::Parse(*text) : std::unexpected(text.error());
      if (!keys) {
        handler_.OnState("waiting", "for keys: " + keys.error().message);
        retry_ = loop_.RunAfter(backoff_.Next(), [this] { Connect(); });
        return;
      }
      (void)session_.SetKeys(std::move(*keys), loop_.clock().WallMs());
      Connect();
    });
  }

  void OnFrame(std::string_view text) override {
    heard_ms_ = loop_.clock().MonoMs();
    bool admitted = session_.welcome().has_value();
    ListenerSession::Next next = session_.OnFrame(text, loop_.clock().WallMs());
    if (!admitted && session_.welcome()) backoff_.Reset();
    if (next == ListenerSession::Next::kEnded) return stream_->End(EndOfBye(*session_.bye()));
    if (next == ListenerSession::Next::kGoOn) return;
    stream_->End({Verdict::kResume, 1002, session_.fault().message, 0});
  }

  void WatchSilence() {
    uint64_t heartbeat_ms = session_.welcome() ? session_.welcome()->heartbeat_ms : 2'500;
    silence_ = loop_.RunAfter(std::max<uint64_t>(100, heartbeat_ms / 4), [this, heartbeat_ms] {
      if (loop_.clock().MonoMs() < heard_ms_ + 2 * heartbeat_ms) return WatchSilence();
      stream_->End({Verdict::kResume, 1006, "nothing was heard for two heartbeats", 0});
    });
  }

  void OnStreamEnd(const ConnectionEnd& end) override {
    silence_.Cancel();
    loop_.Defer([dead = std::move(stream_)] {});  // it is on the call stack
    if (end.code == kSessionRevoked || end.verdict == Verdict::kNever)
      return handler_.OnEnded({end.verdict, end.code, end.reason});
    uint64_t wait_ms = end.retry_after_ms + backoff_.Next();
    handler_.OnState("waiting", std::to_string(wait_ms) + " ms, after code " +
                                    std::to_string(end.code) + " " + end.reason);
    retry_ = loop_.RunAfter(wait_ms, [this] { Connect(); });
  }

  Loop& loop_;
  const SseTransport transport_;
  const ListenerOptions options_;
  const ServerUrl url_;
  std::unique_ptr<TextSource> key_source_;
  TokenSource token_source_;
  EventListenerHandler& handler_;
  ListenerSession session_;
  ClientBackoff backoff_;
  std::unique_ptr<Stream> stream_;
  uint64_t heard_ms_ = 0;
  Timer retry_;
  Timer silence_;
};

}  // namespace

Result<std::unique_ptr<EventListener>> StartSseListener(Loop& loop, SseTransport transport,
                                                        ListenerOptions options, TokenSource token,
                                                        EventListenerHandler& handler) {
  Result<ServerUrl> url = ServerUrl::Parse(options.url);
  if (!url) return std::unexpected(url.error());
  auto keys = TextSource::Open(loop, "http://" + url->address.ToString() + "/.well-known/jwks.json",
                               {.timeout_ms = 2'000});
  if (!keys) return std::unexpected(keys.error());
  auto listener =
      std::make_unique<SseListener>(loop, transport, std::move(options), std::move(*url),
                                    std::move(*keys), std::move(token), handler);
  listener->Connect();
  return listener;
}

}  // namespace galaxy::push::sim
