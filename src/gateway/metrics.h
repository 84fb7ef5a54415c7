#pragma once

#include <cstdint>
#include <string_view>

#include "base/metric.h"

namespace galaxy::push {

class FeedClient;
class Shard;
class Vouching;
struct EdgeStats;
struct ProxyStats;
struct StateWriterStats;

// Appends samples; one line a metric.
class MetricWriter {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;
  explicit MetricWriter(MetricList& out) : out_(out) {}
  void Counter(std::string_view name, std::string_view help, double value, Labels labels = {}) {
    Add(MetricSample::Kind::kCounter, name, help, value, std::move(labels));
  }
  void Histogram(std::string_view name, std::string_view help, const LatencyHistogram& value) {
    out_.push_back({.name = std::string(name),
                    .help = std::string(help),
                    .kind = MetricSample::Kind::kHistogram,
                    .labels = {},
                    .histogram = value});
  }
  void Gauge(std::string_view name, std::string_view help, double value, Labels labels = {}) {
    Add(MetricSample::Kind::kGauge, name, help, value, std::move(labels));
  }

 private:
  void Add(MetricSample::Kind kind, std::string_view name, std::string_view help, double value,
           Labels labels) {
    out_.push_back({std::string(name), std::string(help), kind, std::move(labels), value});
  }
  MetricList& out_;
};

void AddFeedMetrics(const FeedClient& feed, uint64_t mono_ms, MetricWriter& metrics);
void AddVouchingMetrics(const Vouching& vouching, uint64_t mono_ms, MetricWriter& metrics);
void AddShardMetrics(Shard& shard, MetricWriter& metrics);
void AddProxyMetrics(const ProxyStats& stats, MetricWriter& metrics);
void AddStateMetrics(const StateWriterStats& stats, uint64_t mono_ms, MetricWriter& metrics);
void AddEdgeMetrics(const EdgeStats& stats, MetricWriter& metrics);

}  // namespace galaxy::push
