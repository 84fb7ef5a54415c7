#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/ids.h"
#include "http/websocket.h"

namespace galaxy::push {
namespace {

bool IsControl(uint8_t opcode) { return wslay_is_ctrl_frame(opcode); }

bool IsKnown(uint8_t opcode) { return opcode <= 0x2 || (opcode >= 0x8 && opcode <= 0xA); }

// Codes that a peer may send (RFC 6455 7.4).
bool IsCloseCode(uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

size_t FrameHeaderBytes(const wslay_frame_iocb& frame) {
  return ServerFrameHeaderBytes(frame.payload_length) + (frame.mask ? 4 : 0);
}

}  // namespace

// Lives from the first byte of a message to its last.
struct WebSocketReceiver::Parser {
  Parser() {
    wslay_frame_callbacks callbacks{};
    callbacks.recv_callback = [](uint8_t* buffer, size_t size, int, void* self) -> ssize_t {
      return static_cast<Parser*>(self)->Give(buffer, size);
    };
    CHECK(wslay_frame_context_init(&context, &callbacks, this) == 0);
  }
  ~Parser() { wslay_frame_context_free(context); }
  Parser(const Parser&) = delete;

  ssize_t Give(uint8_t* buffer, size_t size) {
    if (input.empty()) return -1;
    size = std::min(size, input.size());
    std::memcpy(buffer, input.data(), size);
    input.remove_prefix(size);
    given += size;
    return static_cast<ssize_t>(size);
  }
  // Nothing is left over: no frame and no message has begun.
  bool AtBoundary() const { return !in_frame && opcode == 0 && given == used; }

