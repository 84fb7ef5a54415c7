#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "log_nats/nats_fixture.h"

namespace galaxy::push {

// A way to a server of 127.0.0.1 that a test can cut: nothing passes then, and nobody is told, as
// when a cable is pulled. What is under way is lost when the cut is mended: those connections end.
class NatsRelay {
 public:
  explicit NatsRelay(const std::string& url)
      : server_port_(static_cast<uint16_t>(std::atoi(url.substr(url.rfind(':') + 1).c_str()))),
        listener_(Listen()),
        thread_([this] { Run(); }) {}
  ~NatsRelay() {
    stop_ = true;
    thread_.join();
    Drop();
    close(listener_);
  }
  NatsRelay(const NatsRelay&) = delete;
  NatsRelay& operator=(const NatsRelay&) = delete;

  void Cut() {
    cut_ = true;
    CHECK(WaitFor([this] { return is_cut_.load(); }));
  }
  void Mend() { cut_ = false; }
  std::string url() const { return "nats://127.0.0.1:" + std::to_string(port_); }

 private:
  static sockaddr_in Loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  int Listen() {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    CHECK(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
    CHECK(listen(fd, 16) == 0);
    CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    return fd;
  }
  void Run() {
    while (!stop_) {
      bool cut = cut_;
      if (is_cut_ && !cut) Drop();
      is_cut_ = cut;
      std::vector<pollfd> ready = {{listener_, POLLIN, 0}};
      for (const auto& [from, to] : pairs_) {
        ready.push_back({from, POLLIN, 0});
        ready.push_back({to, POLLIN, 0});
      }
      // While it is cut, what comes is left where it is.
      if (cut) ready.clear();
      poll(ready.data(), ready.size(), 5);
      if (cut) continue;
      std::vector<std::pair<int, int>> kept;
      for (size_t i = 0; i < pairs_.size(); ++i) {
        auto [client, server] = pairs_[i];
        bool open = (ready[2 * i + 1].revents == 0 || Pass(client, server)) &&
                    (ready[2 * i + 2].revents == 0 || Pass(server, client));
        if (open) {
          kept.push_back(pairs_[i]);
        } else {
          close(client), close(server);
        }
      }
      pairs_ = std::move(kept);
      if (ready[0].revents != 0) Accept();
    }
  }
  void Accept() {
    int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(server_port_);
    if (connect(server, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
      pairs_.emplace_back(client, server);
    } else {
      close(client), close(server);
    }
  }
  static bool Pass(int from, int to) {
    std::array<char, 65536> bytes;
    ssize_t got = recv(from, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    for (ssize_t sent = 0; sent < got;) {
      ssize_t n = send(to, bytes.data() + sent, static_cast<size_t>(got - sent), MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += n;
    }
    return true;
  }
  void Drop() {
    for (const auto& [client, server] : pairs_) close(client), close(server);
    pairs_.clear();
  }

  const uint16_t server_port_;
  uint16_t port_ = 0;
  std::vector<std::pair<int, int>> pairs_;
  std::atomic<bool> cut_{false};
  std::atomic<bool> is_cut_{false};
  std::atomic<bool> stop_{false};
  const int listener_;
  std::thread thread_;
};

}  // namespace galaxy::push
