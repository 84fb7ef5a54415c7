#pragma once

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace galaxy::push::bench {

inline uint64_t ClockNs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}
inline uint64_t NowNs() { return ClockNs(CLOCK_MONOTONIC); }

// CPU time of whole processes, all threads, those that ended as well (clock_getcpuclockid(3)).
class ProcessCpu {
 public:
  explicit ProcessCpu(const std::vector<int>& pids) : pids_(pids) {}
  uint64_t Ns() const {
    uint64_t all = 0;
    for (int pid : pids_) {
      clockid_t clock{};
      if (clock_getcpuclockid(pid, &clock) == 0) all += ClockNs(clock);
    }
    return all;
  }

 private:
  std::vector<int> pids_;
};

// Wall and CPU time from its making on.
struct Span {
  explicit Span(const ProcessCpu& cpu_in) : cpu(cpu_in), begin_cpu(cpu.Ns()), begin(NowNs()) {}
  uint64_t cpu_ns() const { return cpu.Ns() - begin_cpu; }
  uint64_t wall_ns() const { return NowNs() - begin; }
  const ProcessCpu& cpu;
  uint64_t begin_cpu, begin;
};

// All of them, so that percentiles are exact.
class Samples {
 public:
  void Add(uint64_t ns) { ns_.push_back(ns); }
  bool empty() const { return ns_.empty(); }
  // Of `part` of the samples: microseconds.
  double Us(double part) {
    if (ns_.empty()) return 0;
    std::sort(ns_.begin(), ns_.end());
    // The smallest that `part` of them do not exceed.
    auto rank = static_cast<size_t>(std::ceil(part * static_cast<double>(ns_.size())));
    return static_cast<double>(ns_[std::max<size_t>(rank, 1) - 1]) / 1000;
  }
  size_t size() const { return ns_.size(); }

 private:
  std::vector<uint64_t> ns_;
};

// One line of JSON, figures only.
class Answer {
 public:
  Answer& Add(const char* name, double value) {
    char text[64];
    std::snprintf(text, sizeof text, "%.9g", value);
    return Raw(name, text);
  }
  Answer& Text(const char* name, const std::string& value) {
    return Raw(name, "\"" + value + "\"");
  }
  Answer& Percentiles(const std::string& name, Samples& samples) {
    Add((name + "_p50_us").c_str(), samples.Us(0.5))
        .Add((name + "_p90_us").c_str(), samples.Us(0.9));
    Add((name + "_p99_us").c_str(), samples.Us(0.99))
        .Add((name + "_max_us").c_str(), samples.Us(1));
    return Add((name + "_count").c_str(), static_cast<double>(samples.size()));
  }
  void Print() const {
    std::printf("{%s}\n", text_.c_str());
    std::fflush(stdout);
  }

 private:
  Answer& Raw(const char* name, const std::string& value) {
    text_ += text_.empty() ? "\"" : ",\"";
    text_ += std::string(name) + "\":" + value;
    return *this;
  }
  std::string text_;
};

// Ends the program: the row has no figure then.
[[noreturn]] inline void Die(const std::string& text) {
  std::fprintf(stderr, "edge_load: %s\n", text.c_str());
  std::exit(2);
}

}  // namespace galaxy::push::bench
