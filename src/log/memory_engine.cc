#include "log/memory_engine.h"

namespace galaxy::push {

Result<Cursor> MemoryEngine::Recover(uint64_t now_ms, Recovery& recovery) {
  Cursor start = NewLogStart(now_ms);
  recovery.OnStart(start, start);
  return start;
}

Status MemoryEngine::Commit(std::span<const CommitEntry>) { return {}; }

Result<bool> MemoryEngine::Maintain(const Upkeep&) { return false; }

Status MemoryEngine::Probe() { return {}; }

}  // namespace galaxy::push
