#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "edge_load/conn.h"

namespace galaxy::push::bench {

// Who hears what a server says to one client.
class Listener {
 public:
  virtual ~Listener() = default;
  // One delivered event; `body` holds its payload somewhere and is valid during the call.
  virtual void OnEvent(Conn& conn, std::string_view body) = 0;
  // The client is admitted: what is published from now on reaches it.
  virtual void OnReady(Conn& conn) = 0;
  virtual void OnCaughtUp(Conn& conn) = 0;
  // The server said why it ends the connection, or something that cannot be.
  virtual void OnBye(Conn& conn, std::string_view text) = 0;
  virtual void Reply(Conn& conn, std::string_view bytes) = 0;
};

// What a client of one kind of server says and hears.
//
//   State    Of a connection in its Conn; a dialect has none.
//   Cost     Frames are walked in place; a piece of one is kept until the rest comes.
class Dialect {
 public:
  virtual ~Dialect() = default;
  // The first bytes: an upgrade, or a request.
  virtual std::string Greeting(const Identity& identity) const = 0;
  // Bytes from the server. Returns how many are used; the rest comes again with what follows.
  virtual size_t Hear(Conn& conn, std::string_view bytes, Listener& listener) const = 0;
};

struct DialectOptions {
  std::string authority;
  bool tls = false;
  // For Galaxy: the token of a client, and the cursor that it resumes from, or empty.
  std::function<std::string(const Identity&)> token;
  std::function<std::string(const Identity&)> cursor;
  // The name of a user or channel.
  std::function<std::string(const Identity&)> user;
};

// "ws", "pb", "sse", "grpc" of Galaxy Push; "floor", "nchan", "nats". Null: no such.
std::unique_ptr<Dialect> NewDialect(std::string_view name, DialectOptions options);
std::unique_ptr<Dialect> NewGalaxyDialect(std::string_view name, DialectOptions options);
std::unique_ptr<Dialect> NewGrpcDialect(DialectOptions options);
std::unique_ptr<Dialect> NewPeerDialect(std::string_view name, DialectOptions options);

// --- For dialects ---

// One message galaxy.gateway.v1.Frame.
void HearProtoFrame(Conn& conn, std::string_view message, Listener& listener);

// The bytes of a whole response head, 0 while it is not there; `ok`: its status is `status`.
size_t HeadBytes(std::string_view bytes, std::string_view status, bool& ok);
std::string UpgradeRequest(const DialectOptions& options, std::string_view target,
                           std::string_view more_fields);
// A masked frame; the mask is zero, since nothing here stands between.
std::string ClientFrame(uint8_t opcode, std::string_view payload);

// Calls `on_frame(opcode, body)` for each whole WebSocket frame, answers pings, and returns how
// many bytes were used.
template <typename OnFrame>
size_t WalkWebSocket(Conn& conn, std::string_view bytes, Listener& listener, OnFrame on_frame) {
  size_t used = 0;
  while (bytes.size() - used >= 2) {
    auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[used + i]); };
    size_t head = 2;
    uint64_t length = at(1) & 0x7F;
    if (length >= 126) head += length == 126 ? 2 : 8;
    if (bytes.size() - used < head) break;
    if (head > 2) {
      length = 0;
      for (size_t i = 2; i < head; ++i) length = length << 8 | at(i);
    }
    if (bytes.size() - used - head < length) break;
    uint8_t opcode = at(0) & 0x0F;
    std::string_view body = bytes.substr(used + head, length);
    used += head + length;
    if (opcode == 0x9) {
      listener.Reply(conn, ClientFrame(0xA, body));
    } else if (opcode == 0x8) {  // answered, as RFC 6455 5.5.1 has it: the server may close now
      listener.Reply(conn, ClientFrame(0x8, body.substr(0, 2)));
      listener.OnBye(conn, body.size() > 2 ? body.substr(2) : body);
    } else {
      on_frame(opcode, body);
    }
    if (conn.stage == Stage::kClosed) break;
  }
  return used;
}

// Hands `body`, behind what was left of the one before, to `walk(bytes)`, which returns how many
// bytes it used.
template <typename Walk>
void WalkInner(Conn& conn, std::string_view body, Walk walk) {
  if (conn.inner.empty()) {
    size_t used = walk(body);
    if (used < body.size()) conn.inner.assign(body.substr(used));
    return;
  }
  conn.inner.append(body);
  size_t used = walk(std::string_view(conn.inner));
  conn.inner.erase(0, used);
}

}  // namespace galaxy::push::bench
