#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace galaxy::push {

// Two lower-case digits a byte.
std::string Hex(std::string_view bytes);
// The inverse; nothing for an odd number of digits, upper case, and anything else.
std::optional<std::string> DecodeHex(std::string_view text);

}  // namespace galaxy::push
