#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "log_nats/nats_connection.h"
#include "log_nats/nats_handle.h"

namespace galaxy::push {

// NatsReader reads one JetStream stream from a place on, for ever, by ordered consumers of the
// library: in order, nothing twice. When a consumer is of no use any more (the connection was made
// anew, the server that had it is gone, a message that is known to be there does not come), it goes
// on with another one after the last message.
//
//   Threads   One of its own, on which `on_message` runs. Expect(), Stop(), counters: any.
//   Lifetime  `connection` outlives it. Its thread has ended when Stop() returns.
class NatsReader {
 public:
  // For so long a message that is known to be there may not come, and a consumer not be made.
  static constexpr int kOverdueMs = 1'000;

  struct Message {
    uint64_t sequence;
    uint64_t time_ms;
    std::string_view bytes;
  };
  using OnMessage = std::function<void(const Message&)>;

  // Starts to read at `first`.
  NatsReader(const NatsConnection& connection, std::string stream, std::string subject,
             uint64_t first, OnMessage on_message);
  ~NatsReader();
  NatsReader(const NatsReader&) = delete;
  NatsReader& operator=(const NatsReader&) = delete;

  // The message at `sequence` is in the stream.
  void Expect(uint64_t sequence);
  void Stop();
  // How often a consumer was made after the first.
  uint64_t begun_anew() const { return consumers_ > 0 ? consumers_ - 1 : 0; }
  // How far it is, for people.
  std::string Describe() const;

 private:
  void Run();
  bool Subscribe();
  void ReadOn();
  void Take(natsMsg* message);
  bool Overdue();

  const NatsConnection& connection_;
  const std::string stream_;
  const std::string subject_;
  const OnMessage on_message_;
  std::atomic<uint64_t> expected_{0};
  std::atomic<uint64_t> consumers_{0};
  std::atomic<uint64_t> newest_{0};
  std::atomic<int> failure_{0}, failure_code_{0};  // of the last try for a consumer
  std::atomic<bool> stopping_{false};

  // The thread's alone.
  JsContextHandle context_;
  NatsSubscriptionHandle subscription_;
  uint64_t next_;
  uint64_t reconnects_ = 0;
  int64_t moved_ms_ = 0;  // when the last message came, or nothing was expected
  std::thread thread_;
};

}  // namespace galaxy::push
