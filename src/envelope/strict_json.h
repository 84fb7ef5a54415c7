#pragma once

// Brings in nlohmann json, which is slow to compile: include it from .cc files and from headers
// that stay inside their folder. Its users read JSON from outside: envelope/, auth/ and the
// gateway's client frames.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// Parses outside JSON that decides about trust: one object, RFC 8259, valid UTF-8, no member twice
// at any depth, at most `depth_max` deep. kInvalidArgument otherwise; the message holds nothing of
// the text.
Result<nlohmann::json> ParseStrictObject(std::string_view text, int depth_max = 16);

// The member `name` of `object` when it is a string; null when it is missing or something else.
const std::string* FindString(const nlohmann::json& object, const char* name);

}  // namespace galaxy::push
