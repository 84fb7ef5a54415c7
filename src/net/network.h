#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "net/connection.h"

namespace galaxy::push {

class Loop;

// Where a loop's connections come from: the system's TCP when a loop has none, a simulated network
// (sim_network.h) in the simulation. Behaves as Listener::Open() and Connector::Start() say, which
// are what everybody calls.
//   Lifetime  Outlives the loop.
class Network {
 public:
  virtual ~Network() = default;
  virtual Result<std::unique_ptr<Listener>> Listen(Loop& loop, const Address& address,
                                                   SocketOptions options,
                                                   Listener::OnConnection on_connection,
                                                   Listener::OnError on_error) = 0;
  virtual std::unique_ptr<Connector> Connect(Loop& loop, const Address& address,
                                             SocketOptions options, uint64_t timeout_ms,
                                             Connector::Done done) = 0;
  // What a name means, as Resolver::Start() says; nothing for a host that is not there.
  virtual std::vector<Address> Resolve(const Address& address) { return {address}; }
  // Handles one thing that is ready for the loop (bytes, room, an accepted connection), as a turn's
  // look at the sockets does. False when nothing is.
  virtual bool HandleOne() = 0;
};

}  // namespace galaxy::push
