// Feeds any bytes to the SSE parser, whole and cut in two, and any text through the encoder and
// back: it must come out as it went in.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "http/sse.h"

namespace galaxy::push {
namespace {

struct Transcript : SseHandler {
  void OnEvent(std::string_view event, std::string_view data, std::string_view id) override {
    ++events;
    last_data = data;
    text += std::string(event) + "|" + std::string(data) + "|" + std::string(id) + "\n";
  }
  void OnRetry(uint64_t retry_ms) override { text += std::to_string(retry_ms) + "\n"; }
  std::string text, last_data;
  int events = 0;
};

// What the encoder's line rules make of `text`: every line end is LF.
std::string WithLineFeeds(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out += text[i] == '\r' ? '\n' : text[i];
  }
  return out;
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  if (size < 1) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  size_t cut = bytes.empty() ? 0 : data[0] % (bytes.size() + 1);
  Transcript whole, halves, back;
  SseParser at_once(whole), in_two(halves), reader(back);
  (void)at_once.Feed(bytes);
  (void)in_two.Feed(bytes.substr(0, cut));
  (void)in_two.Feed(bytes.substr(cut));
  CHECK(whole.text == halves.text);

  std::string encoded;
  CHECK(AppendSseEvent(encoded, "id", bytes).has_value());
  CHECK(reader.Feed(encoded).has_value());
  CHECK(back.events == 1 && back.last_data == WithLineFeeds(bytes));
  return 0;
}
