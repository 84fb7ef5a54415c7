#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "net/loop.h"
#include "net/timer_wheel.h"

namespace galaxy::push {

// What net/ sees of a Loop.
struct Loop::Impl {
  static constexpr size_t kReadBufferBytes = 64 * 1024;

  Impl(const Clock& clock_in, Network* network_in);
  ~Impl();

  // One turn: sockets, posted functions, timers, deferred functions.
  void Turn(bool wait);
  void WaitForOne();
  void RunPosted();
  void RunDeferred();
  void HandleReady();
  bool HasPosted();
  void Wake();

  // What it waits with; a loop with a network of its own has none.
  struct System {
    System() : io(1), work(io.get_executor()) {}
    boost::asio::io_context io;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  };
  boost::asio::io_context& io() { return system->io; }

  std::optional<System> system;  // first: sockets inside the functions below need it to close
  Network* const network;
  const Clock& clock;
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
