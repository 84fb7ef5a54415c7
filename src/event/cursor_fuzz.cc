// Feeds any bytes as a cursor's text. Exactly what Format() writes is taken, and texts sort as
// their sequences do.

#include "event/cursor.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/check.h"

namespace galaxy::push {
namespace {

void CheckOrder(const uint8_t* data) {
  Cursor a, b;
  std::memcpy(&a.sequence, data, 8);
  std::memcpy(&b.sequence, data + 8, 8);
  std::memcpy(&a.time_ms, data + 16, 6);
  std::memcpy(&b.time_ms, data + 22, 6);
  CHECK(Cursor::Parse(a.Format()) == a);
  CHECK(a.Format().size() == kCursorTextBytes);
  if (a.sequence != b.sequence) CHECK((a.Format() < b.Format()) == (a < b));
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto cursor = Cursor::Parse(text)) CHECK(cursor->Format() == text);
  if (size >= 28) CheckOrder(data);
  return 0;
}
