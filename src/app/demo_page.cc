#include "app/demo_page.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "app/embedded_files.h"
#include "base/ids.h"
#include "http/problem.h"
#include "http/text.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

using Json = nlohmann::json;

constexpr size_t kBodyBytesMax = 1 << 20;
constexpr std::array kKinds = {"game.turn.ready", "game.fleet.arrived", "game.battle.report",
                               "game.chat.message"};

std::string_view MediaTypeOf(std::string_view path) {
  constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".json", "application/json"},
  };
  for (auto [suffix, type] : kTypes) {
    if (path.ends_with(suffix)) return type;
  }
  return "application/octet-stream";
}

// The host of an authority, which must name loopback and our port: what a browser sends after a
// foreign name was rebound to this address does not.
bool IsOurAuthority(std::string_view authority, uint16_t port) {
  for (std::string_view host : {"127.0.0.1", "localhost", "[::1]"}) {
    if (authority == std::string(host) + ":" + std::to_string(port)) return true;
  }
  return false;
}

// Collects a body and hands it on.
class BodyCollector final : public ExchangeHandler {
 public:
  using Done = std::function<void(std::shared_ptr<Exchange>, std::string)>;
  BodyCollector(Exchange& exchange, Done done) : exchange_(exchange), done_(std::move(done)) {}
  void OnBody(std::string_view bytes) override {
    if (body_.size() + bytes.size() > kBodyBytesMax)
      return RespondProblem(exchange_, {Code::kTooLarge, "a body is at most 1 MiB here", {}});
    body_.append(bytes);
    exchange_.Consumed(bytes.size());
  }
  void OnBodyEnd() override {
    // Answering may destroy this handler.
    Done done = std::move(done_);
    done(exchange_.shared_from_this(), std::move(body_));
  }
  void OnAborted(const Error&) override {}

 private:
  Exchange& exchange_;
  Done done_;
  std::string body_;
};

}  // namespace

std::string MintDemoToken(const TokenKey& key, std::string_view session, uint64_t now_ms) {
  return MintToken({.issuer = std::string(kDemoIssuer),
                    .audience = std::string(kDemoAudience),
                    .user_id = std::string(kDemoUser),
                    .session_id = std::string(session),
                    .issued_s = now_ms / 1000,
                    .expires_s = now_ms / 1000 + 3600,
                    .auth_time_s = now_ms / 1000},
                   key);
}

// One request that was passed on to the backend.
class DemoPage::Upstream final : public ResponseHandler, BodySource {
 public:
  Upstream(DemoPage& page, std::shared_ptr<Exchange> exchange, std::string body)
      : page_(page), exchange_(std::move(exchange)), body_(Slice::Own(std::move(body))) {}

  void Start(HttpClient& client, RequestHead head) {
    head.headers.Add("content-length", std::to_string(body_.size()));
    request_ = client.Start(std::move(head), this, *this);
  }

 private:
  State Pull(size_t bytes_max, SliceList& out) override {
    size_t take = std::min(bytes_max, body_.size() - sent_);
    if (take > 0) out.push_back(body_.Sub(sent_, take));
    sent_ += take;
    return sent_ == body_.size() ? State::kEnd : State::kMore;
  }
  void OnHead(const ResponseHead& head) override { status_ = head.status; }
  void OnBody(std::string_view bytes) override {
    answer_.append(bytes);
    if (request_) request_->Consumed(bytes.size());
  }
  void OnEnd(const Headers&) override {
    if (exchange_->open()) page_.RespondJson(*exchange_, status_, std::move(answer_));
    Leave();
  }
  void OnFailed(const Error& error) override {
    if (exchange_->open())
      RespondProblem(*exchange_, {Code::kUnavailable, "the backend: " + error.message, {}});
    Leave();
  }
  // We are within the request's callback: it goes at the end of the turn.
  void Leave() {
    auto self = std::ranges::find_if(page_.upstreams_, [&](auto& u) { return u.get() == this; });
    if (self == page_.upstreams_.end()) return;
    page_.loop_.Defer([held = *self] {});
    page_.upstreams_.erase(self);
  }

  DemoPage& page_;
  std::shared_ptr<Exchange> exchange_;
  Slice body_;
  size_t sent_ = 0;
  int status_ = 0;
  std::string answer_;
  std::unique_ptr<ClientRequest> request_;
};

DemoPage::DemoPage(Loop& loop, TokenKey key) : loop_(loop), key_(std::move(key)) {
  for (const DemoDevice& device : kDemoDevices) sessions_.emplace(device.session);
}
DemoPage::~DemoPage() = default;

void DemoPage::SetAddresses(const Address& page, const Address& backend, const Address& gateway) {
  page_ = page;
  backend_ = backend;
  gateway_ = gateway.ToString();
  policy_ =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' "
      "http://" +
      gateway_ + " ws://" + gateway_ +
      "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
  backend_client_ = HttpClient::NewHttp1(loop_, backend, {});
}

Headers DemoPage::SafeHeaders() const {
  return {{"content-security-policy", policy_},
          {"x-content-type-options", "nosniff"},
          {"referrer-policy", "no-referrer"},
          {"cross-origin-resource-policy", "same-origin"}};
}

