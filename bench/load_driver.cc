// Publishes to a running backend over PublishStream and measures acknowledgements, while others
// subscribe and some of these never read. Prints one JSON object.
//
//   load_driver HOST:PORT [--streams N] [--rate EVENTS/S] [--seconds S] [--events N] [--payload B]
//               [--in-flight N] [--subscribers N] [--stalled N] [--sync-file FILE]
//
// Without --rate as fast as it goes. --in-flight 1 is a publisher that waits for each answer; with
// --sync-file every acknowledgement is followed by one overwritten and synced page of that file, to
// know what a sync costs there and then.

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/entry_subscriber.h"
#include "client/publisher.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

constexpr size_t kStalledGroup = 10;
constexpr uint64_t kStalledEvents = 5'000;

using SteadyClock = std::chrono::steady_clock;

double MsSince(SteadyClock::time_point begin) {
  return std::chrono::duration<double, std::milli>(SteadyClock::now() - begin).count();
}

struct Options {
  Address backend;
  size_t streams = 4;
  double rate = 0;
  double seconds = 10;
  uint64_t events = ~uint64_t{0};
  size_t payload = 256;
  size_t in_flight = 8'192;
  size_t subscribers = 0;
  size_t stalled = 0;
  std::string sync_file;
};

[[noreturn]] void Fail(const std::string& text) {
  std::fprintf(stderr, "load_driver: %s\n", text.c_str());
  std::exit(2);
}

Options Parse(int argc, char** argv) {
  if (argc < 2) Fail("name the backend");
  Options options;
  std::string address = argv[1];
  size_t colon = address.rfind(':');
  if (colon == std::string::npos) Fail("HOST:PORT");
  options.backend = {address.substr(0, colon),
                     static_cast<uint16_t>(std::atoi(address.c_str() + colon + 1))};
  for (int i = 2; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    double value = std::atof(argv[i + 1]);
    if (name == "--streams")
      options.streams = static_cast<size_t>(value);
    else if (name == "--rate")
      options.rate = value;
    else if (name == "--seconds")
      options.seconds = value;
    else if (name == "--events")
      options.events = static_cast<uint64_t>(value);
    else if (name == "--payload")
      options.payload = static_cast<size_t>(value);
    else if (name == "--in-flight")
      options.in_flight = static_cast<size_t>(value);
    else if (name == "--subscribers")
      options.subscribers = static_cast<size_t>(value);
    else if (name == "--stalled")
      options.stalled = static_cast<size_t>(value);
    else if (name == "--sync-file")
      options.sync_file = argv[i + 1];
    else
      Fail("unknown " + name);
  }
  return options;
}

// What a sync of one page costs here and now.
class SyncProbe {
 public:
  explicit SyncProbe(const std::string& path) {
    if (path.empty()) return;
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0 || pwrite(fd_, page_.data(), page_.size(), 0) < 0 || fsync(fd_) != 0)
      Fail("cannot write " + path);
  }
  ~SyncProbe() {
    if (fd_ >= 0) close(fd_);
  }
  void Take() {
    if (fd_ < 0) return;
    auto begin = SteadyClock::now();
    if (pwrite(fd_, page_.data(), page_.size(), 0) < 0 || fdatasync(fd_) != 0) Fail("cannot sync");
    times_ms.push_back(MsSince(begin));
  }
  std::vector<double> times_ms;

 private:
  std::string page_ = std::string(16'384, 'x');
  int fd_ = -1;
};

struct Totals {
  uint64_t sent = 0, acknowledged = 0, refused = 0;
  std::vector<float> times_ms;
};

// Digits of one width, so that every event has the same size: 88 bytes and the payload.
std::string Padded(uint64_t number, size_t width) {
  std::string digits = std::to_string(number);
  return std::string(width - std::min(width, digits.size()), '0') + digits;
}

