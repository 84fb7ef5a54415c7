// Clients of the servers that Galaxy Push is compared with.
#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "edge_load/dialect.h"

namespace galaxy::push::bench {
namespace {

// A server that sends each payload as a WebSocket message: the floor, Nchan.
class PlainDialect final : public Dialect {
 public:
  PlainDialect(std::string path, DialectOptions options)
      : path_(std::move(path)), options_(std::move(options)) {}
  std::string Greeting(const Identity& identity) const override {
    return UpgradeRequest(options_, path_ + options_.user(identity), "");
  }
  size_t Hear(Conn& conn, std::string_view bytes, Listener& listener) const override {
    size_t used = 0;
    if (conn.stage == Stage::kHead) {
      bool ok = false;
      used = HeadBytes(bytes, "101", ok);
      if (used == 0) return 0;
      if (!ok) {
        listener.OnBye(conn, bytes.substr(0, used));
        return used;
      }
      listener.OnReady(conn);
    }
    return used +
           WalkWebSocket(conn, bytes.substr(used), listener,
                         [&](uint8_t, std::string_view body) { listener.OnEvent(conn, body); });
  }

 private:
  std::string path_;
  DialectOptions options_;
};

// NATS over WebSocket: its text protocol in binary frames that may cut it anywhere.
class NatsDialect final : public Dialect {
 public:
  explicit NatsDialect(DialectOptions options) : options_(std::move(options)) {}
  std::string Greeting(const Identity&) const override { return UpgradeRequest(options_, "/", ""); }
  size_t Hear(Conn& conn, std::string_view bytes, Listener& listener) const override {
    size_t used = 0;
    if (conn.stage == Stage::kHead) {
      bool ok = false;
      used = HeadBytes(bytes, "101", ok);
      if (used == 0) return 0;
      if (!ok) {
        listener.OnBye(conn, bytes.substr(0, used));
        return used;
      }
      conn.stage = Stage::kJoining;
      // The PONG says that the subscription is known.
      listener.Reply(conn,
                     ClientFrame(0x2, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB " +
                                          options_.user(conn.identity) + " 1\r\nPING\r\n"));
    }
    auto inner = [&](std::string_view body) { return Lines(conn, body, listener); };
    return used +
           WalkWebSocket(conn, bytes.substr(used), listener,
                         [&](uint8_t, std::string_view body) { WalkInner(conn, body, inner); });
  }

 private:
  static size_t Lines(Conn& conn, std::string_view bytes, Listener& listener) {
    size_t used = 0;
    for (;;) {
      std::string_view rest = bytes.substr(used);
      size_t end = rest.find("\r\n");
      if (end == std::string_view::npos) return used;
      std::string_view line = rest.substr(0, end);
      size_t bytes_here = end + 2;
      if (line.starts_with("MSG ")) {
        size_t length = 0;
        std::string_view digits = line.substr(line.rfind(' ') + 1);
        std::from_chars(digits.data(), digits.data() + digits.size(), length);
        if (rest.size() < bytes_here + length + 2) return used;
        listener.OnEvent(conn, rest.substr(bytes_here, length));
        bytes_here += length + 2;
      } else if (line == "PING") {
        listener.Reply(conn, ClientFrame(0x2, "PONG\r\n"));
      } else if (line == "PONG") {
        if (conn.stage == Stage::kJoining) listener.OnReady(conn);
      } else if (line.starts_with("-ERR")) {
        listener.OnBye(conn, line);
      }
      used += bytes_here;
    }
  }

  DialectOptions options_;
};

}  // namespace

std::unique_ptr<Dialect> NewPeerDialect(std::string_view name, DialectOptions options) {
  if (name == "nats") return std::make_unique<NatsDialect>(std::move(options));
  return std::make_unique<PlainDialect>("/sub/", std::move(options));
}

}  // namespace galaxy::push::bench
