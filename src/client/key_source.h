#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "envelope/keys.h"

namespace galaxy::push {

class Loop;

// KeySource gets the envelope keys that a client trusts, from a file or a http:// URL.
//
//   Threads  One loop. `done` runs once, never from within Fetch(), unless the source is destroyed.
//   Limits   One fetch at a time; 1 MiB; `timeout_ms`.
class KeySource {
 public:
  using Done = std::move_only_function<void(Result<PublicKeys::Snapshot>)>;

  static Result<std::unique_ptr<KeySource>> Open(Loop& loop, const std::string& place,
                                                 uint64_t timeout_ms);
  virtual ~KeySource() = default;
  virtual void Fetch(Done done) = 0;
};

}  // namespace galaxy::push