// One PublishStream.
class Stream final : private PublisherHandler {
 public:
  Stream(Loop& loop, const Options& options, size_t number, Totals& totals, SyncProbe& sync,
         const std::function<void()>& pump)
      : options_(options),
        totals_(totals),
        sync_(sync),
        pump_(pump),
        loop_(loop),
        prefix_("s" + Padded(number, 2) + "-" + Padded(static_cast<uint64_t>(getpid()), 7) + "-"),
        payload_("{\"x\":\"" + std::string(options.payload - 8, 'x') + "\"}") {
    PublisherLimits limits{.entries_in_flight_max = options.in_flight};
    publisher_ = EventPublisher::Start(loop, options.backend, limits, *this);
  }
  // False: no room.
  bool Publish() {
    if (sent_.size() >= options_.in_flight) return false;
    std::string id = prefix_ + Padded(next_, 9);
    std::string user = "user-" + Padded(next_ % 100'000, 6);
    bool taken = publisher_->Publish({.type = EntryType::kEvent,
                                      .user_id = user,
                                      .kind = "fleet.arrived",
                                      .payload = payload_,
                                      .event_id = id});
    if (!taken) return false;
    ++next_;
    ++totals_.sent;
    sent_.push_back(SteadyClock::now());
    return true;
  }
  size_t in_flight() const { return sent_.size(); }

 private:
  void OnOutcome(const PublishOutcome& outcome) override {
    totals_.times_ms.push_back(static_cast<float>(MsSince(sent_.front())));
    sent_.pop_front();
    ++(outcome.refusal ? totals_.refused : totals_.acknowledged);
    if (outcome.refusal && totals_.refused < 3)
      std::fprintf(stderr, "refused: %s\n", outcome.refusal->message.c_str());
    sync_.Take();
    // As fast as it goes: the next ones, when this turn's answers are all in.
    if (options_.rate > 0 || std::exchange(pump_deferred_, true)) return;
    loop_.Defer([this] {
      pump_deferred_ = false;
      pump_();
    });
  }
  void OnRoom() override {}
  void OnEnd(const Status& status) override {
    if (!status) Fail("the stream broke: " + status.error().message);
  }

  const Options& options_;
  Totals& totals_;
  SyncProbe& sync_;
  const std::function<void()>& pump_;
  Loop& loop_;
  bool pump_deferred_ = false;
  const std::string prefix_;
  const std::string payload_;
  uint64_t next_ = 0;
  std::deque<SteadyClock::time_point> sent_;
  std::unique_ptr<EventPublisher> publisher_;
};

class Subscriber final : private EntrySubscriberHandler {
 public:
  Subscriber(Loop& loop, const Options& options, size_t number) {
    subscriber_ =
        EntrySubscriber::Start(loop, {options.backend},
                               {.id = "load-" + std::to_string(number), .reconnect = true}, *this);
  }
  bool started = false;
  uint64_t entries = 0;

 private:
  void OnStart(const SubscriptionStart&) override { started = true; }
  bool OnEntry(const EntryView&) override {
    ++entries;
    return true;
  }
  void OnBroken(const Error&, uint64_t) override {}
  void OnEnded(const Error& error) override { Fail("a subscription ended: " + error.message); }

