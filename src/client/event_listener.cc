#include "client/event_listener.h"

#include <algorithm>
#include <utility>

#include "client/backoff.h"
#include "client/listener_transport.h"
#include "client/reconnect.h"
#include "http/text_source.h"
#include "http/url.h"
#include "net/loop.h"
#include "net/tls_files.h"

namespace galaxy::push {
namespace {

// Whoever has not said which servers are trusted trusts those that the system does.
Status NeedTls(ListenerOptions& options) {
  for (auto [source, protocol] :
       {std::pair(&options.tls, "http/1.1"), std::pair(&options.tls_http2, "h2")}) {
    if (*source) continue;
    Result<TlsSource> tls = TlsOfTheSystem({protocol});
    if (!tls) return std::unexpected(tls.error());
    *source = std::move(*tls);
  }
  return {};
}

//   Fetching keys ──▶ Connecting ──▶ Open ──▶ Waiting ──▶ Connecting …
//                                     │ ▲
//                        unknown kid  ▼ │ keys
//                                   Paused
class ListenerImpl final : public EventListener, ListenerTransportHandler {
 public:
  ListenerImpl(Loop& loop, ListenerOptions options, ServerUrl url, std::unique_ptr<TextSource> keys,
               TokenSource token, EventListenerHandler& handler)
      : loop_(loop),
        options_(std::move(options)),
        redirects_(std::move(url)),
        key_source_(std::move(keys)),
        token_source_(std::move(token)),
        handler_(handler),
        session_(options_.plane, options_.cursor, handler),
        backoff_(options_.backoff_min_ms, options_.backoff_max_ms) {}

  const std::string& cursor() const override { return session_.cursor(); }

  void Connect() {
    if (!session_.has_keys()) return FetchKeys();
    Result<std::string> token = token_source_();
    if (!token) return EndFor({Verdict::kNone, 0, token.error().message});
    if (refused_token_ == *token) return EndFor(refusal_);
    token_ = std::move(*token);
    refused_token_.clear();
    const ServerUrl& place = redirects_.place();
    handler_.OnState("connecting", place.address.ToString());
    session_.BeginConnection();
    bool http2 = NeedsHttp2(options_.transport);
    transport_ = ListenerTransport::Connect(loop_, options_.transport,
                                            {.url = place,
                                             .tls = http2 ? options_.tls_http2 : options_.tls,
                                             .token = token_,
                                             .cursor = session_.cursor(),
                                             .timeout_ms = options_.connect_timeout_ms},
                                            *this);
  }

 private:
  using Next = ListenerSession::Next;

  // --- keys
  void FetchKeys() {
    keys_fetched_ms_ = loop_.clock().MonoMs();
    key_source_->Fetch([this](Result<std::string> text) {
      if (ended_) return;
      Result<PublicKeys::Snapshot> keys =
          text ? PublicKeys::Parse(*text) : std::unexpected(text.error());
      if (!keys) return OnNoKeys(keys.error());
      bool first = !session_.has_keys();
      if (!first) paused_ = false;
      Next next = session_.SetKeys(std::move(*keys), loop_.clock().WallMs());
      if (first) return Connect();
      if (transport_) transport_->ResumeReading();
      Follow(next);
    });
  }
  void OnNoKeys(const Error& error) {
    if (paused_) return RefetchKeys();
    uint64_t wait_ms = backoff_.Next();
    handler_.OnState("waiting", "the envelope keys are not to be had: " + error.message);
    retry_ = loop_.RunAfter(wait_ms, [this] { Connect(); });
  }
  void RefetchKeys() {
    paused_ = true;
    uint64_t since = loop_.clock().MonoMs() - keys_fetched_ms_;
    uint64_t wait_ms = since < options_.keys_cooldown_ms ? options_.keys_cooldown_ms - since : 0;
    keys_retry_ = loop_.RunAfter(wait_ms, [this] { FetchKeys(); });
  }

  // --- ListenerTransportHandler
  void OnOpen() override {
    heard_ms_ = loop_.clock().MonoMs();
    WatchSilence();
  }
  void OnAlive() override { heard_ms_ = loop_.clock().MonoMs(); }
  void OnFrame(Result<ReceivedFrame> frame) override {
    if (!transport_) return;  // it was given up within the same read
    bool admitted = session_.welcome().has_value();
    Next next = session_.OnFrame(std::move(frame), loop_.clock().WallMs());
    if (!admitted && session_.welcome()) OnAdmitted();
    Follow(next);
  }
  void OnEnd(const ConnectionEnd& end) override { OnConnectionEnd(end); }

  void Follow(Next next) {
    if (ended_) return;
    switch (next) {
      case Next::kGoOn:
        return;
      case Next::kNeedKeys:
        if (paused_) return;
        if (transport_) transport_->PauseReading();
        handler_.OnState("waiting", "an envelope names a key that is not known yet");
        return RefetchKeys();
      case Next::kEnded:
        return OnConnectionEnd(EndOfBye(*session_.bye()));
      case Next::kFault:
        if (transport_) transport_->Complain();
        return OnConnectionEnd({Verdict::kResume, 1002, session_.fault().message, 0});
    }
  }

