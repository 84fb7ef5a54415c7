#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "envelope/signed_event.h"

namespace galaxy::push {

// What JSON can carry; times beyond it are nonsense.
inline constexpr uint64_t kFrameNumberMax = (uint64_t{1} << 53) - 1;

// One frame from a gateway (docs/edge-protocol.md), as a client receives it.
struct ReceivedFrame {
  struct Welcome {
    std::string session;
    std::string user;
    std::string resume;  // fresh, resumed or gap
    std::string reason;  // with gap
    std::string head;
    uint64_t heartbeat_ms = 25'000;
    uint64_t now_ms = 0;
    uint64_t token_expires_ms = 0;
    // What both forms must keep: kInvalidArgument and the field.
    Status Check() const;
  };
  struct CaughtUp {
    std::string cursor;
  };
  struct Position {
    std::string cursor;
  };
  struct Gap {
    std::string reason;
    std::string head;
    uint64_t spread_ms = 0;
  };
  struct Refreshed {
    uint64_t token_expires_ms = 0;
  };
  struct Bye {
    uint64_t code = 0;
    std::string reason;
    std::string verdict;
    uint64_t retry_after_ms = 0;
    std::string url;  // with code 4307: where to come instead
  };
  // A frame that a newer gateway added: passed over.
  struct Unknown {
    std::string name;
  };
  std::variant<Unknown, Welcome, SignedEvent, CaughtUp, Position, Gap, Refreshed, Bye> content;

  // kInvalidArgument unless `text` is one object with one member whose content has the right types.
  static Result<ReceivedFrame> Parse(std::string_view text);
  // The same of galaxy.gateway.v1.Frame.
  static Result<ReceivedFrame> ParseProto(std::string_view bytes);
};

// What a client sends. `cursor` empty: a first connect.
std::string HelloText(std::string_view token, std::string_view cursor);
std::string RefreshText(std::string_view token);
// The same as galaxy.gateway.v1.ClientFrame.
std::string HelloProto(std::string_view token, std::string_view cursor);
std::string RefreshProto(std::string_view token);

}  // namespace galaxy::push
