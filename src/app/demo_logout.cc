#include "app/demo_logout.h"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/demo_page.h"
#include "base/ids.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kWitnessMs = 2'000;
constexpr uint64_t kCloseMs = 5'000;
// Whose connection is watched when every session of the user is meant.
constexpr std::string_view kWitnessSession = "identity-provider-witness";

std::string Milliseconds(double ms) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f ms", ms);
  return text.data();
}

double MsSince(std::chrono::steady_clock::time_point start) {
  std::chrono::duration<double, std::milli> passed = std::chrono::steady_clock::now() - start;
  return passed.count();
}

}  // namespace

// The parts of a compact JWS need no percent-encoding (RFC 4648 5).
std::string DemoLogoutForm(const TokenKey& key, std::string_view session, uint64_t now_ms) {
  using Json = nlohmann::json;
  uint64_t now_s = now_ms / 1000;
  Json claims = {
      {"iss", kDemoIssuer},
      {"aud", kDemoAudience},
      {"sub", kDemoUser},
      {"iat", now_s},
      {"exp", now_s + 120},
      {"jti", NewUuidV7(now_ms)},
      {"events", {{"http://schemas.openid.net/event/backchannel-logout", Json::object()}}}};
  if (!session.empty()) claims["sid"] = session;
  Json header = {{"alg", TokenAlgName(key.alg())}, {"kid", key.kid()}, {"typ", "logout+jwt"}};
  return "logout_token=" + SignCompact(header.dump(), claims.dump(), key);
}

std::string DemoLogout::Outcome::Sentence() const {
  std::string who = session.empty() ? "every session of " + std::string(kDemoUser) : session;
  std::string text = "Back-Channel Logout of " + who +
                     ": the backend had taken the logout token after " + Milliseconds(accepted_ms);
  if (!closed_ms) return text + "; no connection of it was open to watch.";
  return text + ", and the gateway had closed a connection of it after " +
         Milliseconds(*closed_ms) + " (" + std::to_string(close_code) + ", verdict " +
         std::string(VerdictName(verdict)) + ").";
}

DemoLogout::DemoLogout(Loop& loop, Plane plane, const TokenKey& key, std::string session, Done done)
    : loop_(loop), plane_(std::move(plane)), key_(key), done_(std::move(done)) {
  outcome_.session = std::move(session);
}

DemoLogout::~DemoLogout() = default;

void DemoLogout::Start() {
  std::string_view session = outcome_.session.empty() ? kWitnessSession : outcome_.session;
  std::string token = MintDemoToken(key_, session, loop_.clock().WallMs());
  ListenerOptions options;
  options.url = (plane_.tls ? "wss://" : "ws://") + plane_.gateway.ToString();
  options.tls = plane_.tls;
  options.plane = kDemoPlane;
  auto witness = EventListener::Start(
      loop_, std::move(options), [token]() -> Result<std::string> { return token; }, *this);
  if (witness) witness_ = std::move(*witness);
  timeout_ = loop_.RunAfter(witness_ ? kWitnessMs : 0, [this] { Send(); });
}

void DemoLogout::OnWelcome(const ReceivedFrame::Welcome&) {
  watched_ = true;
  // Not from within the witness's call.
  timeout_ = loop_.RunAfter(0, [this] { Send(); });
}

void DemoLogout::OnState(std::string_view state, std::string_view) {
  if (state == "waiting") MarkClosed();
}

// A session that was out already is signed out all the same.
void DemoLogout::OnEnded(const ListenerEnd& end) {
  MarkClosed();
  ended_ = true;
  outcome_.close_code = end.code;
  outcome_.verdict = end.verdict;
  if (!sent_) {
    timeout_ = loop_.RunAfter(0, [this] { Send(); });
  } else {
    FinishIfComplete();
  }
}

void DemoLogout::MarkClosed() {
  if (watched_ && sent_ && !outcome_.closed_ms) outcome_.closed_ms = MsSince(*sent_);
}

void DemoLogout::Send() {
  if (sent_) return;
  timeout_ = loop_.RunAfter(kCloseMs, [this] {
    if (!accepted_) return Finish(Fail(Code::kDeadlineExceeded, "the backend did not answer"));
    Finish(std::move(outcome_));
  });
  HttpClientLimits limits;
  limits.socket.tls = plane_.tls;
  client_ = HttpClient::NewHttp1(loop_, plane_.backend, limits);
  sent_ = std::chrono::steady_clock::now();
  call_ = std::make_unique<DemoCall>(
      *client_, plane_.backend.ToString(), "/v1/backchannel-logout",
      "application/x-www-form-urlencoded",
      DemoLogoutForm(key_, outcome_.session, loop_.clock().WallMs()),
      [this](Result<DemoCall::Answer> answer) { OnAnswer(std::move(answer)); });
}

void DemoLogout::OnAnswer(Result<DemoCall::Answer> answer) {
  if (!answer) return Finish(std::unexpected(answer.error()));
  if (answer->status != 200)
    return Finish(
        Fail(Code::kUnavailable,
             "the backend answered " + std::to_string(answer->status) + " " + answer->body));
  accepted_ = true;
  outcome_.accepted_ms = MsSince(*sent_);
  FinishIfComplete();
}

void DemoLogout::FinishIfComplete() {
  if (accepted_ && (ended_ || !watched_)) Finish(std::move(outcome_));
}

void DemoLogout::Finish(Result<Outcome> outcome) {
  timeout_.Cancel();
  if (Done done = std::exchange(done_, nullptr)) done(std::move(outcome));
}

}  // namespace galaxy::push
