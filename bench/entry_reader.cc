// Reads a backend's log as gateways do, with any number of subscriptions, and counts. Prints one
// JSON object when each has read what was asked for, and before that a line "ready" once all are
// accepted.
//
//   entry_reader HOST:PORT --entries N [--readers R] [--from start|now] [--partitions LIST]
//
// `seconds` and `cpu_seconds` (its own) run from the first subscription's start to the last entry
// with --from start, and from the first entry with --from now. It gives up after two minutes.

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "client/entry_subscriber.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr uint64_t kDeadlineMs = 120'000;

[[noreturn]] void Fail(const std::string& text) {
  std::fprintf(stderr, "entry_reader: %s\n", text.c_str());
  std::exit(2);
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

struct Options {
  Address backend;
  uint64_t entries = 0;
  size_t readers = 1;
  bool from_start = true;
  PartitionSet partitions;
};

PartitionSet ReadPartitions(std::string_view text) {
  Result<PartitionSet> set = PartitionSet::Parse(text, "--partitions");
  if (!set) Fail(set.error().message);
  return *set;
}

Options Parse(int argc, char** argv) {
  if (argc < 2) Fail("name the backend");
  std::string address = argv[1];
  size_t colon = address.rfind(':');
  if (colon == std::string::npos) Fail("HOST:PORT");
  Options options;
  options.backend = {address.substr(0, colon),
                     static_cast<uint16_t>(std::atoi(address.c_str() + colon + 1))};
  for (int i = 2; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    if (name == "--entries")
      options.entries = std::strtoull(argv[i + 1], nullptr, 10);
    else if (name == "--readers")
      options.readers = std::strtoull(argv[i + 1], nullptr, 10);
    else if (name == "--from")
      options.from_start = std::strcmp(argv[i + 1], "now") != 0;
    else if (name == "--partitions")
      options.partitions = ReadPartitions(argv[i + 1]);
    else
      Fail("unknown " + name);
  }
  if (options.entries == 0 || options.readers == 0) Fail("--entries N, --readers R");
  return options;
}

// When it began, and how many are accepted and have read everything.
struct Progress {
  Loop& loop;
  const Options& options;
  SteadyClock::time_point begin = SteadyClock::now();
  double cpu_begin = CpuSeconds();
  size_t accepted = 0;
  size_t finished = 0;
  bool any_entry = false;

  void Accepted() {
    if (++accepted < options.readers) return;
    std::puts("ready");
    std::fflush(stdout);
  }
  void FirstEntry() {
    any_entry = true;
    if (options.from_start) return;
    begin = SteadyClock::now();
    cpu_begin = CpuSeconds();
  }
};

class Reader final : private EntrySubscriberHandler {
 public:
  Reader(Progress& progress, size_t number) : progress_(progress) {
    SubscriberOptions options{.id = "reader-" + std::to_string(number), .reconnect = false};
    options.partitions = progress.options.partitions;
    if (progress.options.from_start) options.since_ms = 0;
    subscriber_ = EntrySubscriber::Start(progress.loop, {progress.options.backend},
                                         std::move(options), *this);
  }

 private:
  void OnStart(const SubscriptionStart&) override { progress_.Accepted(); }
  bool OnEntry(const EntryView& entry) override {
    // Canaries come when they will; only what was published counts.
    if (entry.type != EntryType::kEvent || entry.user_id.starts_with("galaxy:")) return true;
    if (!progress_.any_entry) progress_.FirstEntry();
    if (++entries_ < progress_.options.entries) return true;
    if (++progress_.finished == progress_.options.readers) progress_.loop.Stop();
    return false;
  }
  void OnBroken(const Error&, uint64_t) override {}
  void OnEnded(const Error& error) override { Fail("a subscription ended: " + error.message); }

  Progress& progress_;
  uint64_t entries_ = 0;
  std::unique_ptr<EntrySubscriber> subscriber_;
};

int Run(const Options& options) {
  Loop loop;
  Progress progress{.loop = loop, .options = options};
  std::vector<std::unique_ptr<Reader>> readers;
  for (size_t i = 0; i < options.readers; ++i)
    readers.push_back(std::make_unique<Reader>(progress, i));
  Timer deadline = loop.RunAfter(kDeadlineMs, [] { Fail("not all entries came"); });
  loop.Run();
  double seconds = std::chrono::duration<double>(SteadyClock::now() - progress.begin).count();
  std::printf("{\"entries\":%llu,\"readers\":%zu,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n",
              static_cast<unsigned long long>(options.entries), options.readers, seconds,
              CpuSeconds() - progress.cpu_begin);
  std::fflush(stdout);
  return 0;
}

}  // namespace
}  // namespace galaxy::push

int main(int argc, char** argv) { return galaxy::push::Run(galaxy::push::Parse(argc, argv)); }
