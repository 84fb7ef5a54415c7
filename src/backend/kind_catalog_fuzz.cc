// Feeds any bytes as a catalog of kinds, up to the first line break, and a payload behind it. The
// payload is judged by the schemas when it is JSON, as it is for publishers.

#include "backend/kind_catalog.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "backend/json_scanner.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  size_t line = std::min(bytes.find('\n'), bytes.size());
  auto catalog = KindCatalog::Parse(bytes.substr(0, line));
  if (!catalog) {
    CHECK(!catalog.error().message.empty());
    return 0;
  }
  std::string_view payload = line < size ? bytes.substr(line + 1) : std::string_view("{}");
  if (!CheckJson("payload", payload, {.any_value = true})) return 0;
  for (const char* kind : {"k", "game.turn", "other"}) {
    Status checked = (*catalog)->Check(kind, payload);
    if (!checked) CHECK(checked.error().field == "kind" || checked.error().field == "payload");
  }
  return 0;
}