Status DemoPage::CheckCaller(const RequestHead& request) const {
  if (!IsOurAuthority(request.authority, page_.port))
    return Fail(Code::kPermissionDenied, "this page is for loopback only", "host");
  std::optional<std::string_view> origin = request.headers.Get("origin");
  bool ours =
      !origin || (origin->starts_with("http://") && IsOurAuthority(origin->substr(7), page_.port));
  if (!ours) return Fail(Code::kPermissionDenied, "the request comes from another page", "origin");
  return {};
}

void DemoPage::OnRequest(Exchange& exchange) {
  const RequestHead& request = exchange.request();
  if (Status ok = CheckCaller(request); !ok) return RespondProblem(exchange, ok.error());
  bool token = request.path == "/demo/token";
  bool events = request.path == "/demo/events";
  bool invalidations = request.path == "/demo/invalidations";
  if (!token && !events && !invalidations) {
    if (request.method != "GET" && request.method != "HEAD")
      return RespondProblem(exchange, {Code::kMethodNotAllowed, "only GET and HEAD are here", {}});
    return request.path == "/demo/config.json" ? RespondConfig(exchange) : RespondFile(exchange);
  }
  if (request.method != "POST")
    return RespondProblem(exchange, {Code::kMethodNotAllowed, "only POST is here", {}});
  // A form of another page cannot have this type: what reaches us without an Origin is no page.
  if (MediaType(request.headers.Get("content-type").value_or("")) != "application/json")
    return RespondProblem(exchange,
                          {Code::kUnsupportedMediaType, "send application/json", "content-type"});
  exchange.SetHandler(std::make_unique<BodyCollector>(
      exchange, [this, token, events](std::shared_ptr<Exchange> held, std::string body) {
        if (token) return AnswerToken(*held, body);
        Forward(held, events ? "/v1/events" : "/v1/invalidations", std::move(body));
      }));
}

void DemoPage::AnswerToken(Exchange& exchange, std::string_view body) {
  Json request = Json::parse(body, nullptr, false);
  bool good = request.is_object() && request.contains("session") && request["session"].is_string();
  if (!good) return RespondProblem(exchange, {Code::kInvalidArgument, "name a session", "session"});
  std::string session = request["session"];
  Json answer = Json::object();
  if (session == "new") {
    if (sessions_.size() >= kSessionsMax)
      return RespondProblem(exchange, {Code::kResourceExhausted, "too many sign-ins", {}});
    session = NewUuidV7(loop_.clock().WallMs());
    sessions_.insert(session);
    answer["session"] = session;
  } else if (!sessions_.contains(session)) {
    return RespondProblem(exchange, {Code::kNotFound, "there is no such session", "session"});
  }
  answer["token"] = MintDemoToken(key_, session, loop_.clock().WallMs());
  RespondJson(exchange, 200, answer.dump());
}

void DemoPage::Forward(std::shared_ptr<Exchange> exchange, std::string path, std::string body) {
  RequestHead head;
  head.method = "POST";
  head.path = std::move(path);
  head.scheme = "http";
  head.authority = backend_.ToString();
  head.headers.Add("content-type", "application/json");
  auto upstream = std::make_shared<Upstream>(*this, std::move(exchange), std::move(body));
  upstreams_.insert(upstream);
  upstream->Start(*backend_client_, std::move(head));
}

void DemoPage::RespondConfig(Exchange& exchange) const {
  Json devices = Json::array();
  for (const DemoDevice& device : kDemoDevices)
    devices.push_back({{"session", device.session}, {"name", device.name}});
  Json config = {{"gateway", "http://" + gateway_},
                 {"plane", kDemoPlane},
                 {"user", kDemoUser},
                 {"devices", std::move(devices)},
                 {"kinds", kKinds}};
  RespondJson(exchange, 200, config.dump());
}

void DemoPage::RespondJson(Exchange& exchange, int status, std::string body) const {
  Headers headers = SafeHeaders();
  headers.Add("content-type", status < 400 ? "application/json" : "application/problem+json");
  headers.Add("cache-control", "no-store");
  exchange.Respond({status, std::move(headers)}, std::move(body));
}

void DemoPage::RespondFile(Exchange& exchange) const {
  std::string_view path = exchange.request().path;
  if (path == "/") path = "/index.html";
  auto files = EmbeddedFiles();
  auto file = std::ranges::find(files, path, &EmbeddedFile::path);
  if (file == files.end())
    return RespondProblem(exchange, {Code::kNotFound, "there is no such page", {}});
  Headers headers = SafeHeaders();
  headers.Add("content-type", std::string(MediaTypeOf(path)));
  // Asked again each time, answered with 304 while nothing changed.
  headers.Add("cache-control", "no-cache");
  headers.Add("etag", std::string(file->etag));
  if (exchange.request().headers.Get("if-none-match") == file->etag)
    return exchange.Respond({304, std::move(headers)}, {});
  exchange.Respond({200, std::move(headers)}, std::string(file->bytes));
}

}  // namespace galaxy::push