  std::unique_ptr<EntrySubscriber> subscriber_;
};

std::vector<std::unique_ptr<Subscriber>> Subscribe(Loop& loop, const Options& options, size_t from,
                                                   size_t count) {
  std::vector<std::unique_ptr<Subscriber>> all;
  for (size_t i = 0; i < count; ++i)
    all.push_back(std::make_unique<Subscriber>(loop, options, from + i));
  auto begin = SteadyClock::now();
  while (!std::all_of(all.begin(), all.end(), [](const auto& s) { return s->started; })) {
    loop.Poll();
    if (MsSince(begin) > 60'000) Fail("the subscribers are not accepted");
  }
  return all;
}

template <typename T>
double At(std::vector<T>& times, double part) {
  if (times.empty()) return 0;
  std::sort(times.begin(), times.end());
  return times[std::min(times.size() - 1,
                        static_cast<size_t>(part * static_cast<double>(times.size())))];
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int Run(const Options& options) {
  Loop loop;
  // They read for a while and then never again, one group after the other: at different lags.
  struct Stalled {
    Loop loop;
    std::vector<std::unique_ptr<Subscriber>> subscribers;
  };
  std::vector<std::unique_ptr<Stalled>> stalled;
  for (size_t begun = 0; begun < options.stalled; begun += kStalledGroup) {
    auto& group = *stalled.emplace_back(std::make_unique<Stalled>());
    size_t count = std::min(kStalledGroup, options.stalled - begun);
    group.subscribers = Subscribe(group.loop, options, begun, count);
  }
  auto reading = Subscribe(loop, options, options.stalled, options.subscribers - options.stalled);
  Totals totals;
  SyncProbe sync(options.sync_file);
  std::function<void()> pump;
  std::vector<std::unique_ptr<Stream>> streams;
  for (size_t i = 0; i < options.streams; ++i)
    streams.push_back(std::make_unique<Stream>(loop, options, i, totals, sync, pump));

  auto begin = SteadyClock::now();
  double cpu_begin = CpuSeconds();
  double answered_by_ms = options.seconds * 1000 + 60'000;
  pump = [&] {
    bool open = MsSince(begin) < options.seconds * 1000 && totals.sent < options.events;
    if (!open && totals.acknowledged + totals.refused == totals.sent) return loop.Stop();
    if (MsSince(begin) > answered_by_ms) Fail("not all was answered");
    uint64_t allowed = open ? options.events : 0;
    if (options.rate > 0)
      allowed = std::min(allowed, static_cast<uint64_t>(MsSince(begin) / 1000 * options.rate));
    for (bool any = true; any && totals.sent < allowed;) {
      any = false;
      for (auto& stream : streams) {
        for (int n = 0; n < 64 && totals.sent < allowed && stream->Publish(); ++n) any = true;
      }
    }
    for (size_t i = 0; i < stalled.size(); ++i) {
      if (totals.sent < i * kStalledEvents) stalled[i]->loop.Poll();
    }
  };
  // Finer than the loop's timers, so that a rate is no row of bursts.
  std::atomic<bool> ticking{true};
  std::thread ticks([&] {
    for (; ticking; std::this_thread::sleep_for(std::chrono::milliseconds(1))) loop.Post(pump);
  });
  loop.Run();
  ticking = false;
  ticks.join();
  double all_ms = MsSince(begin);
  uint64_t read_least = reading.empty() ? 0 : ~uint64_t{0};
  for (auto& subscriber : reading) read_least = std::min(read_least, subscriber->entries);
  uint64_t stalled_most = 0;
  for (auto& group : stalled) {
    for (auto& subscriber : group->subscribers)
      stalled_most = std::max(stalled_most, subscriber->entries);
  }
  std::printf(
      "{\"acknowledged\":%llu,\"refused\":%llu,\"seconds\":%.3f,\"per_second\":%.0f,"
      "\"ack_ms\":{\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,\"max\":%.2f},"
      "\"sync_ms\":{\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f},\"cpu_seconds\":%.2f,"
      "\"read_least\":%llu,\"stalled_most\":%llu}\n",
      static_cast<unsigned long long>(totals.acknowledged),
      static_cast<unsigned long long>(totals.refused), all_ms / 1000,
      static_cast<double>(totals.acknowledged) / all_ms * 1000, At(totals.times_ms, 0.5),
      At(totals.times_ms, 0.9), At(totals.times_ms, 0.99), At(totals.times_ms, 1),
      At(sync.times_ms, 0.5), At(sync.times_ms, 0.9), At(sync.times_ms, 0.99),
      CpuSeconds() - cpu_begin, static_cast<unsigned long long>(read_least),
      static_cast<unsigned long long>(stalled_most));
  std::fflush(stdout);
  return totals.refused == 0 ? 0 : 1;
}

}  // namespace
}  // namespace galaxy::push

int main(int argc, char** argv) { return galaxy::push::Run(galaxy::push::Parse(argc, argv)); }
