// Feeds any bytes to the JSON scanner and the request reader. They must not crash; what they hand
// out must lie inside the text and be JSON itself; the payload must be found verbatim.

#include <cstddef>
#include <cstdint>

#include "backend/event_request.h"
#include "backend/json_scanner.h"
#include "base/check.h"
#include "base/ids.h"

namespace galaxy::push {
namespace {

constexpr JsonRules kAnyJson{.bytes_max = SIZE_MAX, .depth_max = SIZE_MAX, .any_value = true};

void CheckInside(std::string_view part, std::string_view whole) {
  CHECK(part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void FuzzValue(std::string_view text) {
  JsonScanner scanner(text);
  JsonValue value;
  if (!scanner.Value(value)) {
    CHECK(!scanner.ok() && !scanner.error().empty());
    return;
  }
  CheckInside(value.source, text);
  CHECK(!value.source.empty());
  CHECK(IsValidUtf8(value.source));
  // A value alone is valid, and a text that ends earlier is not (numbers may).
  CHECK(CheckJson("payload", value.source, kAnyJson));
  CHECK(CheckJson("payload", text, kAnyJson).has_value() == scanner.AtEnd());
  if (value.kind != JsonKind::kNumber) {
    CHECK(!CheckJson("payload", value.source.substr(0, value.source.size() - 1), kAnyJson));
  }
  std::string out;
  if (value.kind == JsonKind::kString && JsonScanner::Unescape(value.source, out)) {
    CHECK(IsValidUtf8(out));
  }
}

void FuzzRequest(std::string_view text) {
  JsonScanner scanner(text);
  StringArena arena;
  EventRequest request;
  Status read = ReadEventRequest(scanner, arena, request);
  if (!scanner.ok()) CHECK(!read);
  if (!read) return;
  const EntryView& event = request.event;
  for (std::string_view id : {event.user_id, event.device_session_id, event.kind, event.event_id,
                              event.request_id, event.trace_id}) {
    CHECK(IsValidUtf8(id));
  }
  if (event.payload.empty()) return;
  CheckInside(event.payload, text);
  CHECK(CheckJson("payload", event.payload, kAnyJson));
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  galaxy::push::FuzzValue(text);
  galaxy::push::FuzzRequest(text);
  return 0;
}
