#pragma once

#include <string>
#include <string_view>

namespace galaxy::push {

// Appends `text`, which must be valid UTF-8, as a JSON string (RFC 8259 section 7).
void AppendJsonString(std::string_view text, std::string& out);

}  // namespace galaxy::push
