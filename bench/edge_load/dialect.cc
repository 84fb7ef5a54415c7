#include "edge_load/dialect.h"

namespace galaxy::push::bench {

std::unique_ptr<Dialect> NewDialect(std::string_view name, DialectOptions options) {
  if (name == "floor" || name == "nchan" || name == "nats")
    return NewPeerDialect(name, std::move(options));
  return NewGalaxyDialect(name, std::move(options));
}

size_t HeadBytes(std::string_view bytes, std::string_view status, bool& ok) {
  size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  ok = bytes.size() > 12 && bytes.substr(9, 3) == status;
  return end + 4;
}

std::string UpgradeRequest(const DialectOptions& options, std::string_view target,
                           std::string_view more_fields) {
  std::string out = "GET ";
  out.append(target).append(" HTTP/1.1\r\nHost: ").append(options.authority);
  out +=
      "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  return out.append(more_fields) + "\r\n";
}

std::string ClientFrame(uint8_t opcode, std::string_view payload) {
  std::string out(1, static_cast<char>(0x80 | opcode));
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xFF);
  }
  return out.append(4, '\0').append(payload);
}

}  // namespace galaxy::push::bench
