#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// In which form a connection gets its frames. The bytes of one form are the same for every
// connection, so they are made once and shared.
enum class Encoding : uint8_t {
  kWebSocketJson,  // a text frame, header included
  kSse,            // id: and data: lines
};
inline constexpr size_t kEncodingCount = 2;
std::string_view EncodingName(Encoding encoding);  // "websocket", "sse"

enum class WelcomeResume : uint8_t { kFresh, kResumed, kGap };

// The frames of docs/edge-protocol.md as JSON text, all but `event` (envelope/encode.h). Views are
// read during the call only.
struct WelcomeFrame {
  std::string_view session, user;
  WelcomeResume resume = WelcomeResume::kFresh;
  std::string_view reason;  // with kGap
  std::string_view head;
  uint64_t heartbeat_ms = 0, now_ms = 0, token_expires_ms = 0;
};
std::string WelcomeJson(const WelcomeFrame& frame);
std::string CaughtUpJson(std::string_view cursor);
std::string PositionJson(std::string_view cursor);
std::string GapJson(std::string_view reason, std::string_view head, uint64_t spread_ms);
std::string RefreshedJson(uint64_t token_expires_ms);

// How a connection ends: the `bye` frame, and what becomes the close code.
struct Farewell {
  Code code = Code::kInternal;
  std::string reason;           // empty: the code's name
  uint64_t retry_after_ms = 0;  // with verdict resume

  uint16_t close_code() const { return Describe(code).close_code; }
  std::string_view reason_text() const {
    return reason.empty() ? Describe(code).name : std::string_view(reason);
  }
};
std::string ByeJson(const Farewell& bye);

// Appends one frame in `encoding`. `cursor` is the resume cursor that a client has once it got the
// frame (SSE: the id line); empty: none. It is printable ASCII.
void AppendFrame(std::string& out, Encoding encoding, std::string_view cursor,
                 std::string_view json);

}  // namespace galaxy::push
