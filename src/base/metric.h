#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// MetricPart appends the samples of one part of the system, whose names begin with
// "galaxy_push_<part>_".
class MetricPart {
 public:
  MetricPart(std::string_view part, MetricList& out)
      : prefix_("galaxy_push_" + std::string(part) + "_"), out_(out) {}

  void Counter(std::string_view name, std::string_view help, uint64_t value,
               MetricLabels labels = {}) {
    Add(MetricSample::Kind::kCounter, name, help, static_cast<double>(value), std::move(labels));
  }
  void Gauge(std::string_view name, std::string_view help, uint64_t value,
             MetricLabels labels = {}) {
    Add(MetricSample::Kind::kGauge, name, help, static_cast<double>(value), std::move(labels));
  }
  // A gauge; nothing when there is none.
  void Seconds(std::string_view name, std::string_view help, std::optional<uint64_t> ms) {
    if (ms) Add(MetricSample::Kind::kGauge, name, help, static_cast<double>(*ms) / 1000, {});
  }
  void Histogram(std::string_view name, std::string_view help, const LatencyHistogram& value) {
    Add(MetricSample::Kind::kHistogram, name, help, 0, {});
    out_.back().histogram = value;
  }

 private:
  void Add(MetricSample::Kind kind, std::string_view name, std::string_view help, double value,
           MetricLabels labels) {
    out_.push_back(
        {prefix_ + std::string(name), std::string(help), kind, std::move(labels), value});
  }

  const std::string prefix_;
  MetricList& out_;
};

}  // namespace galaxy::push
