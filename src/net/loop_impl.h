#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "net/loop.h"
#include "net/timer_wheel.h"

namespace galaxy::push {

// What net/ sees of a Loop.
struct Loop::Impl {
  static constexpr size_t kReadBufferBytes = 64 * 1024;

  explicit Impl(const Clock& clock_in);
  ~Impl();

  // One turn: sockets, posted functions, timers, deferred functions.
  void Turn(bool wait);
  void WaitForOne();
  void RunPosted();
  void RunDeferred();
  bool HasPosted();
  void Wake();

  boost::asio::io_context io{1};  // first: sockets inside the functions below need it to close
  const Clock& clock;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  std::unique_ptr<char[]> read_buffer = std::make_unique<char[]>(kReadBufferBytes);
  TimerWheel wheel;
  std::vector<Function> deferred;
  std::atomic<std::thread::id> thread{};
  std::atomic<bool> stop = false;

  std::mutex mutex;
  std::vector<Function> posted;  // guarded by mutex
  bool woken = false;            // guarded by mutex: the loop has been told of what is in posted
};

}  // namespace galaxy::push
