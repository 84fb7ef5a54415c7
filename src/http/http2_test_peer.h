#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/connection.h"

namespace galaxy::push {

// A connection without a socket: the test decides what the kernel takes.
struct FakeSocket {
  ConnectionHandler* handler = nullptr;
  std::string written;
  std::vector<const void*> bases;  // of everything that was offered
  size_t capacity = SIZE_MAX;
  size_t unsent = 0;  // of what was written, not acknowledged by the peer's kernel
  int writes = 0;
  bool half_closed = false, closed = false, reset = false;
};

class FakeConnection final : public Connection {
 public:
  explicit FakeConnection(std::shared_ptr<FakeSocket> socket) : socket_(std::move(socket)) {}
  ~FakeConnection() override { socket_->handler = nullptr; }
  void Start(ConnectionHandler& handler) override { socket_->handler = &handler; }
  size_t Write(std::span<const iovec> bytes) override {
    ++socket_->writes;
    size_t taken = 0;
    for (const iovec& part : bytes) {
      socket_->bases.push_back(part.iov_base);
      size_t size = std::min(part.iov_len, socket_->capacity);
      socket_->written.append(static_cast<const char*>(part.iov_base), size);
      socket_->capacity -= size;
      taken += size;
      if (size < part.iov_len) break;
    }
    return taken;
  }
  void Detach() override { socket_->handler = nullptr; }
  void PauseReading() override {}
  void ResumeReading() override {}
  void ShutdownWrite() override { socket_->half_closed = true; }
  void Close() override { socket_->closed = true; }
  void Reset() override { socket_->reset = true; }
  size_t UnsentBytes() const override { return socket_->unsent; }
  const Address& peer() const override { return peer_; }

 private:
  std::shared_ptr<FakeSocket> socket_;
  Address peer_{"127.0.0.1", 1};
};

// Frames by hand (RFC 9113 4.1).
struct RawFrame {
  int type = 0;
  int flags = 0;
  int32_t stream = 0;
  std::string payload;
};

namespace h2 {
inline constexpr int kData = 0, kHeaders = 1, kPriority = 2, kReset = 3, kSettings = 4, kPing = 6,
                     kGoaway = 7, kWindowUpdate = 8, kContinuation = 9;
inline constexpr int kEndStream = 1, kAck = 1, kEndHeaders = 4, kPadded = 8;
inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline std::string U32(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}
inline uint32_t ReadU32(std::string_view bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}
inline std::string Frame(int type, int flags, int32_t stream, std::string_view payload) {
  std::string out = U32(static_cast<uint32_t>(payload.size())).substr(1);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  out += U32(static_cast<uint32_t>(stream));
  out += payload;
  return out;
}
inline std::string Setting(int id, uint32_t value) {
  return std::string{static_cast<char>(id >> 8), static_cast<char>(id)} + U32(value);
}
// Literal fields without indexing (RFC 7541 6.2.2); names and values under 127 bytes.
using Fields = std::vector<std::pair<std::string, std::string>>;
inline std::string Block(const Fields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out += '\0';
    out += static_cast<char>(name.size());
    out += name;
    out += static_cast<char>(value.size());
    out += value;
  }
  return out;
}
// Cuts whole frames off the front of `bytes`.
inline std::vector<RawFrame> TakeFrames(std::string& bytes) {
  std::vector<RawFrame> frames;
  size_t at = 0;
  while (bytes.size() - at >= 9) {
    std::string_view head = std::string_view(bytes).substr(at, 9);
    size_t size = ReadU32(head) >> 8;
    if (bytes.size() - at < 9 + size) break;
    frames.push_back({head[3], head[4], static_cast<int32_t>(ReadU32(head.substr(5))),
                      bytes.substr(at + 9, size)});
    at += 9 + size;
  }
  bytes.erase(0, at);
  return frames;
}
}  // namespace h2

}  // namespace galaxy::push
