#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crypto/tls.h"
#include "edge_load/dialect.h"
#include "edge_load/measure.h"
#include "net/address.h"

namespace galaxy::push::bench {

constexpr size_t kGroupsMax = 16;

// Clients are all the clients of one load process, on one thread and one epoll: they connect, say
// who they are, and count what they are sent.
//
//   Limits  Descriptors of the process: 20,000 here.
//   Threads The thread that calls Turn(); shown() and waiting may be used by the one that
//   publishes. Cost    One read call a turn and socket, one buffer for all. Errors  What a server
//   says against a client is counted and the first is kept: refusal().
class Clients final : private Listener {
 public:
  Clients(const Address& server, const Dialect& dialect, std::shared_ptr<const TlsContext> tls);
  ~Clients() override;

  // Queues clients to connect; `burst` handshakes at most are under way at once.
  void Connect(const std::vector<Identity>& identities, size_t burst);
  // Handles what is ready, after at most `timeout_ms`.
  void Turn(int timeout_ms);
  int descriptor() const { return epoll_; }

  size_t ready() const { return ready_; }    // that were admitted, closed ones included
  size_t closed() const { return closed_; }  // by the server
  size_t caught_up() const { return caught_up_; }
  uint64_t delivered(uint32_t group) const { return delivered_[group]; }
  uint64_t bytes() const { return bytes_; }
  const std::string& refusal() const { return refusal_; }

  // Latency from the stamp in payloads of that group; null: not measured.
  void Time(Samples* samples, uint32_t group) { samples_ = samples, timed_group_ = group; }
  std::function<void(Conn&)> on_closed;
  std::function<void(Conn&)> on_caught_up;

  // For who publishes and waits for deliveries of one group.
  void Show(uint32_t group) { shown_group_ = group, shown_ = delivered_[group]; }
  uint64_t shown() const { return shown_.load(std::memory_order_acquire); }
  std::atomic<bool> waiting{false};
  int wake_descriptor() const { return wake_; }

 private:
  void OnEvent(Conn& conn, std::string_view body) override;
  void OnReady(Conn& conn) override;
  void OnCaughtUp(Conn& conn) override;
  void OnBye(Conn& conn, std::string_view text) override;
  void Reply(Conn& conn, std::string_view bytes) override;

  void ConnectNext();
  void Open(const Identity& identity);
  void OnReadable(Conn& conn);
  void OnConnected(Conn& conn);
  void Plain(Conn& conn, std::string_view bytes);
  void Ciphertext(Conn& conn, std::string_view bytes);
  void SendRaw(Conn& conn, std::string_view bytes);
  void Shut(Conn& conn);
  void CloseEnded();

  Address server_;
  const Dialect& dialect_;
  std::shared_ptr<const TlsContext> tls_;
  int epoll_;
  int wake_;
  std::vector<std::unique_ptr<Conn>> conns_;
  std::vector<Identity> queued_;
  size_t queued_next_ = 0, under_way_ = 0, burst_ = 0;
  size_t ready_ = 0, closed_ = 0, caught_up_ = 0;
  std::vector<int> ended_;  // descriptors that are still to be closed
  std::array<uint64_t, kGroupsMax> delivered_{};
  uint64_t bytes_ = 0;
  Samples* samples_ = nullptr;
  uint32_t timed_group_ = 0, shown_group_ = 0;
  std::atomic<uint64_t> shown_{0};
  std::string refusal_;
  std::vector<char> buffer_, plain_;
};

// The payload of an event, a JSON object of exactly `bytes` with the time in it; at least 64.
class StampedPayload {
 public:
  explicit StampedPayload(size_t bytes);
  std::string_view Now();

 private:
  std::string text_;
};
// When it was made; 0: there is no stamp in `body`, which is the payload in any encoding.
uint64_t StampIn(std::string_view body);

}  // namespace galaxy::push::bench
