#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "envelope/leaf.h"

namespace galaxy::gateway::v1 {
class SignedEvent;
}

namespace galaxy::push {

// An envelope as it was received: parsed, not yet verified. Owns its bytes.
struct SignedEvent {
  std::string issuer;
  std::string user_id;
  std::string device_session_id;
  std::string kind;
  std::string event_id;
  std::string request_id;
  std::string trace_id;
  std::string cursor;
  std::string payload;

  struct Proof {
    std::string kid;
    Salt salt{};
    uint64_t signed_at_ms = 0;
    uint64_t size = 0;
    uint64_t index = 0;
    std::string path;  // whole hashes
    std::string sig;   // 64 bytes
  } proof;

  EventFields Fields() const {
    return {user_id, device_session_id, kind, event_id, request_id, trace_id, cursor, payload};
  }
};

// The largest envelope or frame the parsers look at; a payload is at most 64 KiB (semantics 2.3)
// and grows when it is escaped.
inline constexpr size_t kEnvelopeBytesMax = 1 << 20;

// Strict parsers for outside bytes: every refusal is kInvalidArgument with the member at fault.
// Members nobody knows are passed over; members twice, missing proof members, both or none of
// payload and payload_b64, wrong types, lengths, ranges and base64 that is not canonical are
// refused.
Result<SignedEvent> ParseJsonEnvelope(std::string_view text);
// `{"event":{…}}`.
Result<SignedEvent> ParseJsonEventFrame(std::string_view text);
// The bytes of galaxy.gateway.v1.SignedEvent.
Result<SignedEvent> ParseProtoEnvelope(std::string_view bytes);
// The same checks for a message that is parsed already, e.g. Frame.event().
Result<SignedEvent> FromProtoEnvelope(const gateway::v1::SignedEvent& message);

}  // namespace galaxy::push
