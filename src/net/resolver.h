#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/error.h"
#include "net/address.h"

namespace galaxy::push {

class Loop;

// Finds all addresses of a host: an IP address is itself, "localhost" both loopbacks, anything else
// is asked of the system's resolver (hosts file, DNS), on a thread of its own.
//
//   Threads  The loop's thread only. `done` is called exactly once, never from within Start(),
//            unless the returned object is destroyed before.
//   Result   Numeric addresses with the port of what was asked for, each once, in the resolver's
//            order; at least one.
//   Errors   kUnavailable: there is no such host, nobody answers, or not within `timeout_ms`.
class Resolver {
 public:
  // What is known without asking anybody; empty: Start() asks.
  static std::vector<Address> Known(const Address& address);

  using Done = std::move_only_function<void(Result<std::vector<Address>>)>;
  static std::unique_ptr<Resolver> Start(Loop& loop, const Address& address, uint64_t timeout_ms,
                                         Done done);
  virtual ~Resolver() = default;
};

}  // namespace galaxy::push