  wslay_frame_context_ptr context = nullptr;
  std::string_view input;
  uint64_t given = 0;  // bytes that wslay took
  uint64_t used = 0;   // bytes of whole frames, and of the frame at hand as far as it was read
  bool in_frame = false;
  uint64_t frame_left = 0;
  uint8_t opcode = 0;  // of the fragmented message that is being received, 0: none
  size_t fragments = 0;
  std::string message;
  std::string control;
};

WebSocketReceiver::WebSocketReceiver(Role role, const WebSocketLimits& limits,
                                     WebSocketHandler& handler)
    : handler_(handler), limits_(limits), role_(role) {}

WebSocketReceiver::~WebSocketReceiver() {
  if (destroyed_) *destroyed_ = true;
}

void WebSocketReceiver::Feed(std::string_view bytes, uint64_t now_ms) {
  if (ended_ || bytes.empty()) return;
  // On the stack, since a handler may destroy the receiver.
  std::unique_ptr<Parser> parser = std::move(parser_);
  if (!parser) parser = std::make_unique<Parser>();
  parser->input = bytes;
  bool destroyed = false;
  destroyed_ = &destroyed;
  while (Step(*parser, now_ms) && !destroyed && !ended_) {
  }
  if (destroyed) return;
  destroyed_ = nullptr;
  if (!ended_ && !parser->AtBoundary()) parser_ = std::move(parser);
}

// One piece of a frame. False when the input is used up, or at the end. After a callback nothing of
// `this` may be touched.
bool WebSocketReceiver::Step(Parser& parser, uint64_t now_ms) {
  wslay_frame_iocb frame{};
  ssize_t n = wslay_frame_recv(parser.context, &frame);
  if (n == WSLAY_ERR_WANT_READ) return false;
  if (n < 0) return Violate(1002, "malformed frame");
  if (!parser.in_frame && !BeginFrame(parser, frame, now_ms)) return false;
  parser.used += frame.data_length;
  parser.frame_left -= frame.data_length;
  std::string_view piece(reinterpret_cast<const char*>(frame.data), frame.data_length);
  bool last = parser.frame_left == 0;
  if (last) parser.in_frame = false;
  if (IsControl(frame.opcode)) {
    parser.control += piece;
    return !last || EndControl(parser, frame.opcode);
  }
  if (last && frame.fin) return EndMessage(parser, piece);
  parser.message += piece;
  return true;
}

bool WebSocketReceiver::BeginFrame(Parser& parser, const wslay_frame_iocb& frame, uint64_t now_ms) {
  if (frame.rsv != 0) return Violate(1002, "a reserved bit is set");
  if (!IsKnown(frame.opcode)) return Violate(1002, "unknown opcode");
  if ((frame.mask != 0) != (role_ == Role::kServer)) {
    return Violate(1002, role_ == Role::kServer ? "a client's frame must be masked"
                                                : "a server's frame must not be masked");
  }
  parser.in_frame = true;
  parser.used += FrameHeaderBytes(frame);
  parser.frame_left = frame.payload_length;
  if (IsControl(frame.opcode)) {
    if (!frame.fin || frame.payload_length > 125) return Violate(1002, "malformed control frame");
    parser.control.clear();
    return CountControl(now_ms);
  }
  bool continues = frame.opcode == WSLAY_CONTINUATION_FRAME;
  if (continues != (parser.opcode != 0)) {
    return Violate(
        1002, continues ? "there is no message to continue" : "the message before is not complete");
  }
  if (!continues) {
    if (!CountMessage(now_ms)) return false;
    parser.opcode = frame.opcode;
    parser.fragments = 0;
  }
  if (++parser.fragments > limits_.fragments_max) return Violate(1009, "too many fragments");
  if (frame.payload_length > limits_.message_bytes_max - parser.message.size()) {
    return Violate(1009, "the message is over the limit");
  }
  return true;
}

void WebSocketReceiver::OpenWindow(uint64_t now_ms) {
  if (now_ms - control_window_begin_ms_ < limits_.control_window_ms) return;
  control_window_begin_ms_ = now_ms;
  control_frames_ = messages_ = 0;
}

bool WebSocketReceiver::CountMessage(uint64_t now_ms) {
  OpenWindow(now_ms);
  if (limits_.messages_max == 0 || ++messages_ <= limits_.messages_max) return true;
  return Violate(1008, "too many messages");
}

bool WebSocketReceiver::CountControl(uint64_t now_ms) {
  OpenWindow(now_ms);
  if (++control_frames_ <= limits_.control_frames_max) return true;
  return Violate(1008, "too many control frames");
}

bool WebSocketReceiver::EndMessage(Parser& parser, std::string_view last) {
  // A message in one piece is handed on from where it lies.
  std::string whole = std::exchange(parser.message, {});
  if (!whole.empty()) whole += last;
  std::string_view message = whole.empty() ? last : whole;
  auto opcode = static_cast<WebSocketOpcode>(std::exchange(parser.opcode, uint8_t{0}));
  if (opcode == WebSocketOpcode::kText && !IsValidUtf8(message)) {
    return Violate(1007, "a text message is not UTF-8");
  }
  handler_.OnMessage(opcode, message);
  return true;
}

bool WebSocketReceiver::EndControl(Parser& parser, uint8_t opcode) {
  std::string payload = std::exchange(parser.control, {});
  if (opcode == WSLAY_CONNECTION_CLOSE) return EndClose(payload);
  opcode == WSLAY_PING ? handler_.OnPing(payload) : handler_.OnPong(payload);
  return true;
}

bool WebSocketReceiver::EndClose(std::string_view payload) {
  if (payload.size() == 1) return Violate(1002, "a close frame of one byte");
  uint16_t code = 1005;
  if (payload.size() >= 2) {
    code = static_cast<uint16_t>(static_cast<unsigned char>(payload[0]) << 8 |
                                 static_cast<unsigned char>(payload[1]));
    payload.remove_prefix(2);
    if (!IsCloseCode(code)) return Violate(1002, "a close code that must not be sent");
    if (!IsValidUtf8(payload)) return Violate(1007, "a close reason is not UTF-8");
  }
  ended_ = true;
  handler_.OnClose(code, payload);
  return false;
}

bool WebSocketReceiver::Violate(uint16_t code, std::string_view reason) {
  ended_ = true;
  handler_.OnViolation(code, reason);
  return false;
}

}  // namespace galaxy::push
