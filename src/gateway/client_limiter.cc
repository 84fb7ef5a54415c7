#include "gateway/client_limiter.h"

#include <string>
#include <utility>

namespace galaxy::push {
namespace {

constexpr uint32_t kBurstSeconds = 10;
constexpr uint32_t kSocketsTimes = 2;
constexpr uint64_t kNoteMs = 10'000;

std::optional<RateSketch> MakeRate(uint32_t per_s) {
  if (per_s == 0) return std::nullopt;
  return std::optional<RateSketch>(std::in_place, per_s, per_s * kBurstSeconds);
}

std::string TooMany(ClientLimit limit, const AdmissionLimits& limits) {
  switch (limit) {
    case ClientLimit::kAddressConnections:
    case ClientLimit::kSockets:
      return "one address may have " + std::to_string(limits.address_connections) + " connections";
    case ClientLimit::kAddressConnects:
    case ClientLimit::kSocketConnects:
      return "one address may connect " + std::to_string(limits.address_connects_per_s) +
             " times a second";
    case ClientLimit::kUserConnections:
      return "one user may have " + std::to_string(limits.user_connections) + " connections";
    case ClientLimit::kUserConnects:
      return "one user may connect " + std::to_string(limits.user_connects_per_s) +
             " times a second";
    case ClientLimit::kSignIns:
      return "one address may show " + std::to_string(limits.address_connects_per_s) +
             " bad tokens a second";
  }
  return "";
}

}  // namespace

std::string_view ClientLimitName(ClientLimit limit) {
  static constexpr std::string_view kNames[] = {
      "address_connections", "address_connects", "user_connections", "user_connects", "sockets",
      "socket_connects",     "sign_ins"};
  return kNames[static_cast<size_t>(limit)];
}

ClientPlace::ClientPlace(ClientPlace&& other) noexcept
    : limiter_(std::exchange(other.limiter_, nullptr)), address_(other.address_) {}

ClientPlace::~ClientPlace() {
  if (limiter_ != nullptr) limiter_->Release(limiter_->sessions_, address_);
}

Status ClientPlace::AdmitUser(uint64_t user_hash, size_t open) const {
  return limiter_ == nullptr ? Status() : limiter_->AdmitUser(user_hash, open);
}

ClientLimiter::Counts::Counts(const AdmissionLimits& limits, uint32_t times)
    : open_max(limits.address_connections * times),
      rate(MakeRate(limits.address_connects_per_s * times)) {
  if (open_max > 0) open.emplace();
}

ClientLimiter::ClientLimiter(const AdmissionLimits& limits, const IpPrefixes& trusted,
                             const Clock& clock)
    : limits_(limits),
      trusted_(trusted),
      clock_(clock),
      sessions_(limits, 1),
      sockets_(limits, kSocketsTimes),
      user_rate_(MakeRate(limits.user_connects_per_s)) {}

ClientLimiter::~ClientLimiter() = default;

uint64_t ClientLimiter::KeyOf(std::string_view host) const {
  std::optional<IpAddress> address = IpAddress::Parse(host);
  if (!address) return SipHash64(key_, host) | 1;
  if (address->IsLoopback() || trusted_.Contains(*address)) return 0;
  return SipHash64(key_, address->Site().bytes()) | 1;
}

std::optional<ClientLimit> ClientLimiter::Take(Counts& counts, uint64_t key,
                                               ClientLimit connections, ClientLimit connects) {
  if (counts.open && counts.open->Count(key) >= counts.open_max) return connections;
  if (counts.rate && !counts.rate->Spend(key, clock_.MonoMs())) return connects;
  if (counts.open) counts.open->Add(key);
  return std::nullopt;
}

void ClientLimiter::Release(Counts& counts, uint64_t key) {
  if (counts.open) counts.open->Remove(key);
}

Result<ClientPlace> ClientLimiter::Enter(std::string_view client_host) {
  uint64_t key = KeyOf(client_host);
  if (key == 0) return ClientPlace();
  auto met = Take(sessions_, key, ClientLimit::kAddressConnections, ClientLimit::kAddressConnects);
  if (met) return std::unexpected(Refuse(*met, client_host).error());
  return ClientPlace(*this, key);
}

Status ClientLimiter::AdmitUser(uint64_t user_hash, size_t open) {
  if (limits_.user_connections > 0 && open >= limits_.user_connections) {
    return Refuse(ClientLimit::kUserConnections, "");
  }
  if (user_rate_ && !user_rate_->Spend(user_hash, clock_.MonoMs())) {
    return Refuse(ClientLimit::kUserConnects, "");
  }
  return {};
}

Status ClientLimiter::MaySignIn(std::string_view client_host) {
  uint64_t key = KeyOf(client_host);
  if (key == 0 || !sessions_.rate || sessions_.rate->May(key, clock_.MonoMs())) return {};
  return Refuse(ClientLimit::kSignIns, client_host);
}

void ClientLimiter::SignInFailed(std::string_view client_host) {
  uint64_t key = KeyOf(client_host);
  if (key != 0 && sessions_.rate) sessions_.rate->Spend(key, clock_.MonoMs());
}

std::optional<uint64_t> ClientLimiter::Enter(const Address& peer) {
  uint64_t key = KeyOf(peer.host);
  if (key == 0) return key;
  auto met = Take(sockets_, key, ClientLimit::kSockets, ClientLimit::kSocketConnects);
  if (!met) return key;
  (void)Refuse(*met, peer.host);
  return std::nullopt;
}

void ClientLimiter::Leave(uint64_t ticket) {
  if (ticket != 0) Release(sockets_, ticket);
}

Status ClientLimiter::Refuse(ClientLimit limit, std::string_view client) {
  ++refused_[static_cast<size_t>(limit)];
  uint64_t now_ms = clock_.MonoMs();
  if (note_ && (noted_ms_ == 0 || now_ms - noted_ms_ >= kNoteMs)) {
    noted_ms_ = now_ms;
    note_(limit, client);
  }
  return Fail(Code::kTooMany, TooMany(limit, limits_));
}

}  // namespace galaxy::push
