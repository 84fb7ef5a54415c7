#include <utility>

#include "client/listener_transport.h"
#include "http/client.h"
#include "http/sse.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

constexpr size_t kProblemBytesMax = 16 * 1024;

// One request and its long answer.
class SseTransport final : public ListenerTransport, ResponseHandler, SseHandler {
 public:
  SseTransport(Loop& loop, bool http2, const Target& target, ListenerTransportHandler& handler)
      : handler_(handler) {
    HttpClientLimits limits;
    limits.connect_timeout_ms = target.timeout_ms;
    if (target.url.tls()) limits.socket.tls = target.tls;
    http_ = http2 ? HttpClient::NewHttp2(loop, target.url.address, limits)
                  : HttpClient::NewHttp1(loop, target.url.address, limits);
    timeout_ = loop.RunAfter(target.timeout_ms, [this] { Lost("no answer in time"); });
    request_ = http_->Start(Head(target), nullptr, *this);
  }

  void PauseReading() override { paused_ = true; }
  void ResumeReading() override {
    paused_ = false;
    request_->Consumed(std::exchange(unread_, 0));
  }

 private:
  static RequestHead Head(const Target& target) {
    RequestHead head;
    head.method = "GET";
    head.path = target.url.path();
    head.query = target.url.query();
    head.scheme = target.url.tls() ? "https" : "http";
    head.authority = target.url.address.ToString();
    // The second: told where to go, not sent there.
    head.headers = {{"accept", std::string(kSseMediaType) + ", application/problem+json"},
                    {"authorization", "Bearer " + target.token}};
    if (!target.cursor.empty()) head.headers.Add("last-event-id", target.cursor);
    return head;
  }

  // --- ResponseHandler
  void OnHead(const ResponseHead& head) override {
    head_ = head;
    timeout_.Cancel();
    if (!over_ && head.status == 200) handler_.OnOpen();
  }
  void OnBody(std::string_view bytes) override {
    if (paused_) {
      unread_ += bytes.size();
    } else {
      request_->Consumed(bytes.size());
    }
    if (over_) return;
    handler_.OnAlive();
    if (head_.status != 200) {
      problem_.append(bytes.substr(0, kProblemBytesMax - problem_.size()));
    } else if (Status fed = parser_.Feed(bytes); !fed) {
      handler_.OnFrame(std::unexpected(fed.error()));
    }
  }
  void OnEnd(const Headers&) override {
    if (head_.status == 200) return Lost("the stream ended");
    End(EndOfRefusal(head_, problem_));
  }
  void OnFailed(const Error& error) override { Lost(error.message); }

  // --- SseHandler
  void OnEvent(std::string_view, std::string_view data, std::string_view) override {
    if (!over_) handler_.OnFrame(ReceivedFrame::Parse(data));
  }
  void OnRetry(uint64_t) override {}

  void Lost(std::string_view why) { End(EndOfClose(1006, why)); }
  void End(const ConnectionEnd& end) {
    if (std::exchange(over_, true)) return;
    timeout_.Cancel();
    handler_.OnEnd(end);
  }

  ListenerTransportHandler& handler_;
  SseParser parser_{*this};
  ResponseHead head_;
  std::string problem_;
  Timer timeout_;
  size_t unread_ = 0;
  bool paused_ = false;
  bool over_ = false;
  std::unique_ptr<HttpClient> http_;
  std::unique_ptr<ClientRequest> request_;  // last: its end stops the callbacks
};

}  // namespace

std::unique_ptr<ListenerTransport> ConnectSse(Loop& loop, bool http2,
                                              const ListenerTransport::Target& target,
                                              ListenerTransportHandler& handler) {
  return std::make_unique<SseTransport>(loop, http2, target, handler);
}

}  // namespace galaxy::push
