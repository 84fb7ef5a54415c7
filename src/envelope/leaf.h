#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "crypto/sha256.h"

namespace galaxy::push {

// The fields of one event that a signature covers (docs/envelope.md), as views. Whoever holds an
// EventFields keeps the bytes alive.
struct EventFields {
  std::string_view user_id;
  std::string_view device_session_id;
  std::string_view kind;
  std::string_view event_id;
  std::string_view request_id;
  std::string_view trace_id;
  std::string_view cursor;
  std::string_view payload;  // the exact bytes received from the backend
};

using Salt = std::array<unsigned char, 16>;

// SHA-256(0x00 || LEAF). Streams over the fields through a small stack buffer: no allocation.
// Every field is shorter than 4 GiB.
Hash LeafHash(const EventFields& event, std::string_view issuer, const Salt& salt);

// LEAF itself, for tests and diagnosis.
std::string LeafBytes(const EventFields& event, std::string_view issuer, const Salt& salt);

// ROOT, the message that is signed: at most a few hundred bytes, appended to `out`.
void AppendRootBytes(std::string& out, std::string_view kid, uint64_t signed_at_ms, uint32_t size,
                     const Hash& root);

}  // namespace galaxy::push
