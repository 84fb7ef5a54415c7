// Feeds any bytes as the database file of a log to whoever reads one whole: the check, the backup,
// the repair. Damage is told; nothing crashes, and nothing good is counted that was not visited.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/fuzz_folder.h"
#include "log/log_reader.h"

namespace galaxy::push {
namespace {

struct Visited final : LogVisitor {
  void OnEntry(const CommitEntry& entry) override {
    CHECK(!entry.entry.empty());
    ++entries;
  }
  void OnFault(const LogFault& fault) override {
    CHECK(!fault.ToString().empty());
    ++faults;
  }
  uint64_t entries = 0, faults = 0;
};

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  static const FuzzFolder folder;
  folder.Write("log.db", std::string_view(reinterpret_cast<const char*>(data), size));
  // Not in WAL mode, as a backup is not: a single file.
  auto database = Database::Open(folder.File("log.db"), {.create = false, .scratch = true});
  if (database) {
    Status ours = CheckLogFormat(*database);
    Visited visited;
    auto contents = ReadLog(*database, visited);
    if (contents) CHECK(contents->faults == visited.faults);
    if (contents && ours && contents->faults == 0) CHECK(contents->entries <= visited.entries);
  }
  folder.Clear();
  return 0;
}
