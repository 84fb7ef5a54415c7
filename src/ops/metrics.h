#pragma once

#include <functional>
#include <string>

#include "base/metric.h"

namespace galaxy::push {

// Adds the values of one part at this moment. Called on the loop that serves /metrics.
using MetricCollector = std::function<void(MetricList&)>;

// The Prometheus text format 0.0.4. Samples of one name need not stand together; the first decides
// help and kind.
//   Names  galaxy_push_<part>_<noun>_<unit>, or process_* as every Prometheus client has them; a
//          counter, and nothing else, ends in _total, a histogram in _seconds. CHECKed: they are
//          ours.
std::string MetricsText(const MetricList& samples);

// What the process says of itself: CPU seconds, resident memory, open files.
void CollectProcessMetrics(MetricList& out);

}  // namespace galaxy::push
