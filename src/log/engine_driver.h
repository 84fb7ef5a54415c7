#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "event/wire.h"
#include "log/sqlite_engine.h"

namespace galaxy::push {

// EngineDriver works with a SqliteEngine as the Log does, remembers what was acknowledged, and
// judges what a restart finds.
class EngineDriver {
 public:
  static constexpr uint64_t kNowMs = 1'763'850'000'000;

  struct Entry {
    EntryType type;
    Cursor cursor;
    std::string user;
    std::string bytes;
  };
  struct Found final : Engine::Recovery {
    void OnStart(Cursor start, Cursor first_floor) override {
      log_start = start, floor = first_floor;
    }
    void OnRetained(const CommitEntry& entry) override { Take(entry, retained); }
    void OnEntry(const CommitEntry& entry) override { Take(entry, entries); }
    static void Take(const CommitEntry& entry, std::vector<Entry>& to) {
      std::string user(DecodePushEvent(EntryMessage(entry.entry))->user_id);
      to.push_back({entry.type, entry.cursor, user, std::string(entry.entry)});
    }
    Cursor log_start, floor, head;
    std::vector<Entry> entries, retained;
  };

  explicit EngineDriver(SqliteEngine::Options options) : options_(std::move(options)) {}

  // Empty, or why the start is refused.
  std::optional<Error> Open(uint64_t now_ms = kNowMs) {
    engine_.reset();
    engine_ = std::make_unique<SqliteEngine>(options_);
    found_ = {};
    Result<Cursor> head = engine_->Recover(now_ms, found_);
    if (!head) {
      engine_.reset();
      return head.error();
    }
    found_.head = *head;
    next_ = std::max(next_, head->sequence + 1);
    return std::nullopt;
  }

  // An entry for each of `users`; "!ann" is an invalidation. `padding` makes each that much larger.
  Status Commit(const std::vector<std::string>& users, uint64_t time_ms = kNowMs,
                size_t padding = 0) {
    in_doubt_.clear();
    for (const std::string& user : users) {
      bool invalidation = user[0] == '!';
      EntryView view{.type = invalidation ? EntryType::kInvalidation : EntryType::kEvent};
      std::string name = user.substr(invalidation);
      std::string payload = "{}" + std::string(padding, ' ');
      view.user_id = name;
      if (!invalidation) view.payload = payload;
      Entry entry{view.type, {next_++, time_ms}, name, {}};
      AppendEntry(view, entry.bytes);
      PatchCursor(entry.bytes, entry.cursor);
      in_doubt_.push_back(std::move(entry));
    }
    std::vector<CommitEntry> entries;
    for (const Entry& entry : in_doubt_) entries.push_back({entry.type, entry.cursor, entry.bytes});
    Status committed = engine_->Commit(entries);
    if (committed) {
      acknowledged_.insert(acknowledged_.end(), in_doubt_.begin(), in_doubt_.end());
      in_doubt_.clear();
    }
    return committed;
  }
  // All steps; how many.
  Result<int> Maintain(const Engine::Upkeep& upkeep) {
    floor_asked_ = std::max(floor_asked_, upkeep.floor.sequence);
    retained_before_asked_ms_ = std::max(retained_before_asked_ms_, upkeep.retained_before_ms);
    for (int steps = 1;; ++steps) {
      Result<bool> more = engine_->Maintain(upkeep);
      if (!more) return std::unexpected(more.error());
      if (!*more) return steps;
    }
  }

  // What is wrong with what the last Open() found; empty when it is what it must be: every
  // acknowledged entry above a floor that was asked for, once, in order; then perhaps the commit
  // that was under way, whole; and the retained invalidations of all that.
  std::string Judge() const {
    std::vector<Entry> expected;
    for (const Entry& entry : acknowledged_) {
      if (entry.cursor > found_.floor) expected.push_back(entry);
    }
    bool with_doubtful = !in_doubt_.empty() && found_.entries.size() > expected.size();
    std::vector<Entry> all = acknowledged_;
    if (with_doubtful) {
      expected.insert(expected.end(), in_doubt_.begin(), in_doubt_.end());
      all.insert(all.end(), in_doubt_.begin(), in_doubt_.end());
    }
    if (found_.floor.sequence > std::max(floor_asked_, found_.log_start.sequence))
      return "the floor is higher than anybody asked for";
    if (std::string fault = Compare(expected, found_.entries); !fault.empty()) return fault;
    Cursor head = all.empty() ? found_.log_start : all.back().cursor;
    if (found_.head != head) return "another head";
    return JudgeRetained(all);
  }
  // What was in doubt and is there is acknowledged from now on.
  void Accept() {
    if (!in_doubt_.empty() && !found_.entries.empty() &&
        found_.entries.back().cursor == in_doubt_.back().cursor) {
      acknowledged_.insert(acknowledged_.end(), in_doubt_.begin(), in_doubt_.end());
    }
    in_doubt_.clear();
  }

  SqliteEngine& engine() { return *engine_; }
  bool is_open() const { return engine_ != nullptr; }
  void Close() { engine_.reset(); }
  const Found& found() const { return found_; }
  const std::vector<Entry>& acknowledged() const { return acknowledged_; }
  Cursor last() const {
    return acknowledged_.empty() ? found_.log_start : acknowledged_.back().cursor;
  }

 private:
  static std::string Compare(const std::vector<Entry>& expected, const std::vector<Entry>& found) {
    for (size_t i = 0; i < std::max(expected.size(), found.size()); ++i) {
      if (i == expected.size())
        return "an entry that nobody published: " + found[i].cursor.Format();
      if (i == found.size()) return "an entry is missing: " + expected[i].cursor.Format();
      if (expected[i].cursor != found[i].cursor || expected[i].bytes != found[i].bytes) {
        return "another entry at " + expected[i].cursor.Format() + ": " + found[i].cursor.Format();
      }
    }
    return {};
  }
  std::string JudgeRetained(const std::vector<Entry>& all) const {
    std::map<std::string, Entry> newest;
    for (const Entry& entry : all) {
      if (entry.type == EntryType::kInvalidation) newest[entry.user] = entry;
    }
    std::vector<Entry> expected;
    for (const auto& [user, entry] : newest) expected.push_back(entry);
    auto by_cursor = [](const Entry& a, const Entry& b) { return a.cursor < b.cursor; };
    std::sort(expected.begin(), expected.end(), by_cursor);
    // Those that may be let go may be there or not.
    std::erase_if(expected, [this](const Entry& entry) {
      bool there = std::any_of(found_.retained.begin(), found_.retained.end(),
                               [&](const Entry& f) { return f.cursor == entry.cursor; });
      return entry.cursor.time_ms < retained_before_asked_ms_ && !there;
    });
    std::string fault = Compare(expected, found_.retained);
    return fault.empty() ? fault : "retained: " + fault;
  }

  const SqliteEngine::Options options_;
  std::unique_ptr<SqliteEngine> engine_;
  Found found_;
  uint64_t next_ = 0;
  std::vector<Entry> acknowledged_;
  std::vector<Entry> in_doubt_;  // of the last commit, which failed
  uint64_t floor_asked_ = 0;
  uint64_t retained_before_asked_ms_ = 0;
};

}  // namespace galaxy::push
