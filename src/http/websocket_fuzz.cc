// Feeds any bytes to the WebSocket receiver, whole and cut in two: it must not crash, must keep its
// limits, and where the cut is must not matter.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/ids.h"
#include "http/websocket.h"

namespace galaxy::push {
namespace {

constexpr WebSocketLimits kLimits{
    .message_bytes_max = 300, .fragments_max = 4, .control_frames_max = 5};

struct Transcript : WebSocketHandler {
  void OnMessage(WebSocketOpcode opcode, std::string_view payload) override {
    CHECK(!ended && payload.size() <= kLimits.message_bytes_max);
    CHECK(opcode == WebSocketOpcode::kText || opcode == WebSocketOpcode::kBinary);
    CHECK(opcode != WebSocketOpcode::kText || IsValidUtf8(payload));
    text += "m" + std::string(payload);
  }
  void OnPing(std::string_view payload) override { Control("p", payload); }
  void OnPong(std::string_view payload) override { Control("q", payload); }
  void OnClose(uint16_t code, std::string_view reason) override {
    CHECK(!ended && code >= 1000 && IsValidUtf8(reason));
    ended = true;
    text += "c" + std::to_string(code) + std::string(reason);
  }
  void OnViolation(uint16_t code, std::string_view) override {
    CHECK(!ended);
    ended = true;
    text += "v" + std::to_string(code);
  }
  void Control(const char* kind, std::string_view payload) {
    CHECK(!ended && payload.size() <= 125);
    text += kind + std::string(payload);
  }
  std::string text;
  bool ended = false;
};

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  if (size < 1) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  size_t cut = bytes.empty() ? 0 : data[0] % (bytes.size() + 1);
  for (auto role : {WebSocketReceiver::Role::kServer, WebSocketReceiver::Role::kClient}) {
    Transcript whole, halves;
    WebSocketReceiver at_once(role, kLimits, whole), in_two(role, kLimits, halves);
    at_once.Feed(bytes, 0);
    in_two.Feed(bytes.substr(0, cut), 0);
    in_two.Feed(bytes.substr(cut), 0);
    CHECK(whole.text == halves.text);
  }
  return 0;
}
