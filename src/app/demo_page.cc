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

// The member `session` of a body, when it is a text.
std::optional<std::string> SessionIn(std::string_view body) {
  Json request = Json::parse(body, nullptr, false);
  bool good = request.is_object() && request.contains("session") && request["session"].is_string();
  return good ? std::optional(request["session"].get<std::string>()) : std::nullopt;
}

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

DemoPage::DemoPage(Loop& loop, TokenKey key, Tell tell)
    : loop_(loop), key_(std::move(key)), tell_(std::move(tell)) {
  for (const DemoDevice& device : kDemoDevices) sessions_.emplace(device.session);
}
DemoPage::~DemoPage() = default;

void DemoPage::SetPlane(DemoPlane plane) {
  plane_ = std::move(plane);
  std::string gateway = plane_.gateway.ToString();
  std::string web_socket = plane_.anybody ? "wss" : "ws";
  policy_ =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "
      "'self' " +
      Scheme() + "://" + gateway + " " + web_socket + "://" + gateway +
      "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
  HttpClientLimits limits;
  limits.socket.tls = plane_.producer;
  backend_client_ = HttpClient::NewHttp1(loop_, plane_.backend, limits);
}

template <typename Map>
void DemoPage::Leave(Map& running, uint64_t id) {
  auto self = running.extract(id);
  if (self) loop_.Defer([held = std::move(self.mapped())] {});
}

Headers DemoPage::SafeHeaders() const {
  return {{"content-security-policy", policy_},
          {"x-content-type-options", "nosniff"},
          {"referrer-policy", "no-referrer"},
          {"cross-origin-resource-policy", "same-origin"}};
}

Status DemoPage::CheckCaller(const RequestHead& request) const {
  if (!IsOurAuthority(request.authority, plane_.page.port))
    return Fail(Code::kPermissionDenied, "this page is for loopback only", "host");
  std::optional<std::string_view> origin = request.headers.Get("origin");
  std::string scheme = Scheme() + "://";
  bool ours = !origin || (origin->starts_with(scheme) &&
                          IsOurAuthority(origin->substr(scheme.size()), plane_.page.port));
  if (!ours) return Fail(Code::kPermissionDenied, "the request comes from another page", "origin");
  return {};
}

DemoPage::Answer DemoPage::AnswerAt(std::string_view path) {
  if (path == "/demo/token") return &DemoPage::AnswerToken;
  if (path == "/demo/events") return &DemoPage::AnswerEvents;
  if (path == "/demo/invalidations") return &DemoPage::AnswerInvalidations;
  if (path == "/demo/logouts") return &DemoPage::AnswerLogouts;
  return nullptr;
}

void DemoPage::OnRequest(Exchange& exchange) {
  const RequestHead& request = exchange.request();
  if (Status ok = CheckCaller(request); !ok) return RespondProblem(exchange, ok.error());
  Answer answer = AnswerAt(request.path);
  if (answer == nullptr) {
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
      exchange, [this, answer](const std::shared_ptr<Exchange>& held, const std::string& body) {
        (this->*answer)(held, body);
      }));
}

void DemoPage::AnswerToken(const std::shared_ptr<Exchange>& held, const std::string& body) {
  Exchange& exchange = *held;
  std::optional<std::string> named = SessionIn(body);
  if (!named)
    return RespondProblem(exchange, {Code::kInvalidArgument, "name a session", "session"});
  std::string session = std::move(*named);
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

void DemoPage::AnswerEvents(const std::shared_ptr<Exchange>& exchange, const std::string& body) {
  Forward(exchange, "/v1/events", body);
}

void DemoPage::AnswerInvalidations(const std::shared_ptr<Exchange>& exchange,
                                   const std::string& body) {
  Forward(exchange, "/v1/invalidations", body);
}

void DemoPage::Forward(const std::shared_ptr<Exchange>& exchange, std::string path,
                       std::string body) {
  uint64_t id = next_id_++;
  auto answer = [this, id, exchange](Result<DemoCall::Answer> given) {
    Leave(calls_, id);
    if (!exchange->open()) return;
    if (given) return RespondJson(*exchange, given->status, std::move(given->body));
    RespondProblem(*exchange, {Code::kUnavailable, "the backend: " + given.error().message, {}});
  };
  calls_[id] =
      std::make_shared<DemoCall>(*backend_client_, plane_.backend.ToString(), std::move(path),
                                 "application/json", std::move(body), std::move(answer));
}

// Without a session, or with an empty one: every session of the user.
void DemoPage::AnswerLogouts(const std::shared_ptr<Exchange>& exchange, const std::string& body) {
  std::optional<std::string> session = SessionIn(body);
  if (!session)
    return RespondProblem(*exchange,
                          {Code::kInvalidArgument, "name a session, or none: \"\"", "session"});
  if (!session->empty() && !sessions_.contains(*session))
    return RespondProblem(*exchange, {Code::kNotFound, "there is no such session", "session"});
  if (logouts_.size() >= kLogoutsMax)
    return RespondProblem(*exchange, {Code::kResourceExhausted, "too many at once", {}});
  uint64_t id = next_id_++;
  auto done = [this, id, exchange](Result<DemoLogout::Outcome> outcome) {
    Leave(logouts_, id);
    OnLogout(*exchange, std::move(outcome));
  };
  DemoLogout::Plane plane{plane_.backend, plane_.gateway, plane_.anybody};
  logouts_[id] = std::make_shared<DemoLogout>(loop_, std::move(plane), key_, std::move(*session),
                                              std::move(done));
  logouts_[id]->Start();
}

void DemoPage::OnLogout(Exchange& exchange, Result<DemoLogout::Outcome> outcome) {
  std::string sentence =
      outcome ? outcome->Sentence() : "Back-Channel Logout failed: " + outcome.error().message;
  if (tell_) tell_(sentence);
  if (!exchange.open()) return;
  if (!outcome) return RespondProblem(exchange, outcome.error());
  Json answer = {{"sentence", sentence}, {"accepted_ms", outcome->accepted_ms}};
  if (outcome->closed_ms) {
    answer["closed_ms"] = *outcome->closed_ms;
    answer["close_code"] = outcome->close_code;
    answer["verdict"] = VerdictName(outcome->verdict);
  }
  RespondJson(exchange, 200, answer.dump());
}

void DemoPage::RespondConfig(Exchange& exchange) const {
  Json devices = Json::array();
  for (const DemoDevice& device : kDemoDevices)
    devices.push_back({{"session", device.session}, {"name", device.name}});
  Json config = {{"gateway", Scheme() + "://" + plane_.gateway.ToString()},
                 {"plane", kDemoPlane},
                 {"user", kDemoUser},
                 {"identity_provider", kDemoIssuer},
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
