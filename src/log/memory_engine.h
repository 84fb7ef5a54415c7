#pragma once

#include <memory>

#include "log/engine.h"

namespace galaxy::push {

// MemoryEngine keeps nothing: an entry is as durable as the ring. Each start is a new log.
class MemoryEngine final : public Engine {
 public:
  std::string_view name() const override { return "memory"; }
  bool durable() const override { return false; }
  Result<Cursor> Recover(uint64_t now_ms, Recovery& recovery) override;
  Status Commit(std::span<const CommitEntry> entries) override;
  Result<bool> Maintain(const Upkeep& upkeep) override;
  Status Probe() override;
};

}  // namespace galaxy::push
