// The publishing sides of the servers that Galaxy Push is compared with.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <vector>

#include "edge_load/publisher.h"

namespace galaxy::push::bench {
namespace {

constexpr size_t kQueueBytesMax = 1 << 20;

// A TCP connection that is written to without waiting.
class Pipe {
 public:
  explicit Pipe(const Address& address) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(address.port);
    inet_pton(AF_INET, address.host.c_str(), &to.sin_addr);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
      Die(std::string("publisher: connect: ") + strerror(errno));
    int one = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() { close(fd_); }

  std::string& out() { return out_; }
  bool full() const { return out_.size() - sent_ >= kQueueBytesMax; }
  bool Send() {
    while (sent_ < out_.size()) {
      ssize_t sent = send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) return false;
      if (sent < 0) Die(std::string("publisher: send: ") + strerror(errno));
      sent_ += static_cast<size_t>(sent);
    }
    out_.clear();
    sent_ = 0;
    return true;
  }
  // What has come, valid until the next call.
  std::string_view Receive() {
    ssize_t got = recv(fd_, in_.data(), in_.size(), 0);
    if (got == 0) Die("publisher: the server closed the connection");
    return {in_.data(), got < 0 ? 0 : static_cast<size_t>(got)};
  }

 private:
  int fd_;
  std::string out_;
  size_t sent_ = 0;
  std::array<char, 65'536> in_;
};

// The floor's own: u32 length of name, u32 length of payload, both big-endian,
// name, payload.
class FramedPublisher final : public Publisher {
 public:
  explicit FramedPublisher(const Address& address) : pipe_(address) {}
  bool Publish(std::string_view user, std::string_view payload) override {
    if (pipe_.full()) return false;
    std::array<uint32_t, 2> head = {htonl(static_cast<uint32_t>(user.size())),
                                    htonl(static_cast<uint32_t>(payload.size()))};
    pipe_.out().append(reinterpret_cast<const char*>(head.data()), sizeof head);
    pipe_.out().append(user).append(payload);
    ++published_;
    return true;
  }
  void Turn() override { pipe_.Send(); }
  uint64_t answered() const override { return published_; }

 private:
  Pipe pipe_;
  uint64_t published_ = 0;
};

class NatsPublisher final : public Publisher {
 public:
  explicit NatsPublisher(const Address& address) : pipe_(address) {
    pipe_.out() = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";
  }
  bool Publish(std::string_view user, std::string_view payload) override {
    if (pipe_.full()) return false;
    pipe_.out().append("PUB ").append(user).append(" ").append(std::to_string(payload.size()));
    pipe_.out().append("\r\n").append(payload).append("\r\n");
    ++published_;
    return true;
  }
  void Turn() override {
    pipe_.Send();
    std::string_view said = pipe_.Receive();
    if (said.find("-ERR") != std::string_view::npos) Die("NATS: " + std::string(said));
    if (said.find("PING\r\n") != std::string_view::npos) pipe_.out() += "PONG\r\n";
  }
  uint64_t answered() const override { return published_; }

 private:
  Pipe pipe_;
  uint64_t published_ = 0;
};

// POSTs in flight on a few kept connections, in turn.
class NchanPublisher final : public Publisher {
 public:
  explicit NchanPublisher(const Address& address) : authority_(address.ToString()) {
    for (size_t i = 0; i < kConnections; ++i) pipes_.push_back(std::make_unique<Pipe>(address));
  }
  bool Publish(std::string_view user, std::string_view payload) override {
    Pipe& pipe = *pipes_[published_ % kConnections];
    if (pipe.full()) return false;
    pipe.out().append("POST /pub/").append(user).append(" HTTP/1.1\r\nHost: ").append(authority_);
    pipe.out().append("\r\nContent-Length: ").append(std::to_string(payload.size()));
    pipe.out().append("\r\n\r\n").append(payload);
    ++published_;
    return true;
  }
  void Turn() override {
    size_t place = 0;
    for (auto& pipe : pipes_) {
      pipe->Send();
      Count(pipe->Receive(), tails_[place++]);
    }
  }
  uint64_t answered() const override { return answered_; }

 private:
  // `tail`: what of an answer's first bytes the read before ended with.
  void Count(std::string_view said, std::string& tail) {
    constexpr std::string_view kBegin = "HTTP/1.1 2";
    std::string text = tail.append(said);
    for (size_t at = 0; (at = text.find(kBegin, at)) != std::string::npos; at += kBegin.size())
      ++answered_;
    if (size_t at = text.find("HTTP/1.1 4"); at != std::string::npos)
      Die("Nchan: " + text.substr(at));
    tail = text.substr(text.size() - std::min(text.size(), kBegin.size() - 1));
  }

  static constexpr size_t kConnections = 4;
  std::array<std::string, kConnections> tails_;
  std::string authority_;
  std::vector<std::unique_ptr<Pipe>> pipes_;
  uint64_t published_ = 0, answered_ = 0;
};

}  // namespace

std::unique_ptr<Publisher> NewPublisher(std::string_view name, const Address& address) {
  if (name == "nats") return std::make_unique<NatsPublisher>(address);
  if (name == "nchan") return std::make_unique<NchanPublisher>(address);
  if (name == "floor") return std::make_unique<FramedPublisher>(address);
  return NewGalaxyPublisher(address);
}

}  // namespace galaxy::push::bench
