#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "net/address.h"

namespace galaxy::push {

// Decides about accepted connections before a byte of them is read, by where they come from.
//   Threads   The server's loop.
//   Lifetime  Outlives the server.
class ConnectionGate {
 public:
  virtual ~ConnectionGate() = default;
  // A ticket, given back by Leave() when the connection ends or is handed over (Upgrade); nothing:
  // the connection is reset without a word.
  virtual std::optional<uint64_t> Enter(const Address& peer) = 0;
  virtual void Leave(uint64_t ticket) = 0;
};

// Gives a ticket back when it is destroyed.
class GateTicket {
 public:
  GateTicket() = default;
  GateTicket(ConnectionGate& gate, uint64_t ticket) : gate_(&gate), ticket_(ticket) {}
  GateTicket(GateTicket&& other) noexcept
      : gate_(std::exchange(other.gate_, nullptr)), ticket_(other.ticket_) {}
  GateTicket& operator=(GateTicket&& other) noexcept {
    std::swap(gate_, other.gate_);
    std::swap(ticket_, other.ticket_);
    return *this;
  }
  ~GateTicket() {
    if (gate_ != nullptr) gate_->Leave(ticket_);
  }

 private:
  ConnectionGate* gate_ = nullptr;
  uint64_t ticket_ = 0;
};

}  // namespace galaxy::push
