#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// Quantities as people write them. All refuse signs, spaces, fractions and what does not fit 63
// bits with kInvalidArgument and a message that shows the right form.

// "500ms", "10s", "5m", "12h", "30d"; "0" needs no unit. Milliseconds.
Result<uint64_t> ParseDuration(std::string_view text);
// "4096", "64KiB", "256MiB", "2GiB". Bytes.
Result<uint64_t> ParseSize(std::string_view text);
Result<uint64_t> ParseCount(std::string_view text);

// The shortest exact form: 300000 is "5m", 1500 is "1500ms".
std::string FormatDuration(uint64_t ms);
std::string FormatSize(uint64_t bytes);

}  // namespace galaxy::push
