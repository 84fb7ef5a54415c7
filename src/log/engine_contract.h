#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "event/wire.h"
#include "log/engine.h"

// The contract suite that every Engine passes. An engine joins with
//
//   INSTANTIATE_TEST_SUITE_P(Mine, EngineContract, testing::Values(EngineMaker{"mine",
//   MakeStore}));
//
// where MakeStore() yields an empty store: a function that opens an engine on it, again and again,
// as a process does that is restarted.

namespace galaxy::push {

using EngineOpen = std::function<std::unique_ptr<Engine>()>;

struct EngineMaker {
  std::string name;
  std::function<EngineOpen()> make_store;
};

class EngineContract : public testing::TestWithParam<EngineMaker> {
 protected:
  static constexpr uint64_t kNowMs = 1'763'850'000'000;

  struct Found final : Engine::Recovery {
    void OnStart(Cursor start, Cursor first_floor) override {
      ++starts;
      log_start = start;
      floor = first_floor;
    }
    void OnRetained(const CommitEntry& entry) override { Take(entry, retained); }
    void OnEntry(const CommitEntry& entry) override { Take(entry, entries); }
    void Take(const CommitEntry& entry, std::vector<std::string>& to) const {
      EXPECT_EQ(starts, 1);
      auto view = DecodePushEvent(EntryMessage(entry.entry));
      ASSERT_TRUE(view);
      EXPECT_EQ(view->type, entry.type);
      EXPECT_EQ(view->cursor, entry.cursor.Format());
      to.emplace_back(entry.entry);
    }
    int starts = 0;
    Cursor log_start, floor, head;
    std::vector<std::string> entries, retained;
  };

  void Open(uint64_t now_ms = kNowMs) {
    engine_.reset();
    engine_ = open_();
    found_ = {};
    auto head = engine_->Recover(now_ms, found_);
    ASSERT_TRUE(head);
    ASSERT_EQ(found_.starts, 1);
    found_.head = *head;
  }

  static std::string Entry(EntryType type, Cursor cursor, std::string_view user) {
    EntryView view{.type = type, .user_id = user};
    if (type == EntryType::kEvent) view.payload = "{}";
    std::string entry;
    AppendEntry(view, entry);
    PatchCursor(entry, cursor);
    return entry;
  }

  // Commits one batch of entries; `users` that begin with '!' are invalidations of the rest.
  std::vector<std::string> Commit(uint64_t first, uint64_t time_ms,
                                  const std::vector<std::string>& users) {
    std::vector<std::string> bytes;
    std::vector<CommitEntry> entries;
    for (const std::string& user : users) {
      bool invalidation = user[0] == '!';
      EntryType type = invalidation ? EntryType::kInvalidation : EntryType::kEvent;
      Cursor cursor{first + bytes.size(), time_ms};
      bytes.push_back(Entry(type, cursor, user.substr(invalidation)));
      entries.push_back({type, cursor, {}});
    }
    for (size_t i = 0; i < bytes.size(); ++i) entries[i].entry = bytes[i];
    EXPECT_TRUE(engine_->Commit(entries));
    return bytes;
  }

  // All the steps of it.
  void Maintain(const Engine::Upkeep& upkeep) {
    for (int step = 0; step < 1000; ++step) {
      Result<bool> more = engine_->Maintain(upkeep);
      ASSERT_TRUE(more);
      if (!*more) return;
    }
    FAIL() << "no end";
  }

  EngineOpen open_ = GetParam().make_store();
  std::unique_ptr<Engine> engine_;
  Found found_;
};

TEST_P(EngineContract, ANewLogStartsAtItsCreationTime) {
  // semantics.md 1.2
  Open();
  Cursor start{kNowMs << 16, kNowMs};
  EXPECT_EQ(found_.log_start, start);
  EXPECT_EQ(found_.floor, start);
  EXPECT_EQ(found_.head, start);
  EXPECT_TRUE(found_.entries.empty());
  EXPECT_TRUE(found_.retained.empty());
}

TEST_P(EngineContract, ARestartGoesOnOrBeginsANewLogThatSortsAfter) {
  // semantics.md 1.2, 2.1, 3.1
  Open();
  Cursor old_start = found_.log_start;
  uint64_t first = found_.head.sequence + 1;
  auto expected = Commit(first, kNowMs + 5, {"ann", "bob", "!ann"});
  for (auto& entry : Commit(first + 3, kNowMs + 6, {"eve"})) expected.push_back(entry);
  Open(kNowMs + 1000);
  if (engine_->durable()) {
    EXPECT_EQ(found_.entries, expected);
    EXPECT_EQ(found_.head, (Cursor{first + 3, kNowMs + 6}));
    EXPECT_EQ(found_.floor, old_start);
    EXPECT_EQ(found_.log_start, old_start);
  } else {
    EXPECT_TRUE(found_.entries.empty());
    EXPECT_GT(found_.log_start.sequence, first + 3);
    EXPECT_EQ(found_.head, found_.log_start);
  }
}

TEST_P(EngineContract, RetainedInvalidationsAreOneForEachSessionTheNewest) {
  // semantics.md 3.2
  Open();
  uint64_t first = found_.head.sequence + 1;
  auto entries = Commit(first, kNowMs, {"!ann", "!bob", "eve", "!ann"});
  Open(kNowMs + 1000);
  if (engine_->durable()) {
    EXPECT_EQ(found_.retained, (std::vector<std::string>{entries[1], entries[3]}));
  } else {
    EXPECT_TRUE(found_.retained.empty());
  }
}

TEST_P(EngineContract, UpkeepLetsGoWhatIsBelowTheFloorAndKeepsTheHead) {
  // semantics.md 3.1, 3.2
  Open();
  uint64_t first = found_.head.sequence + 1;
  Commit(first, kNowMs, {"!ann", "bob"});
  auto newer = Commit(first + 2, kNowMs + 100, {"!eve"});
  Maintain({{first + 1, kNowMs}, kNowMs});
  Open(kNowMs + 1000);
  if (engine_->durable()) {
    EXPECT_EQ(found_.entries, newer);
    EXPECT_EQ(found_.floor, (Cursor{first + 1, kNowMs}));
    EXPECT_EQ(found_.retained.size(), 2u);
  }
  Maintain({found_.head, kNowMs + 101});
  Cursor head = found_.head;
  Open(kNowMs + 2000);
  if (engine_->durable()) {
    EXPECT_TRUE(found_.entries.empty());
    EXPECT_TRUE(found_.retained.empty());
    EXPECT_EQ(found_.head, head);
    EXPECT_EQ(found_.floor, head);
  }
}

TEST_P(EngineContract, UpkeepLetsGoNothingThatIsStillWanted) {
  // semantics.md 3.1, 3.2
  Open();
  Cursor start = found_.head;
  auto expected = Commit(start.sequence + 1, kNowMs, {"!ann", "bob"});
  Maintain({start, kNowMs});
  Open(kNowMs + 1000);
  if (!engine_->durable()) return;
  EXPECT_EQ(found_.entries, expected);
  EXPECT_EQ(found_.retained.size(), 1u);
  EXPECT_EQ(found_.floor, start);
}

TEST_P(EngineContract, ProbingLeavesNothingBehind) {
  Open();
  auto expected = Commit(found_.head.sequence + 1, kNowMs, {"ann"});
  Cursor head{found_.head.sequence + 1, kNowMs};
  EXPECT_TRUE(engine_->Probe());
  Open(kNowMs + 1000);
  if (!engine_->durable()) return;
  EXPECT_EQ(found_.entries, expected);
  EXPECT_EQ(found_.head, head);
}

}  // namespace galaxy::push
