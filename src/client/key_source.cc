#include "client/key_source.h"

#include <utility>

#include "client/url.h"
#include "http/client.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

constexpr size_t kJwksBytesMax = 1 << 20;

class FileKeySource final : public KeySource {
 public:
  FileKeySource(Loop& loop, std::string path) : loop_(loop), path_(std::move(path)) {}
  void Fetch(Done done) override {
    turn_ = loop_.RunAfter(
        0, [this, done = std::move(done)]() mutable { done(PublicKeys::Load(path_)); });
  }

 private:
  Loop& loop_;
  std::string path_;
  Timer turn_;
};

class HttpKeySource final : public KeySource, ResponseHandler {
 public:
  HttpKeySource(Loop& loop, ServerUrl url, uint64_t timeout_ms)
      : loop_(loop), url_(std::move(url)), timeout_ms_(timeout_ms) {}

  void Fetch(Done done) override {
    done_ = std::move(done);
    status_ = 0;
    body_.clear();
    HttpClientLimits limits;
    limits.connect_timeout_ms = timeout_ms_;
    client_ = HttpClient::NewHttp1(loop_, url_.address, limits);
    RequestHead head;
    head.method = "GET";
    head.path = url_.target.substr(0, url_.target.find('?'));
    if (head.path.size() < url_.target.size())
      head.query = url_.target.substr(head.path.size() + 1);
    head.scheme = "http";
    head.authority = url_.address.ToString();
    head.headers.Add("accept", "application/json");
    timeout_ = loop_.RunAfter(timeout_ms_, [this] {
      Finish(Fail(Code::kDeadlineExceeded, "the key set did not come in time"));
    });
    request_ = client_->Start(std::move(head), nullptr, *this);
  }

 private:
  void OnHead(const ResponseHead& head) override { status_ = head.status; }
  void OnBody(std::string_view bytes) override {
    if (body_.size() + bytes.size() > kJwksBytesMax)
      return Finish(Fail(Code::kTooLarge, "the key set is over 1 MiB"));
    body_.append(bytes);
    if (request_) request_->Consumed(bytes.size());
  }
  void OnEnd(const Headers&) override {
    if (status_ != 200)
      return Finish(Fail(Code::kUnavailable,
                         "the key set was answered with HTTP status " + std::to_string(status_)));
    Finish(PublicKeys::Parse(body_));
  }
  void OnFailed(const Error& error) override { Finish(std::unexpected(error)); }

  // Answers after this turn, so that the request can go whoever called us.
  void Finish(Result<PublicKeys::Snapshot> result) {
    if (!done_) return;
    timeout_ = loop_.RunAfter(
        0, [this, done = std::exchange(done_, nullptr), result = std::move(result)]() mutable {
          request_.reset();
          client_.reset();
          done(std::move(result));
        });
  }

  Loop& loop_;
  ServerUrl url_;
  uint64_t timeout_ms_;
  Done done_;
  int status_ = 0;
  std::string body_;
  std::unique_ptr<HttpClient> client_;
  std::unique_ptr<ClientRequest> request_;
  Timer timeout_;
};

}  // namespace

Result<std::unique_ptr<KeySource>> KeySource::Open(Loop& loop, const std::string& place,
                                                   uint64_t timeout_ms) {
  if (place.find("://") == std::string::npos) return std::make_unique<FileKeySource>(loop, place);
  Result<ServerUrl> url = ServerUrl::Parse(place);
  if (!url) return std::unexpected(url.error());
  return std::make_unique<HttpKeySource>(loop, std::move(*url), timeout_ms);
}

}  // namespace galaxy::push
