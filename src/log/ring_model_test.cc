// Random work on a Ring and on an obviously correct model of it must give the same answers.

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>
#include <vector>

#include "log/ring.h"

namespace galaxy::push {
namespace {

struct ModelEntry {
  Cursor cursor;
  std::string bytes;
};

// Keeps every entry that ever was; `gone` of them have left.
struct Model {
  Cursor start;
  std::vector<ModelEntry> all;
  size_t gone = 0;

  Cursor After(size_t index) const { return index == 0 ? start : all[index - 1].cursor; }
  Cursor head() const { return After(all.size()); }

  void Expire(uint64_t now_ms, uint64_t window_ms) {
    while (gone < all.size() && all[gone].cursor.time_ms + window_ms < now_ms) ++gone;
  }

  Ring::Match Find(Cursor cursor, size_t& index) const {
    for (index = gone; index <= all.size(); ++index) {
      if (After(index) == cursor) return Ring::Match::kFound;
    }
    if (cursor.sequence > head().sequence) return Ring::Match::kFuture;
    bool before_floor = cursor.sequence < After(gone).sequence;
    bool of_this_log = cursor.sequence > start.sequence || cursor == start;
    return before_floor && of_this_log ? Ring::Match::kEvicted : Ring::Match::kUnknown;
  }
};

class Trial {
 public:
  explicit Trial(uint64_t seed)
      : random_(seed),
        options_{.bytes_max = 8192 + Below(100'000),
                 .window_ms = 1 + Below(3000),
                 .segment_bytes = 4096 + Below(10'000)},
        ring_(options_, kStart),
        now_ms_(kStart.time_ms) {
    model_.start = kStart;
  }

  void Step() {
    now_ms_ += Below(20);
    if (Below(200) == 0) now_ms_ -= Below(1000);  // the wall clock steps back
    switch (Below(12)) {
      case 0:
        ring_.Expire(now_ms_);
        model_.Expire(now_ms_, options_.window_ms);
        break;
      case 1:
        CheckFind();
        break;
      case 2:
        CheckSince();
        break;
      case 3:
        if (readers_.size() < 8) readers_.push_back({ring_.End(), model_.all.size()});
        break;
      case 4:
      case 5:
        CheckReader();
        break;
      default:
        Append();
    }
    CheckState();
  }

 private:
  struct Reader {
    Ring::Position position;
    size_t index;  // of the next entry in the model
  };
  static constexpr Cursor kStart{uint64_t{1'000'000} << 16, 1'000'000};

  uint64_t Below(uint64_t bound) { return random_() % bound; }

  void Append() {
    Cursor cursor{model_.head().sequence + 1 + (Below(10) == 0 ? Below(1000) : 0), now_ms_};
    std::string bytes(1 + (Below(50) == 0 ? Below(20'000) : Below(400)), '\0');
    for (char& c : bytes) c = static_cast<char>(random_());
    ring_.Append(bytes, cursor);
    model_.all.push_back({cursor, std::move(bytes)});
    // The cap works by whole segments, which the model does not know: it believes how many went,
    // and CheckState() that they had to.
    uint64_t by_cap = ring_.Stats().evicted_by_cap;
    model_.gone += by_cap - evicted_by_cap_;
    evicted_by_cap_ = by_cap;
  }

  void CheckState() {
    Ring::Statistics stats = ring_.Stats();
    ASSERT_EQ(ring_.head(), model_.head());
    ASSERT_EQ(ring_.floor(), model_.After(model_.gone));
    ASSERT_EQ(stats.entries, model_.all.size() - model_.gone);
    size_t bytes = 0;
    for (size_t i = model_.gone; i < model_.all.size(); ++i) bytes += model_.all[i].bytes.size();
    ASSERT_EQ(stats.bytes, bytes);
    if (stats.segment_bytes > options_.bytes_max) {
      ASSERT_LE(stats.entries, 1u);
    }
  }

  void CheckFind() {
    size_t index = Below(model_.all.size() + 1);
    Cursor cursor = model_.After(index);
    if (Below(4) == 0) cursor.sequence += Below(2000) - 1000;
    if (Below(8) == 0) cursor.time_ms += Below(3) - 1;
    Ring::Found found = ring_.Find(cursor);
    ASSERT_EQ(found.match, model_.Find(cursor, index));
    if (found.match == Ring::Match::kFound) {
      ASSERT_EQ(found.position.ordinal(), index);
      ASSERT_EQ(found.position.after(), cursor);
      if (readers_.size() < 8) readers_.push_back({found.position, index});
    }
  }

  void CheckSince() {
    uint64_t since_ms = now_ms_ + 500 - Below(4000);
    size_t index = model_.gone;
    while (index < model_.all.size() && model_.all[index].cursor.time_ms < since_ms) ++index;
    ASSERT_EQ(ring_.FindSince(since_ms).ordinal(), index);
  }

  void CheckReader() {
    if (readers_.empty()) return;
    size_t which = Below(readers_.size());
    Reader& reader = readers_[which];
    size_t bytes_max = Below(6000);
    Ring::Chunk chunk = ring_.Read(reader.position, bytes_max);
    if (chunk.state == Ring::State::kOverrun) {
      ASSERT_LT(reader.index, model_.gone);  // it truly missed something
      readers_.erase(readers_.begin() + static_cast<ptrdiff_t>(which));
    } else if (chunk.state == Ring::State::kCaughtUp) {
      ASSERT_EQ(reader.index, model_.all.size());
    } else {
      std::string expected;
      for (uint32_t i = 0; i < chunk.entries; ++i) expected += model_.all[reader.index++].bytes;
      ASSERT_EQ(chunk.bytes.bytes, expected);
      ASSERT_TRUE(chunk.entries == 1 || expected.size() <= bytes_max);
      ASSERT_EQ(reader.position.after(), model_.After(reader.index));
      ASSERT_EQ(ring_.LagOf(reader.position).entries, model_.all.size() - reader.index);
    }
  }

  std::mt19937_64 random_;
  Ring::Options options_;
  Ring ring_;
  Model model_;
  std::vector<Reader> readers_;
  uint64_t now_ms_;
  uint64_t evicted_by_cap_ = 0;
};

TEST(RingModel, RandomWorkGivesTheAnswersOfTheModel) {
  // semantics.md 1.5, 3.1, 4.2, 4.6, 4.10
  for (int trial = 0; trial < 60; ++trial) {
    const uint64_t seed = trial == 0 ? 1 : std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    Trial work(seed);
    for (int step = 0; step < 1500 && !testing::Test::HasFatalFailure(); ++step) work.Step();
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace galaxy::push
