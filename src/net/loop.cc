#include "net/loop.h"

#include <boost/asio/post.hpp>
#include <chrono>

#include "base/check.h"
#include "net/loop_impl.h"
#include "net/network.h"

namespace galaxy::push {
namespace {

// Bounds of one turn, so that deferred functions (flushes) wait for no endless stream of events.
constexpr int kEventsPerTurn = 256;
constexpr uint64_t kEventsMs = 1;  // some are a token's verification
constexpr int kDeferredRounds = 8;

}  // namespace

Loop::Impl::Impl(const Clock& clock_in, Network* network_in)
    : network(network_in), clock(clock_in), wheel(clock_in.MonoMs()) {
  if (network == nullptr) system.emplace();
}

Loop::Impl::~Impl() {
  // What was never run may own connections and post again as it goes.
  for (;;) {
    std::vector<Function> last_deferred;
    last_deferred.swap(deferred);
    std::vector<Function> last_posted;
    {
      std::lock_guard lock(mutex);
      last_posted.swap(posted);
    }
    if (last_deferred.empty() && last_posted.empty()) break;
  }
}

void Loop::Impl::Wake() {
  if (system) boost::asio::post(io(), [] {});
}

bool Loop::Impl::HasPosted() {
  std::lock_guard lock(mutex);
  return !posted.empty();
}

void Loop::Impl::WaitForOne() {
  uint64_t next_ms = wheel.NextMs();
  if (next_ms == ~uint64_t{0}) {
    io().run_one();
    return;
  }
  uint64_t now_ms = clock.MonoMs();
  if (next_ms > now_ms) io().run_one_for(std::chrono::milliseconds(next_ms - now_ms));
}

void Loop::Impl::Turn(bool wait) {
  if (wait && deferred.empty() && !HasPosted()) WaitForOne();
  HandleReady();
  RunPosted();
  wheel.Advance(clock.MonoMs());
  RunDeferred();
}

void Loop::Impl::HandleReady() {
  uint64_t began_ms = clock.MonoMs();
  for (int i = 0; i < kEventsPerTurn && clock.MonoMs() <= began_ms + kEventsMs; ++i) {
    if (network != nullptr ? !network->HandleOne() : io().poll_one() == 0) return;
  }
}

void Loop::Impl::RunPosted() {
  std::vector<Function> batch;
  {
    std::lock_guard lock(mutex);
    batch.swap(posted);
    woken = false;
  }
  for (Function& function : batch) {
    function();
    function = nullptr;  // what it held goes now, in order
  }
}

void Loop::Impl::RunDeferred() {
  for (int round = 0; round < kDeferredRounds && !deferred.empty(); ++round) {
    std::vector<Function> batch;
    batch.swap(deferred);
    for (Function& function : batch) {
      function();
      function = nullptr;
    }
    if (deferred.empty()) {  // keep the memory for the next turn
      batch.clear();
      deferred.swap(batch);
    }
  }
}

Loop::Loop(const Clock& clock, Network* network) : impl_(std::make_unique<Impl>(clock, network)) {}

Loop::~Loop() = default;

void Loop::Run() {
  CHECK(impl_->network == nullptr);
  impl_->thread = std::this_thread::get_id();
  while (!impl_->stop.exchange(false)) impl_->Turn(true);
  impl_->thread = std::thread::id();
}

void Loop::Stop() {
  impl_->stop = true;
  impl_->Wake();
}

void Loop::Poll() {
  std::thread::id outer = impl_->thread.exchange(std::this_thread::get_id());
  impl_->Turn(false);
  impl_->thread = outer;
}

void Loop::Post(Function function) {
  bool wake = false;
  {
    std::lock_guard lock(impl_->mutex);
    impl_->posted.push_back(std::move(function));
    wake = !std::exchange(impl_->woken, true);
  }
  // The loop's own thread looks before it waits.
  if (wake && impl_->thread != std::this_thread::get_id()) impl_->Wake();
}

void Loop::Defer(Function function) { impl_->deferred.push_back(std::move(function)); }

Timer Loop::RunAfter(uint64_t delay_ms, Function function) {
  uint64_t now_ms = impl_->clock.MonoMs();
  uint64_t at_ms = delay_ms > ~uint64_t{0} / 2 - now_ms ? ~uint64_t{0} / 2 : now_ms + delay_ms;
  return Timer(impl_->wheel.Add(at_ms, std::move(function)));
}

bool Loop::InLoopThread() const {
  std::thread::id id = impl_->thread;
  return id == std::thread::id() || id == std::this_thread::get_id();
}

bool Loop::HasWork() const { return !impl_->deferred.empty() || impl_->HasPosted(); }

uint64_t Loop::NextTimerMs() const { return impl_->wheel.NextMs(); }

const Clock& Loop::clock() const { return impl_->clock; }

Network* Loop::network() const { return impl_->network; }

}  // namespace galaxy::push
