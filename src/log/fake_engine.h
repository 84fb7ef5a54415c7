#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "event/wire.h"
#include "log/engine.h"

namespace galaxy::push {

// A durable engine for tests: its disk is a struct that outlives it, and that can be full or
// broken.
struct FakeDisk {
  struct Row {
    EntryType type;
    Cursor cursor;
    std::string entry;
  };
  bool created = false;
  Cursor log_start;
  Cursor floor;
  std::vector<Row> rows;
  std::vector<Row> retained;
  std::vector<size_t> commits;  // their sizes
  int upkeeps = 0;
  int probes = 0;
  bool full = false;
  bool broken = false;
};

class FakeEngine final : public Engine {
 public:
  explicit FakeEngine(FakeDisk& disk) : disk_(disk) {}
  std::string_view name() const override { return "fake"; }
  bool durable() const override { return true; }

  Result<Cursor> Recover(uint64_t now_ms, Recovery& recovery) override {
    if (!disk_.created) {
      disk_.log_start = disk_.floor = NewLogStart(now_ms);
      disk_.created = true;
    }
    recovery.OnStart(disk_.log_start, disk_.floor);
    for (const auto& row : disk_.retained) recovery.OnRetained({row.type, row.cursor, row.entry});
    for (const auto& row : disk_.rows) recovery.OnEntry({row.type, row.cursor, row.entry});
    return disk_.rows.empty() ? disk_.floor : disk_.rows.back().cursor;
  }

  Status Commit(std::span<const CommitEntry> entries) override {
    if (Status ok = Judge(); !ok) return ok;
    disk_.commits.push_back(entries.size());
    for (const CommitEntry& entry : entries) {
      FakeDisk::Row row{entry.type, entry.cursor, std::string(entry.entry)};
      if (entry.type == EntryType::kInvalidation) Retain(row);
      disk_.rows.push_back(std::move(row));
    }
    return {};
  }

  // One row a step.
  Result<bool> Maintain(const Upkeep& upkeep) override {
    if (!upkeep.due) return false;
    ++disk_.upkeeps;
    if (Status ok = Judge(); !ok) return std::unexpected(ok.error());
    auto& retained = disk_.retained;
    while (!retained.empty() && retained.front().cursor.time_ms < upkeep.retained_before_ms) {
      retained.erase(retained.begin());
    }
    if (disk_.rows.empty() || disk_.rows.front().cursor > upkeep.floor) return false;
    disk_.floor = disk_.rows.front().cursor;
    disk_.rows.erase(disk_.rows.begin());
    return true;
  }

  Status Probe() override {
    ++disk_.probes;
    return Judge();
  }

 private:
  Status Judge() const {
    if (disk_.broken) return Fail(Code::kInternal, "a sync failed");
    if (disk_.full) return Fail(Code::kUnavailable, "the disk is full");
    return {};
  }
  static std::pair<std::string, std::string> Session(const std::string& entry) {
    EntryView view = *DecodePushEvent(EntryMessage(entry));
    return {std::string(view.user_id), std::string(view.device_session_id)};
  }
  void Retain(const FakeDisk::Row& row) {
    std::erase_if(disk_.retained,
                  [&](const auto& old) { return Session(old.entry) == Session(row.entry); });
    disk_.retained.push_back(row);
  }

  FakeDisk& disk_;
};

}  // namespace galaxy::push
