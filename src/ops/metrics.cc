#include "ops/metrics.h"

#include <dirent.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <limits>
#include <unordered_map>
#include <vector>

#include "base/check.h"

namespace galaxy::push {
namespace {

void CheckName(const MetricSample& sample) {
  CHECK(sample.name.starts_with("galaxy_push_") || sample.name.starts_with("process_"));
  CHECK(sample.name.ends_with("_total") == (sample.kind == MetricSample::Kind::kCounter));
  bool histogram = sample.kind == MetricSample::Kind::kHistogram;
  CHECK(sample.histogram.has_value() == histogram);
  CHECK(!histogram || sample.name.ends_with("_seconds"));
}

prometheus::MetricType TypeOf(MetricSample::Kind kind) {
  switch (kind) {
    case MetricSample::Kind::kCounter:
      return prometheus::MetricType::Counter;
    case MetricSample::Kind::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricSample::Kind::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

// Prometheus wants each bucket to count those below it as well.
prometheus::ClientMetric::Histogram ToClientHistogram(const LatencyHistogram& histogram) {
  prometheus::ClientMetric::Histogram out;
  for (size_t i = 0; i < LatencyHistogram::kBuckets; ++i) {
    out.sample_count += histogram.counts()[i];
    bool last = i == LatencyHistogram::kBoundsUs.size();
    double bound = last ? std::numeric_limits<double>::infinity()
                        : static_cast<double>(LatencyHistogram::kBoundsUs[i]) / 1e6;
    out.bucket.push_back({.cumulative_count = out.sample_count, .upper_bound = bound});
  }
  out.sample_sum = static_cast<double>(histogram.sum_us()) / 1e6;
  return out;
}

prometheus::ClientMetric ToClientMetric(const MetricSample& sample) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
  if (sample.histogram) {
    metric.histogram = ToClientHistogram(*sample.histogram);
  } else if (sample.kind == MetricSample::Kind::kCounter) {
    metric.counter.value = sample.value;
  } else {
    metric.gauge.value = sample.value;
  }
  return metric;
}

double ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (!file) return 0;
  unsigned long size = 0;
  unsigned long resident = 0;
  int read = std::fscanf(file, "%lu %lu", &size, &resident);
  std::fclose(file);
  return read == 2 ? static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) : 0;
}

double OpenFiles() {
  DIR* folder = opendir("/proc/self/fd");
  if (!folder) return 0;
  int count = -3;  // "." and "..", and the folder's own descriptor
  while (readdir(folder)) ++count;
  closedir(folder);
  return count;
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

std::string MetricsText(const MetricList& samples) {
  std::vector<prometheus::MetricFamily> families;
  std::unordered_map<std::string, size_t> places;
  for (const MetricSample& sample : samples) {
    CheckName(sample);
    auto [place, fresh] = places.try_emplace(sample.name, families.size());
    if (fresh) families.push_back({sample.name, sample.help, TypeOf(sample.kind), {}});
    families[place->second].metric.push_back(ToClientMetric(sample));
  }
  return prometheus::TextSerializer().Serialize(families);
}

void CollectProcessMetrics(MetricList& out) {
  using Kind = MetricSample::Kind;
  out.push_back({"process_cpu_seconds_total",
                 "CPU time used, user and system.",
                 Kind::kCounter,
                 {},
                 CpuSeconds()});
  out.push_back(
      {"process_resident_memory_bytes", "Memory resident.", Kind::kGauge, {}, ResidentBytes()});
  out.push_back({"process_open_fds", "Open file descriptors.", Kind::kGauge, {}, OpenFiles()});
}

}  // namespace galaxy::push
