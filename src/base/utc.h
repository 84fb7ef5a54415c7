#pragma once

#include <cstdint>
#include <string>

namespace galaxy::push {

// "2025-11-22T18:30:00.123Z".
std::string UtcText(uint64_t wall_ms);

}  // namespace galaxy::push
