#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "edge_load/measure.h"
#include "net/address.h"

namespace galaxy::push::bench {

// Where the load's events go in: the publishing side of one kind of server.
//
//   Threads  One at a time.
//   Errors   End the program.
class Publisher {
 public:
  virtual ~Publisher() = default;
  // False: no room now, Turn() first.
  virtual bool Publish(std::string_view user, std::string_view payload) = 0;
  // Sends what was published and takes answers, without waiting.
  virtual void Turn() = 0;
  // How many were acknowledged; as many as were sent where the server acknowledges nothing.
  virtual uint64_t answered() const = 0;
  // Of the newest acknowledged event. Galaxy Push only.
  virtual std::string cursor() const { return {}; }
};

// "galaxy" (a backend), "floor", "nats" (one TCP connection) or "nchan" (pipelined POSTs).
std::unique_ptr<Publisher> NewPublisher(std::string_view name, const Address& address);
std::unique_ptr<Publisher> NewGalaxyPublisher(const Address& backend);

// Invalidates a session, or the user when `session` is empty; waits for the acknowledgement and
// returns when it came.
uint64_t InvalidateAndWait(const Address& backend, const std::string& user,
                           const std::string& session);

}  // namespace galaxy::push::bench
