#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "net/sim_network.h"
#include "oracle.h"

namespace galaxy::push::sim {

// WireWatch reads along what gateways write into the sockets of clients, at the moment they write
// it, and tells the oracle frame by frame. That an event was begun on a socket after its session
// was revoked shows here and not at the client, whose bytes may be old.
class WireWatch {
 public:
  WireWatch(SimNetwork& network, Oracle& oracle);
  ~WireWatch();

  // `connection` counts the connections of the network; `gateway` wrote these bytes.
  void OnWrite(size_t gateway, uint64_t connection, std::string_view bytes);
  // What the client wrote: the cursor that it presents.
  void OnClientWrite(uint64_t connection, std::string_view bytes);

 private:
  class Reader;
  SimNetwork& network_;
  Oracle& oracle_;
  std::map<uint64_t, std::unique_ptr<Reader>> readers_;
  std::map<uint64_t, std::string> requests_;  // the first bytes of each connection's client
};

}  // namespace galaxy::push::sim
