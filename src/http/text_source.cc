#include "http/text_source.h"

#include <utility>

#include "base/file.h"
#include "http/client.h"
#include "http/url.h"
#include "net/loop.h"
#include "net/tls_files.h"

namespace galaxy::push {
namespace {

class FileSource final : public TextSource {
 public:
  FileSource(Loop& loop, std::string path, size_t bytes_max)
      : loop_(loop), path_(std::move(path)), bytes_max_(bytes_max) {}
  void Fetch(Done done) override {
    turn_ = loop_.RunAfter(
        0, [this, done = std::move(done)]() mutable { done(ReadFile(path_, bytes_max_)); });
  }

 private:
  Loop& loop_;
  const std::string path_;
  const size_t bytes_max_;
  Timer turn_;
};

class UrlSource final : public TextSource, ResponseHandler {
 public:
  UrlSource(Loop& loop, std::string place, ServerUrl url, Options options)
      : loop_(loop), place_(std::move(place)), url_(std::move(url)), options_(std::move(options)) {}

  void Fetch(Done done) override {
    done_ = std::move(done);
    status_ = 0;
    body_.clear();
    HttpClientLimits limits;
    limits.connect_timeout_ms = options_.timeout_ms;
    limits.socket.tls = options_.tls;
    client_ = HttpClient::NewHttp1(loop_, url_.address, limits);
    RequestHead head{.method = "GET",
                     .path = url_.path(),
                     .query = url_.query(),
                     .scheme = url_.scheme,
                     .authority = url_.address.ToString()};
    head.headers.Add("accept", "application/json");
    timeout_ = loop_.RunAfter(options_.timeout_ms, [this] {
      Finish(Fail(Code::kDeadlineExceeded, place_ + ": no answer in time"));
    });
    request_ = client_->Start(std::move(head), nullptr, *this);
  }

 private:
  void OnHead(const ResponseHead& head) override { status_ = head.status; }
  void OnBody(std::string_view bytes) override {
    if (body_.size() + bytes.size() > options_.bytes_max)
      return Finish(Fail(Code::kTooLarge, place_ + ": over the limit of " +
                                              std::to_string(options_.bytes_max) + " bytes"));
    body_.append(bytes);
    if (request_) request_->Consumed(bytes.size());
  }
  void OnEnd(const Headers&) override {
    if (status_ != 200)
      return Finish(Fail(Code::kUnavailable,
                         place_ + ": answered with HTTP status " + std::to_string(status_)));
    Finish(std::move(body_));
  }
  void OnFailed(const Error& error) override {
    Finish(Fail(error.code, place_ + ": " + error.message));
  }

  // Answers after this turn, so that the request can go whoever called us.
  void Finish(Result<std::string> result) {
    if (!done_) return;
    timeout_ = loop_.RunAfter(
        0, [this, done = std::exchange(done_, nullptr), result = std::move(result)]() mutable {
          request_.reset();
          client_.reset();
          done(std::move(result));
        });
  }

  Loop& loop_;
  const std::string place_;
  const ServerUrl url_;
  const Options options_;
  Done done_;
  int status_ = 0;
  std::string body_;
  std::unique_ptr<HttpClient> client_;
  std::unique_ptr<ClientRequest> request_;
  Timer timeout_;
};

}  // namespace

bool IsUrl(const std::string& place) { return place.find("://") != std::string::npos; }

Result<std::unique_ptr<TextSource>> TextSource::Open(Loop& loop, const std::string& place,
                                                     Options options) {
  if (!IsUrl(place)) return std::make_unique<FileSource>(loop, place, options.bytes_max);
  Result<ServerUrl> url = ServerUrl::Parse(place);
  if (!url) return std::unexpected(url.error());
  if (url->scheme != "http" && url->scheme != "https") {
    return Fail(Code::kInvalidArgument, place + " is not a http:// or https:// URL", "url");
  }
  if (!url->tls()) {
    options.tls = nullptr;
  } else if (!options.tls) {
    Result<TlsSource> tls = TlsOfTheSystem({"http/1.1"});
    if (!tls) return std::unexpected(tls.error());
    options.tls = std::move(*tls);
  }
  return std::make_unique<UrlSource>(loop, place, std::move(*url), std::move(options));
}

}  // namespace galaxy::push
