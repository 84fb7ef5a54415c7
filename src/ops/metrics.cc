#include "ops/metrics.h"

#include <dirent.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <unordered_map>
#include <vector>

#include "base/check.h"

namespace galaxy::push {
namespace {

void CheckName(const MetricSample& sample) {
  CHECK(sample.name.starts_with("galaxy_push_") || sample.name.starts_with("process_"));
  CHECK(sample.name.ends_with("_total") == (sample.kind == MetricSample::Kind::kCounter));
}

prometheus::ClientMetric ToClientMetric(const MetricSample& sample) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
  if (sample.kind == MetricSample::Kind::kCounter) {
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
    auto type = sample.kind == MetricSample::Kind::kCounter ? prometheus::MetricType::Counter
                                                            : prometheus::MetricType::Gauge;
    auto [place, fresh] = places.try_emplace(sample.name, families.size());
    if (fresh) families.push_back({sample.name, sample.help, type, {}});
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
