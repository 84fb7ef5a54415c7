// A client of galaxy.gateway.v1.Edge: one call on an HTTP/2 connection of its own, by hand, since
// 10,000 clients of a library would cost more than the server (RFC 9113, RFC 7541).
#include "edge_load/dialect.h"

namespace galaxy::push::bench {
namespace {

constexpr uint8_t kData = 0x0, kHeaders = 0x1, kResetStream = 0x3, kSettings = 0x4, kPing = 0x6;
constexpr uint8_t kGoaway = 0x7, kWindowUpdate = 0x8;
constexpr uint8_t kAck = 0x1, kEndStream = 0x1, kEndHeaders = 0x4;
constexpr size_t kFrameHead = 9;
constexpr size_t kMessageHead = 5;

void AppendNumber(std::string& out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xFF);
}

uint64_t NumberAt(std::string_view bytes, size_t at, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string out;
  AppendNumber(out, payload.size(), 3);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  AppendNumber(out, stream, 4);
  return out.append(payload);
}

// A length in front of text (RFC 7541 5.1, prefix of 7 bits).
void AppendHpackText(std::string& out, std::string_view text) {
  size_t left = text.size();
  if (left < 127) {
    out += static_cast<char>(left);
  } else {
    out += 127;
    for (left -= 127; left >= 128; left >>= 7) out += static_cast<char>((left & 0x7F) | 0x80);
    out += static_cast<char>(left);
  }
  out.append(text);
}

// Literal, without indexing (RFC 7541 6.2.2).
void AppendField(std::string& out, std::string_view name, std::string_view value) {
  out += '\0';
  AppendHpackText(out, name);
  AppendHpackText(out, value);
}

class GrpcDialect final : public Dialect {
 public:
  explicit GrpcDialect(DialectOptions options) : options_(std::move(options)) {}
  std::string Greeting(const Identity& identity) const override {
    std::string fields;
    AppendField(fields, ":method", "POST");
    AppendField(fields, ":scheme", options_.tls ? "https" : "http");
    AppendField(fields, ":path", "/galaxy.gateway.v1.Edge/Subscribe");
    AppendField(fields, ":authority", options_.authority);
    AppendField(fields, "content-type", "application/grpc");
    AppendField(fields, "te", "trailers");
    AppendField(fields, "authorization", "Bearer " + options_.token(identity));
    std::string request;
    std::string cursor = options_.cursor(identity);
    if (!cursor.empty()) {
      request += '\x0A';
      request += static_cast<char>(cursor.size());
      request += cursor;
    }
    std::string message(1, '\0');
    AppendNumber(message, request.size(), 4);
    message += request;
    std::string settings;
    AppendNumber(settings, 0x4, 2);  // SETTINGS_INITIAL_WINDOW_SIZE
    AppendNumber(settings, 0x7FFFFFFF, 4);
    std::string window;
    AppendNumber(window, 0x7FFFFFFF - 65'535, 4);
    return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, 0, settings) +
           Frame(kWindowUpdate, 0, 0, window) + Frame(kHeaders, kEndHeaders, 1, fields) +
           Frame(kData, kEndStream, 1, message);
  }
  size_t Hear(Conn& conn, std::string_view bytes, Listener& listener) const override {
    if (conn.stage == Stage::kHead) conn.stage = Stage::kJoining;
    size_t used = 0;
    while (bytes.size() - used >= kFrameHead && conn.stage != Stage::kClosed) {
      size_t length = NumberAt(bytes, used, 3);
      if (bytes.size() - used - kFrameHead < length) break;
      auto type = static_cast<uint8_t>(bytes[used + 3]);
      auto flags = static_cast<uint8_t>(bytes[used + 4]);
      std::string_view payload = bytes.substr(used + kFrameHead, length);
      used += kFrameHead + length;
      OnFrame(conn, type, flags, payload, listener);
    }
    return used;
  }

 private:
  static void OnFrame(Conn& conn, uint8_t type, uint8_t flags, std::string_view payload,
                      Listener& listener) {
    switch (type) {
      case kData:
        WalkInner(conn, payload,
                  [&](std::string_view body) { return Messages(conn, body, listener); });
        return;
      case kSettings:
        if ((flags & kAck) == 0) listener.Reply(conn, Frame(kSettings, kAck, 0, {}));
        return;
      case kPing:
        if ((flags & kAck) == 0) listener.Reply(conn, Frame(kPing, kAck, 0, payload));
        return;
      case kHeaders:  // with END_STREAM: trailers
        if (flags & kEndStream) listener.OnBye(conn, "the call ended");
        return;
      case kResetStream:
      case kGoaway:
        listener.OnBye(conn, "the call was reset");
        return;
      default:
        return;
    }
  }
  static size_t Messages(Conn& conn, std::string_view bytes, Listener& listener) {
    size_t used = 0;
    while (bytes.size() - used >= kMessageHead) {
      size_t length = NumberAt(bytes, used + 1, 4);
      if (bytes.size() - used - kMessageHead < length) break;
      HearProtoFrame(conn, bytes.substr(used + kMessageHead, length), listener);
      used += kMessageHead + length;
    }
    return used;
  }

  DialectOptions options_;
};

}  // namespace

std::unique_ptr<Dialect> NewGrpcDialect(DialectOptions options) {
  return std::make_unique<GrpcDialect>(std::move(options));
}

}  // namespace galaxy::push::bench
