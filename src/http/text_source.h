#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "net/connection.h"

namespace galaxy::push {

class Loop;

// TextSource gets a small text, a key set, from a file or a http:// or https:// URL, again and
// again.
//
//   Threads  One loop. `done` runs once, never from within Fetch(), unless the source is destroyed.
//   Limits   One fetch at a time; `bytes_max`; `timeout_ms`. Redirects are not followed.
//   Errors   Those of ReadFile(); kUnavailable, kDeadlineExceeded, kTooLarge. They name the place.
class TextSource {
 public:
  using Done = std::move_only_function<void(Result<std::string>)>;
  struct Options {
    uint64_t timeout_ms = 5'000;
    size_t bytes_max = 1 << 20;
    TlsSource tls;  // for https; none: the system's roots
  };

  // kInvalidArgument for a URL that is none, or a scheme of WebSocket.
  static Result<std::unique_ptr<TextSource>> Open(Loop& loop, const std::string& place,
                                                  Options options);
  virtual ~TextSource() = default;
  virtual void Fetch(Done done) = 0;
};

// Whether `place` is a URL rather than a file.
bool IsUrl(const std::string& place);

}  // namespace galaxy::push
