#pragma once

#include "base/metric.h"

namespace galaxy::push {

class Backend;

// Appends the backend's numbers. To be called on its loop.
void CollectBackendMetrics(const Backend& backend, MetricList& out);

}  // namespace galaxy::push
