#include "sim_client.h"

#include <iterator>
#include <utility>

namespace galaxy::push::sim {
namespace {

// By turns, one for each sign-in.
constexpr TransportKind kTransports[] = {TransportKind::kWebSocket, TransportKind::kWebSocketProto,
                                         TransportKind::kSse, TransportKind::kGrpc,
                                         TransportKind::kSseHttp2};

}  // namespace

SimClient::SimClient(ClientWorld& world, SimNode& host, std::string name, std::string user,
                     uint64_t sign_in_number)
    : world_(world), host_(host), name_(std::move(name)), user_(std::move(user)) {
  SignIn(sign_in_number, 0);
  Disconnect();
}

SimClient::~SimClient() = default;

void SimClient::SignIn(uint64_t sign_in_number, size_t gateway) {
  Drop();
  session_ = "s" + std::to_string(sign_in_number);
  // The issuer of tokens has a clock of its own, which is right.
  uint64_t now_ms = world_.network.wall_ms();
  began_s_ = now_ms / 1'000;
  oracle_id_ = world_.oracle.AddClient(now_ms, user_, session_);
  cursor_.clear();
  gateway_ = gateway;
  refreshes_ = sign_in_number % 3 != 0;
  transport_ = kTransports[sign_in_number % std::size(kTransports)];
  Note("signs in as " + user_ + "/" + session_);
  Listen();
}

void SimClient::MoveTo(size_t gateway) {
  Drop();
  gateway_ = gateway;
  Note("goes to gateway " + std::to_string(gateway) + " with " + cursor_);
  Listen();
}

void SimClient::Disconnect() {
  if (!listener_) return;
  Drop();
  Note("is away");
}

void SimClient::ComeBack() {
  if (listener_ && !ended_) return;
  Drop();
  Note("comes back to gateway " + std::to_string(gateway_) + " with " + cursor_);
  Listen();
}

void SimClient::Drop() {
  if (listener_) cursor_ = listener_->cursor();
  listener_.reset();
  connected_ = false;
  ended_ = false;
}

void SimClient::Listen() {
  ListenerOptions options;
  options.url = world_.url(gateway_);
  options.cursor = cursor_;
  options.connect_timeout_ms = 2'000;
  options.backoff_min_ms = 100;
  options.backoff_max_ms = 2'000;
  options.keys_cooldown_ms = 1'000;
  TokenSource token = [this]() -> Result<std::string> { return Token(); };
  options.transport = transport_;
  auto listener = EventListener::Start(host_.loop(), std::move(options), std::move(token), *this);
  if (!listener) return world_.oracle.Violate("7.4", name_ + ": " + listener.error().message);
  listener_ = std::move(*listener);
}

std::string SimClient::Token() {
  if (connected_ && !refreshes_) return token_;
  uint64_t now_s = world_.network.wall_ms() / 1'000;
  uint64_t expires_s = now_s + world_.token_lifetime_s;
  world_.oracle.TokenUntil(oracle_id_, expires_s * 1'000);
  token_ = MintToken({.issuer = "iss",
                      .audience = "aud",
                      .user_id = user_,
                      .session_id = session_,
                      .issued_s = now_s,
                      .expires_s = expires_s,
                      .auth_time_s = began_s_},
                     world_.token_key);
  return token_;
}

void SimClient::OnEvent(const SignedEvent& event) {
  Note("gets " + event.cursor + " " + event.payload);
  world_.oracle.Event(
      world_.network.wall_ms(), oracle_id_, event.cursor,
      {event.user_id, event.device_session_id, event.event_id, event.kind, event.payload});
}

void SimClient::OnUnverified(const SignedEvent& event, const VerifyResult& result) {
  Note("cannot verify " + event.cursor + ": " + result.reason);
  world_.oracle.Violate(
      "7.3", name_ + " got " + event.cursor + ", which does not verify: " + result.reason);
}

void SimClient::OnGap(std::string_view reason, std::string_view head, uint64_t spread_ms) {
  Note("has a gap, " + std::string(reason) + ", head " + std::string(head));
  (void)spread_ms;
  world_.oracle.Gap(oracle_id_, reason, head);
}

void SimClient::OnWelcome(const ReceivedFrame::Welcome& welcome) {
  connected_ = true;
  ++welcomes_;
  Note("is welcome at gateway " + std::to_string(gateway_) + ": " + welcome.resume + ", head " +
       welcome.head);
  world_.oracle.Welcome(oracle_id_, welcome.resume, welcome.head);
}

void SimClient::OnClockSkew(int64_t offset_ms) {
  Note("has a clock that is off by " + std::to_string(offset_ms) + " ms");
}

void SimClient::OnCursor(std::string_view cursor) { world_.oracle.Position(oracle_id_, cursor); }

void SimClient::OnState(std::string_view state, std::string_view detail) {
  if (state == "connected") return;
  connected_ = false;
  Note(std::string(state) + " " + std::string(detail));
}

void SimClient::OnEnded(const ListenerEnd& end) {
  connected_ = false;
  ended_ = true;
  ended_ms_ = world_.network.wall_ms();
  Note("has ended: " + std::to_string(end.code) + " " + end.reason);
  if (end.code == 4503 && !world_.oracle.PerhapsRevoked(oracle_id_))
    world_.oracle.Violate("8.5", user_ + "/" + session_ + " is refused as revoked and never was");
}

}  // namespace galaxy::push::sim
