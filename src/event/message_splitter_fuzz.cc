// Feeds any bytes to the splitter, in chunks of the size that the first byte says: what comes out
// must be what a plain parser finds in the whole, and the end the same.

#include "event/message_splitter.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace galaxy::push {
namespace {

constexpr size_t kMessageMax = 300;

struct Outcome {
  std::vector<std::string> messages;
  bool refused = false;
  size_t pending = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome SplitPlainly(std::string_view bytes) {
  Outcome outcome;
  while (bytes.size() >= kGrpcPrefixBytes) {
    size_t size = 0;
    for (int i = 1; i < 5; ++i) size = size << 8 | static_cast<unsigned char>(bytes[i]);
    outcome.refused = bytes[0] != 0 || size > kMessageMax;
    if (outcome.refused) return outcome;
    if (bytes.size() < kGrpcPrefixBytes + size) break;
    outcome.messages.emplace_back(bytes.substr(0, kGrpcPrefixBytes + size));
    bytes.remove_prefix(kGrpcPrefixBytes + size);
  }
  outcome.pending = bytes.size();
  return outcome;
}

Outcome SplitInChunks(std::string_view bytes, size_t chunk) {
  Outcome outcome;
  MessageSplitter splitter(kMessageMax);
  while (!bytes.empty()) {
    std::string part(bytes.substr(0, chunk));
    bytes.remove_prefix(part.size());
    splitter.Feed(part);
    for (;;) {
      std::string_view framed;
      auto more = splitter.Next(framed);
      if (!more) {
        outcome.refused = true;
        outcome.pending = 0;
        return outcome;
      }
      if (!*more) break;
      outcome.messages.emplace_back(framed);
    }
    outcome.pending = splitter.pending();
  }
  return outcome;
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  if (size < 1) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  Outcome expected = SplitPlainly(bytes);
  CHECK(SplitInChunks(bytes, data[0] == 0 ? size : data[0]) == expected);
  CHECK(SplitInChunks(bytes, size) == expected);
  return 0;
}
