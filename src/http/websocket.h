#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/message.h"

struct wslay_frame_iocb;

namespace galaxy::push {

// WebSocket (RFC 6455) as pure functions and one sans-I/O receiver; the socket belongs to the
// caller. No extension is negotiated.

// --- Handshake (RFC 6455 4) ---

struct WebSocketOffer {
  std::string key;
  std::vector<std::string> subprotocols;  // in the client's order of preference
};
// kBadRequest when the request is no valid upgrade: GET over HTTP/1.1, Upgrade, Connection,
// version 13, one key of 16 bytes, subprotocols that are tokens and occur once.
Result<WebSocketOffer> CheckUpgrade(const RequestHead& request);
// Whether the request asks for a WebSocket at all (Upgrade: websocket), valid or not.
bool WantsWebSocket(const RequestHead& request);
// The 101 answer, for Exchange::Upgrade(). `subprotocol` empty: none chosen.
ResponseHead AcceptHead(const WebSocketOffer& offer, std::string_view subprotocol);

// The client's side: a fresh random key, the request to send, the check of the answer. The check
// returns the subprotocol that the server chose, which may be empty.
std::string NewWebSocketKey();
RequestHead UpgradeHead(std::string_view target, std::string_view authority, std::string_view key,
                        const std::vector<std::string>& subprotocols);
Result<std::string> CheckAccept(const ResponseHead& response, std::string_view key,
                                const std::vector<std::string>& subprotocols);

// --- Sending ---

enum class WebSocketOpcode : uint8_t {
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xA,
};

// A server's frames are not masked (RFC 6455 5.1), so encoded bytes are shared between connections:
// header and payload may be one slice for all, or two.
inline constexpr size_t kServerFrameHeaderBytesMax = 10;
size_t ServerFrameHeaderBytes(size_t payload_bytes);
void AppendServerFrameHeader(std::string& out, WebSocketOpcode opcode, size_t payload_bytes);
void AppendServerFrame(std::string& out, WebSocketOpcode opcode, std::string_view payload);
// Masked with a fresh random key.
void AppendClientFrame(std::string& out, WebSocketOpcode opcode, std::string_view payload);
// The payload of a close frame: code and reason, the reason cut at 123 bytes between characters.
std::string ClosePayload(uint16_t code, std::string_view reason);
void AppendServerClose(std::string& out, uint16_t code, std::string_view reason);

// --- Receiving ---

class WebSocketHandler {
 public:
  virtual ~WebSocketHandler() = default;
  // One whole message; valid during the call only.
  virtual void OnMessage(WebSocketOpcode opcode, std::string_view payload) = 0;
  // The peer pinged: answer with a pong of the same payload.
  virtual void OnPing(std::string_view payload) = 0;
  virtual void OnPong(std::string_view payload) = 0;
  // The peer sent its close frame; 1005 when it had no code. Echo it (unless we sent ours before)
  // and end the connection. Last call.
  virtual void OnClose(uint16_t code, std::string_view reason) = 0;
  // The peer broke the protocol or a limit: send a close frame with this code (1002 protocol, 1007
  // not UTF-8, 1009 too large, 1008 a flood) and end the connection. Last call.
  virtual void OnViolation(uint16_t code, std::string_view reason) = 0;
};

struct WebSocketLimits {
  size_t message_bytes_max = 64 * 1024;
  size_t fragments_max = 1024;          // frames in one message
  uint32_t control_frames_max = 64;     // pings and pongs within …
  uint64_t control_window_ms = 10'000;  // … this time
  uint32_t messages_max = 0;            // messages within the same time; 0: any number
};

// WebSocketReceiver turns the peer's bytes, cut anywhere, into messages.
//
//   Roles    kServer demands masked frames, kClient refuses them.
//   Limits   WebSocketLimits; text and close reasons are UTF-8 (RFC 3629).
//   Lifetime Handler and limits outlive it.
//   Memory   Between messages it holds nothing but itself: the frame parser (4 KiB) and the message
//            buffer live from a message's first byte to its last.
//   Reentrancy  The handler may destroy the receiver from within any callback.
class WebSocketReceiver {
 public:
  enum class Role : uint8_t { kServer, kClient };
  WebSocketReceiver(Role role, const WebSocketLimits& limits, WebSocketHandler& handler);
  ~WebSocketReceiver();
  WebSocketReceiver(const WebSocketReceiver&) = delete;
  WebSocketReceiver& operator=(const WebSocketReceiver&) = delete;
  // After OnClose() or OnViolation() bytes are ignored. `now_ms` is monotonic.
  void Feed(std::string_view bytes, uint64_t now_ms);
  bool ended() const { return ended_; }
  // Between messages: nothing is allocated.
  bool idle() const { return parser_ == nullptr; }

 private:
  struct Parser;
  bool Step(Parser& parser, uint64_t now_ms);
  bool BeginFrame(Parser& parser, const wslay_frame_iocb& frame, uint64_t now_ms);
  bool CountControl(uint64_t now_ms);
  bool CountMessage(uint64_t now_ms);
  void OpenWindow(uint64_t now_ms);
  bool EndMessage(Parser& parser, std::string_view last);
  bool EndControl(Parser& parser, uint8_t opcode);
  bool EndClose(std::string_view payload);
  bool Violate(uint16_t code, std::string_view reason);

  WebSocketHandler& handler_;
  const WebSocketLimits& limits_;
  std::unique_ptr<Parser> parser_;
  bool* destroyed_ = nullptr;
  uint64_t control_window_begin_ms_ = 0;
  uint32_t control_frames_ = 0;
  uint32_t messages_ = 0;
  Role role_;
  bool ended_ = false;
};

}  // namespace galaxy::push
