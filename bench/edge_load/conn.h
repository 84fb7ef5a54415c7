#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "crypto/tls.h"

namespace galaxy::push::bench {

// Which client this is: a session of a user of a group. A group is a set of users that a phase
// publishes to; peers know a user as a channel, a subject, or a number.
struct Identity {
  uint32_t group = 0;
  uint32_t user = 0;     // within the group
  uint32_t session = 0;  // counted over all clients
};

enum class Stage : uint8_t { kConnecting, kHandshake, kHead, kJoining, kReady, kClosed };

// One client's connection. Small: there are up to 19,000.
struct Conn {
  int fd = -1;
  Stage stage = Stage::kConnecting;
  bool caught_up = false;
  Identity identity;
  uint32_t events = 0;
  uint64_t framing_left = 0;  // of the chunk or DATA frame that is being read
  uint64_t stamp_ns = 0;      // when the connect began
  std::string carry;          // a piece of a frame
  std::string inner;          // a piece of a message within frames
  std::unique_ptr<TlsSession> tls;
};

}  // namespace galaxy::push::bench
