#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// Limits on identifiers (docs/semantics.md 2.3, 4.5).
inline constexpr size_t kIdBytesMax = 256;
inline constexpr size_t kCursorBytesMax = 128;
inline constexpr std::string_view kReservedUserPrefix = "galaxy:";
inline constexpr std::string_view kCanaryUser = "galaxy:canary";
inline constexpr std::string_view kCanaryKind = "galaxy.canary";

// OK when `text` is valid UTF-8, has no control character (U+0000-U+001F, U+007F, U+0080-U+009F)
// and at most `bytes_max` bytes; else kInvalidArgument that names `field` and the limit.
Status CheckId(std::string_view field, std::string_view text, size_t bytes_max = kIdBytesMax);

bool IsValidUtf8(std::string_view text);

// UUIDv7 (RFC 9562 5.7), 36 lower-case characters, random part from the system's generator.
std::string NewUuidV7(uint64_t wall_ms);

}  // namespace galaxy::push
