#include "base/utc.h"

#include <time.h>

#include <array>
#include <cstdio>

namespace galaxy::push {

std::string UtcText(uint64_t wall_ms) {
  auto seconds = static_cast<time_t>(wall_ms / 1000);
  tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 80> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                static_cast<int>(wall_ms % 1000));
  return text.data();
}

}  // namespace galaxy::push
