#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/error.h"
#include "base/slice.h"

namespace galaxy::push {

// In which form a connection gets its frames. The bytes of one form are the same for every
// connection, so they are made once and shared.
enum class Encoding : uint8_t {
  kWebSocketJson,   // a text frame, header included
  kWebSocketProto,  // a binary frame, header included
  kSse,             // id: and data: lines
  kGrpc,            // a message with its length prefix
};
inline constexpr size_t kEncodingCount = 4;
std::string_view EncodingName(Encoding encoding);  // "websocket", "websocket-pb", "sse", "grpc"

// What is within: JSON text, or a galaxy.gateway.v1.Frame.
constexpr bool IsProto(Encoding encoding) {
  return encoding == Encoding::kWebSocketProto || encoding == Encoding::kGrpc;
}

enum class WelcomeResume : uint8_t { kFresh, kResumed, kGap };
std::string_view WelcomeResumeName(WelcomeResume resume);  // "fresh", "resumed", "gap"

// The frames of docs/edge-protocol.md, all but `event` (envelope/encode.h). Views are read during
// the call only.
struct WelcomeFrame {
  std::string_view session, user;
  WelcomeResume resume = WelcomeResume::kFresh;
  std::string_view reason;  // with kGap
  std::string_view head;
  uint64_t heartbeat_ms = 0, now_ms = 0, token_expires_ms = 0;
};
struct CaughtUpFrame {
  std::string_view cursor;
};
struct PositionFrame {
  std::string_view cursor;
};
struct GapFrame {
  std::string_view reason, head;
  uint64_t spread_ms = 0;
};
struct RefreshedFrame {
  uint64_t token_expires_ms = 0;
};

// How a connection ends: the `bye` frame, and what becomes the close code.
struct Farewell {
  Code code = Code::kInternal;
  std::string reason;           // empty: the code's name
  uint64_t retry_after_ms = 0;  // with verdict resume
  std::string url;              // where to come instead; empty: here

  uint16_t close_code() const { return Describe(code).close_code; }
  std::string_view reason_text() const {
    return reason.empty() ? Describe(code).name : std::string_view(reason);
  }
};

using ControlFrame =
    std::variant<WelcomeFrame, CaughtUpFrame, PositionFrame, GapFrame, RefreshedFrame, Farewell>;
std::string FrameJson(const ControlFrame& frame);   // {"name":{…}}
std::string FrameProto(const ControlFrame& frame);  // the bytes of galaxy.gateway.v1.Frame

// Appends one frame in `encoding`. `cursor` is the resume cursor that a client has once it got the
// frame (SSE: the id line); empty: none. It is printable ASCII.
void AppendFrame(std::string& out, Encoding encoding, std::string_view cursor,
                 const ControlFrame& frame);
// The same for a frame whose content is there: JSON or protobuf, as IsProto() says.
void AppendContent(std::string& out, Encoding encoding, std::string_view cursor,
                   std::string_view content);

// One frame for many connections: made at most once in each encoding, when it is first asked for.
//   Lifetime  What the frame views, and `cursor`, outlive this.
class SharedFrame {
 public:
  SharedFrame(ControlFrame frame, std::string_view cursor)
      : frame_(std::move(frame)), cursor_(cursor) {}
  const Slice& In(Encoding encoding);

 private:
  ControlFrame frame_;
  std::string_view cursor_;
  std::array<Slice, kEncodingCount> made_;
};

}  // namespace galaxy::push
