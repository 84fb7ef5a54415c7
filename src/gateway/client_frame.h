#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// What a client says over a WebSocket (docs/edge-protocol.md): one JSON object with exactly one
// member, {"hello":{"token":"…","cursor":"…"}} or {"refresh":{"token":"…"}}, or the same as
// galaxy.gateway.v1.ClientFrame.
struct ClientFrame {
  enum class Kind : uint8_t { kHello, kRefresh };
  Kind kind = Kind::kHello;
  std::string token;
  std::string cursor;  // kHello; may be empty
};

// kBadRequest that names what is wrong. Members that nobody knows within hello and refresh are
// passed over.
Result<ClientFrame> ParseJsonClientFrame(std::string_view text);
Result<ClientFrame> ParseProtoClientFrame(std::string_view bytes);

}  // namespace galaxy::push