  void OnAdmitted() {
    backoff_.Reset();
    redirects_.OnWelcome();
    handler_.OnState("connected", session_.welcome()->resume);
    WatchSilence();  // with the heartbeat that the welcome named
    ScheduleRefresh();
  }

  // A client that hears nothing for two heartbeats reconnects (docs/edge-protocol.md).
  void WatchSilence() {
    uint64_t heartbeat_ms = session_.welcome() ? session_.welcome()->heartbeat_ms : 25'000;
    uint64_t limit_ms = 2 * std::clamp<uint64_t>(heartbeat_ms, 100, 600'000);
    uint64_t silent_ms = loop_.clock().MonoMs() - heard_ms_;
    if (silent_ms >= limit_ms && !paused_)
      return OnConnectionEnd({Verdict::kResume, 1006, "nothing was heard for two heartbeats", 0});
    uint64_t wait_ms = silent_ms < limit_ms ? limit_ms - silent_ms : limit_ms;
    silence_ = loop_.RunAfter(wait_ms, [this] { WatchSilence(); });
  }

  void ScheduleRefresh() {
    uint64_t now_ms = session_.welcome()->now_ms;
    uint64_t expires_ms = session_.token_expires_ms();
    if (expires_ms <= now_ms) return;
    uint64_t wait_ms = (expires_ms - now_ms) / 5 * 4;
    refresh_ = loop_.RunAfter(wait_ms, [this] {
      Result<std::string> token = token_source_();
      if (!token || *token == token_ || !transport_) return;
      if (!transport_->Refresh(*token)) return Renew();
      token_ = std::move(*token);
    });
  }

  // Where a token cannot be sent after the first one, a new connection brings it.
  void Renew() {
    Drop();
    Connect();
  }

  // --- ends
  void OnConnectionEnd(const ConnectionEnd& end) {
    if (ended_ || !transport_) return;
    Drop();
    if (redirects_.OnEnd(end)) return Move(end);
    if (end.verdict == Verdict::kNever) return EndFor({end.verdict, end.code, end.reason});
    uint64_t wait_ms = WaitFor(end);
    if (end.verdict == Verdict::kReauthenticate) {
      refused_token_ = token_;
      refusal_ = {end.verdict, end.code, end.reason};
      wait_ms = 0;
    }
    handler_.OnState("waiting", std::to_string(wait_ms) + " ms, after code " +
                                    std::to_string(end.code) + " " + end.reason);
    retry_ = loop_.RunAfter(wait_ms, [this] { Connect(); });
  }
  // To another gateway, which serves this user. Over TLS also when our own URL is not.
  void Move(const ConnectionEnd& end) {
    if (redirects_.place().tls()) {
      if (Status ok = NeedTls(options_); !ok)
        return EndFor({Verdict::kNone, 0, ok.error().message});
    }
    handler_.OnState("redirected", end.redirect);
    retry_ = loop_.RunAfter(0, [this] { Connect(); });
  }
  uint64_t WaitFor(const ConnectionEnd& end) {
    uint64_t jitter_ms = backoff_.Next();
    return end.retry_after_ms + jitter_ms;
  }
  // The transport may be on the call stack: it goes at the end of the turn.
  void Drop() {
    silence_.Cancel();
    refresh_.Cancel();
    keys_retry_.Cancel();
    paused_ = false;
    loop_.Defer([dead = std::move(transport_)] {});
  }
  void EndFor(const ListenerEnd& end) {
    ended_ = true;
    handler_.OnEnded(end);
  }

  Loop& loop_;
  ListenerOptions options_;
  Redirects redirects_;
  std::unique_ptr<TextSource> key_source_;
  TokenSource token_source_;
  EventListenerHandler& handler_;
  ListenerSession session_;
  ClientBackoff backoff_;
  std::unique_ptr<ListenerTransport> transport_;

  std::string token_;
  std::string refused_token_;
  ListenerEnd refusal_;
  uint64_t heard_ms_ = 0;
  uint64_t keys_fetched_ms_ = 0;
  bool paused_ = false;
  bool ended_ = false;
  Timer retry_;
  Timer keys_retry_;
  Timer silence_;
  Timer refresh_;
};

}  // namespace

Result<std::unique_ptr<EventListener>> EventListener::Start(Loop& loop, ListenerOptions options,
                                                            TokenSource token,
                                                            EventListenerHandler& handler) {
  Result<ServerUrl> url = ServerUrl::Parse(options.url);
  if (!url) return std::unexpected(url.error());
  if (url->path() == "/") url->target.replace(0, 1, "/v1/events");
  if (url->tls()) {
    if (Status ok = NeedTls(options); !ok) return std::unexpected(ok.error());
  }
  std::string place = options.jwks;
  if (place.empty())
    place =
        (url->tls() ? "https://" : "http://") + url->address.ToString() + "/.well-known/jwks.json";
  Result<std::unique_ptr<TextSource>> keys =
      TextSource::Open(loop, place, {.timeout_ms = options.connect_timeout_ms, .tls = options.tls});
  if (!keys) return std::unexpected(keys.error());
  auto listener = std::make_unique<ListenerImpl>(loop, std::move(options), std::move(*url),
                                                 std::move(*keys), std::move(token), handler);
  listener->Connect();
  return listener;
}

}  // namespace galaxy::push
