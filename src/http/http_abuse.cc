#include "http/http_abuse.h"

#include <string>

namespace galaxy::push {

std::string_view HttpAbuseName(HttpAbuse kind) {
  static constexpr std::array<std::string_view, kHttpAbuseCount> kNames = {
      "malformed",        "head_too_large",      "slow_handshake",     "slow_head",
      "slow_body",        "slow_reader",         "unwanted_body",      "pipeline_flood",
      "reset_flood",      "ping_flood",          "settings_flood",     "priority_flood",
      "empty_data_flood", "window_update_flood", "continuation_flood", "invalid_frame_flood",
      "unread_answers",   "proxy_header",        "proxy_untrusted"};
  return kNames[static_cast<size_t>(kind)];
}

void AddAbuseMetrics(const HttpAbuseCounts& counts, std::string_view name, MetricPart& part) {
  for (size_t i = 0; i < counts.size(); ++i) {
    part.Counter(name, "Requests and connections refused or cut off, by what they did.", counts[i],
                 {{"kind", std::string(HttpAbuseName(static_cast<HttpAbuse>(i)))}});
  }
}

}  // namespace galaxy::push
