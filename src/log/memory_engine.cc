#include "log/memory_engine.h"

namespace galaxy::push {

Result<Cursor> MemoryEngine::Recover(const RecoverOptions& options, Recovery& recovery) {
  Cursor start = NewLogStart(options.now_ms);
  recovery.OnStart(start, start);
  return start;
}

Status MemoryEngine::Commit(std::span<const CommitEntry>) { return {}; }

Status MemoryEngine::Trim(uint64_t, uint64_t) { return {}; }

}  // namespace galaxy::push
