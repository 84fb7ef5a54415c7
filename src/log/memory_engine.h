#pragma once

#include <memory>

#include "log/engine.h"

namespace galaxy::push {

// MemoryEngine keeps nothing: an entry is as durable as the ring. Each start is a new log.
class MemoryEngine final : public Engine {
 public:
  std::string_view name() const override { return "memory"; }
  bool durable() const override { return false; }
  Result<Cursor> Recover(const RecoverOptions& options, Recovery& recovery) override;
  Status Commit(std::span<const CommitEntry> entries) override;
  Status Trim(uint64_t entries_before_ms, uint64_t retained_before_ms) override;
};

}  // namespace galaxy::push
