// Clients of a gateway, one for each form of its edge (docs/edge-protocol.md).
#include <algorithm>
#include <charconv>

#include "edge_load/dialect.h"

namespace galaxy::push::bench {
namespace {

std::string Target(const DialectOptions& options, const Identity& identity) {
  std::string cursor = options.cursor(identity);
  return cursor.empty() ? "/v1/events" : "/v1/events?cursor=" + cursor;
}

std::string Bearer(const DialectOptions& options, const Identity& identity) {
  return "Authorization: Bearer " + options.token(identity) + "\r\n";
}

void HearJson(Conn& conn, std::string_view body, Listener& listener) {
  if (body.starts_with("{\"event\"")) return listener.OnEvent(conn, body);
  if (body.starts_with("{\"welcome\"")) return listener.OnReady(conn);
  if (body.starts_with("{\"caught_up\"")) return listener.OnCaughtUp(conn);
  if (body.starts_with("{\"bye\"") || body.starts_with("{\"gap\"")) listener.OnBye(conn, body);
}

class WebSocketDialect final : public Dialect {
 public:
  WebSocketDialect(bool proto, DialectOptions options)
      : proto_(proto), options_(std::move(options)) {}
  std::string Greeting(const Identity& identity) const override {
    std::string subprotocol = proto_ ? "galaxy.push.v1.pb" : "galaxy.push.v1";
    return UpgradeRequest(
        options_, Target(options_, identity),
        "Sec-WebSocket-Protocol: " + subprotocol + "\r\n" + Bearer(options_, identity));
  }
  size_t Hear(Conn& conn, std::string_view bytes, Listener& listener) const override {
    size_t used = 0;
    if (conn.stage == Stage::kHead) {
      bool ok = false;
      used = HeadBytes(bytes, "101", ok);
      if (used == 0) return 0;
      conn.stage = Stage::kJoining;
      if (!ok) {
        listener.OnBye(conn, bytes.substr(0, used));
        return used;
      }
    }
    return used +
           WalkWebSocket(conn, bytes.substr(used), listener, [&](uint8_t, std::string_view body) {
             proto_ ? HearProtoFrame(conn, body, listener) : HearJson(conn, body, listener);
           });
  }

 private:
  bool proto_;
  DialectOptions options_;
};

// Server-Sent Events over HTTP/1.1: lines within chunks, cut anywhere.
class SseDialect final : public Dialect {
 public:
  explicit SseDialect(DialectOptions options) : options_(std::move(options)) {}
  std::string Greeting(const Identity& identity) const override {
    return "GET " + Target(options_, identity) + " HTTP/1.1\r\nHost: " + options_.authority +
           "\r\nAccept: text/event-stream\r\n" + Bearer(options_, identity) + "\r\n";
  }
  size_t Hear(Conn& conn, std::string_view bytes, Listener& listener) const override {
    size_t used = 0;
    if (conn.stage == Stage::kHead) {
      bool ok = false;
      used = HeadBytes(bytes, "200", ok);
      if (used == 0) return 0;
      conn.stage = Stage::kJoining;
      if (!ok) {
        listener.OnBye(conn, bytes.substr(0, used));
        return used;
      }
    }
    while (used < bytes.size() && conn.stage != Stage::kClosed) {
      size_t taken = Chunk(conn, bytes.substr(used), listener);
      if (taken == 0) break;
      used += taken;
    }
    return used;
  }

 private:
  // Of a chunk its size line, its bytes, and the line end after them count as `framing_left`.
  static size_t Chunk(Conn& conn, std::string_view bytes, Listener& listener) {
    if (conn.framing_left > 2) {
      size_t here = std::min<uint64_t>(bytes.size(), conn.framing_left - 2);
      conn.framing_left -= here;
      WalkInner(conn, bytes.substr(0, here),
                [&](std::string_view body) { return Events(conn, body, listener); });
      return here;
    }
    if (conn.framing_left > 0) {
      size_t here = std::min<uint64_t>(bytes.size(), conn.framing_left);
      conn.framing_left -= here;
      return here;
    }
    size_t end = bytes.find("\r\n");
    if (end == std::string_view::npos) return 0;
    uint64_t size = 0;
    std::from_chars(bytes.data(), bytes.data() + end, size, 16);
    if (size == 0) listener.OnBye(conn, "the stream ended");
    conn.framing_left = size + 2;
    return end + 2;
  }
  static size_t Events(Conn& conn, std::string_view bytes, Listener& listener) {
    size_t used = 0;
    for (;;) {
      size_t end = bytes.find("\n\n", used);
      if (end == std::string_view::npos) return used;
      std::string_view event = bytes.substr(used, end - used);
      used = end + 2;
      // The data line is the last.
      size_t data = event.starts_with("data: ") ? 0 : event.find("\ndata: ");
      if (data == std::string_view::npos) continue;
      HearJson(conn, event.substr(event.find('{', data)), listener);
    }
  }

  DialectOptions options_;
};

}  // namespace

void HearProtoFrame(Conn& conn, std::string_view message, Listener& listener) {
  constexpr auto Tag = [](int field) { return static_cast<char>(field << 3 | 2); };
  if (message.empty()) return;
  if (message[0] == Tag(2)) return listener.OnEvent(conn, message);
  if (message[0] == Tag(1)) return listener.OnReady(conn);
  if (message[0] == Tag(3)) return listener.OnCaughtUp(conn);
  if (message[0] == Tag(5) || message[0] == Tag(7)) listener.OnBye(conn, message);
}

std::unique_ptr<Dialect> NewGalaxyDialect(std::string_view name, DialectOptions options) {
  if (name == "ws") return std::make_unique<WebSocketDialect>(false, std::move(options));
  if (name == "pb") return std::make_unique<WebSocketDialect>(true, std::move(options));
  if (name == "sse") return std::make_unique<SseDialect>(std::move(options));
  if (name == "grpc") return NewGrpcDialect(std::move(options));
  return nullptr;
}

}  // namespace galaxy::push::bench
