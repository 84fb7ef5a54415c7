#include <array>

#include "base/ids.h"
#include "base/random.h"
#include "http/websocket.h"

namespace galaxy::push {
namespace {

constexpr size_t kReasonBytesMax = 123;  // 125 of a control frame, less the code

void AppendHeader(std::string& out, WebSocketOpcode opcode, size_t payload_bytes, uint8_t mask) {
  out += static_cast<char>(0x80 | static_cast<uint8_t>(opcode));  // always the final fragment
  int length_bytes = 0;
  if (payload_bytes < 126) {
    out += static_cast<char>(mask | payload_bytes);
  } else {
    length_bytes = payload_bytes <= 0xFFFF ? 2 : 8;
    out += static_cast<char>(mask | (length_bytes == 2 ? 126 : 127));
  }
  while (length_bytes-- > 0) out += static_cast<char>(payload_bytes >> (8 * length_bytes));
}

}  // namespace

size_t ServerFrameHeaderBytes(size_t payload_bytes) {
  if (payload_bytes < 126) return 2;
  return payload_bytes <= 0xFFFF ? 4 : 10;
}

void AppendServerFrameHeader(std::string& out, WebSocketOpcode opcode, size_t payload_bytes) {
  AppendHeader(out, opcode, payload_bytes, 0);
}

void AppendServerFrame(std::string& out, WebSocketOpcode opcode, std::string_view payload) {
  AppendHeader(out, opcode, payload.size(), 0);
  out += payload;
}

void AppendClientFrame(std::string& out, WebSocketOpcode opcode, std::string_view payload) {
  AppendHeader(out, opcode, payload.size(), 0x80);
  std::array<unsigned char, 4> mask;
  RandomBytes(mask);
  for (unsigned char byte : mask) out += static_cast<char>(byte);
  for (size_t i = 0; i < payload.size(); ++i) {
    out += static_cast<char>(static_cast<unsigned char>(payload[i]) ^ mask[i % 4]);
  }
}

std::string ClosePayload(uint16_t code, std::string_view reason) {
  // 1005 and 1006 say that there was no code; they are not sent (RFC 6455 7.4.1).
  if (code < 1000 || code == 1005 || code == 1006) return {};
  if (!IsValidUtf8(reason)) reason = {};
  if (reason.size() > kReasonBytesMax) {
    size_t end = kReasonBytesMax;
    while ((static_cast<unsigned char>(reason[end]) & 0xC0) == 0x80) --end;
    reason = reason.substr(0, end);
  }
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
  payload += reason;
  return payload;
}

void AppendServerClose(std::string& out, uint16_t code, std::string_view reason) {
  AppendServerFrame(out, WebSocketOpcode::kClose, ClosePayload(code, reason));
}

}  // namespace galaxy::push
