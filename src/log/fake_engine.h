#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "event/wire.h"
#include "log/engine.h"

namespace galaxy::push {

// A durable engine for tests: its disk is a struct that outlives it. Commits can be made to fail.
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
  int failures_left = 0;
};

class FakeEngine final : public Engine {
 public:
  explicit FakeEngine(FakeDisk& disk) : disk_(disk) {}
  std::string_view name() const override { return "fake"; }
  bool durable() const override { return true; }

  Result<Cursor> Recover(const RecoverOptions& options, Recovery& recovery) override {
    if (!disk_.created) {
      disk_.log_start = disk_.floor = NewLogStart(options.now_ms);
      disk_.created = true;
    }
    recovery.OnStart(disk_.log_start, disk_.floor);
    for (const auto& row : disk_.retained) recovery.OnRetained({row.type, row.cursor, row.entry});
    for (const auto& row : disk_.rows) recovery.OnEntry({row.type, row.cursor, row.entry});
    return disk_.rows.empty() ? disk_.floor : disk_.rows.back().cursor;
  }

  Status Commit(std::span<const CommitEntry> entries) override {
    if (disk_.failures_left > 0) {
      --disk_.failures_left;
      return Fail(Code::kUnavailable, "the disk is full");
    }
    disk_.commits.push_back(entries.size());
    for (const CommitEntry& entry : entries) {
      FakeDisk::Row row{entry.type, entry.cursor, std::string(entry.entry)};
      if (entry.type == EntryType::kInvalidation) Retain(row);
      disk_.rows.push_back(std::move(row));
    }
    return {};
  }

  Status Trim(uint64_t entries_before_ms, uint64_t retained_before_ms) override {
    while (!disk_.rows.empty() && disk_.rows.front().cursor.time_ms < entries_before_ms) {
      disk_.floor = disk_.rows.front().cursor;
      disk_.rows.erase(disk_.rows.begin());
    }
    std::erase_if(disk_.retained,
                  [&](const auto& row) { return row.cursor.time_ms < retained_before_ms; });
    return {};
  }

 private:
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
