#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/histogram.h"

namespace galaxy::push {

// One value of one metric at this moment, as the parts of the system report it; ops/ turns a list
// of them into Prometheus' text. Names are galaxy_push_<part>_<noun>_<unit>; labels come from a
// bounded set.
struct MetricSample {
  enum class Kind : unsigned char { kCounter, kGauge, kHistogram };
  std::string name;
  std::string help;  // one sentence, the same for every sample of a name
  Kind kind = Kind::kGauge;
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;                                          // of a counter or gauge
  std::optional<LatencyHistogram> histogram = std::nullopt;  // of a histogram, and only there
};

using MetricList = std::vector<MetricSample>;

}  // namespace galaxy::push
