#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/siphash.h"
#include "gateway/config.h"
#include "gateway/limit_sketch.h"
#include "http/connection_gate.h"
#include "net/ip_address.h"

namespace galaxy::push {

class ClientLimiter;

enum class ClientLimit : uint8_t {
  kAddressConnections,
  kAddressConnects,
  kUserConnections,
  kUserConnects,
  kSockets,         // that an address has open and that speak HTTP
  kSocketConnects,  // that it opens
  kSignIns,         // of requests for the application, with tokens that are none
};
inline constexpr int kClientLimitCount = static_cast<int>(ClientLimit::kSignIns) + 1;
std::string_view ClientLimitName(ClientLimit limit);

// The place of one connection among those of its client's address; it is free again when this is
// destroyed. An empty one is of somebody whom no limit binds.
class ClientPlace {
 public:
  ClientPlace() = default;
  ClientPlace(ClientPlace&& other) noexcept;
  ClientPlace& operator=(ClientPlace&&) = delete;
  ~ClientPlace();
  // Whether one more connection of the user may come in: it has `open` others here. kTooMany.
  Status AdmitUser(uint64_t user_hash, size_t open) const;

 private:
  friend class ClientLimiter;
  ClientPlace(ClientLimiter& limiter, uint64_t address) : limiter_(&limiter), address_(address) {}
  ClientLimiter* limiter_ = nullptr;
  uint64_t address_ = 0;
};

// ClientLimiter bounds what one client can take of a gateway (docs/semantics.md 10.4), by its
// address and by the user of its token. Nobody is told apart before a limit is reached, and who is
// over one is told to come back.
//
//   Sockets   are turned away without a word beyond twice the limits of an address: up to there
//   they
//             get an answer that says why.
//   Exempt    Loopback, and the trusted proxies themselves: of those the clients count that they
//             name.
//   Threads   One loop.
//   Lifetime  Outlives its places and the server that it is the gate of.
//   Memory    3.5 MiB, whoever comes (limit_sketch.h); no allocation after that.
class ClientLimiter final : public ConnectionGate {
 public:
  ClientLimiter(const AdmissionLimits& limits, const IpPrefixes& trusted, const Clock& clock);
  ~ClientLimiter() override;

  // A request to connect from that address. kTooMany: it has, or asks for, too many.
  Result<ClientPlace> Enter(std::string_view client_host);
  // A request of that address that shows a token, other than to connect. kTooMany: there were too
  // many bad ones.
  Status MaySignIn(std::string_view client_host);
  void SignInFailed(std::string_view client_host);

  // ConnectionGate
  std::optional<uint64_t> Enter(const Address& peer) override;
  void Leave(uint64_t ticket) override;

  // How often each limit was met.
  const std::array<uint64_t, kClientLimitCount>& refused() const { return refused_; }
  // Told of refusals, once in a while, so that somebody is named.
  using Note = std::function<void(ClientLimit, std::string_view client)>;
  void SetNote(Note note) { note_ = std::move(note); }

 private:
  friend class ClientPlace;
  // What is counted for addresses, at the limits or at twice the limits.
  struct Counts {
    Counts(const AdmissionLimits& limits, uint32_t times);
    const uint32_t open_max;
    std::optional<RateSketch> rate;
    std::optional<CountSketch> open;
  };
  // The key of the address, 0 when no limit binds it.
  uint64_t KeyOf(std::string_view host) const;
  std::optional<ClientLimit> Take(Counts& counts, uint64_t key, ClientLimit connections,
                                  ClientLimit connects);
  void Release(Counts& counts, uint64_t key);
  Status AdmitUser(uint64_t user_hash, size_t open);
  Status Refuse(ClientLimit limit, std::string_view client);

  const AdmissionLimits limits_;
  const IpPrefixes& trusted_;
  const Clock& clock_;
  const Bits128 key_ = Bits128::Random();
  Counts sessions_, sockets_;
  std::optional<RateSketch> user_rate_;
  std::array<uint64_t, kClientLimitCount> refused_{};
  Note note_;
  uint64_t noted_ms_ = 0;
};

}  // namespace galaxy::push
