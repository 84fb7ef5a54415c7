// Feeds any bytes as the write-ahead log of a database to what looks at it before SQLite does.

#include "storage/wal_check.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/fuzz_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  constexpr size_t kFrameBytesMin = 24 + 512;
  static const FuzzFolder folder;
  static const std::string path = folder.File("log.db");
  folder.Write("log.db-wal", std::string_view(reinterpret_cast<const char*>(data), size));
  auto check = CheckWal(path, "");
  if (check) CHECK((check->frames_used + check->frames_behind) * kFrameBytesMin <= size);
  (void)WalHasLostItsFile(path, "");
  return 0;
}
