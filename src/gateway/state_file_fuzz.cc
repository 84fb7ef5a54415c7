// Feeds any bytes as the state file of a gateway. What opens is written at once, and opens again
// with the same revoked sessions and the same cursor.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/fuzz_folder.h"
#include "gateway/state_store.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  static const FuzzFolder folder;
  folder.Write("gateway.db", std::string_view(reinterpret_cast<const char*>(data), size));
  const StateStore::Options options{.folder = folder.path(),
                                    .gateway_id = "gw-1",
                                    .plane = "plane",
                                    .revoked_keep_s = 3600,
                                    .now_ms = 1'763'850'000'000,
                                    .vfs = {}};
  std::string cursor;
  size_t revoked = 0;
  auto first = StateStore::Open(options);
  if (first) {
    cursor = first->cursor;
    revoked = first->revoked.size();
    first->store.reset();
    auto again = StateStore::Open(options);
    CHECK(again && again->cursor == cursor && again->revoked.size() == revoked && !again->first);
  } else {
    CHECK(!first.error().message.empty());
  }
  folder.Clear();
  return 0;
}
