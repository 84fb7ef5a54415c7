#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "log/shared_stream.h"

namespace galaxy::push {

// The stream of FakeSharedStream: a struct that outlives the backends which use it, and that can
// refuse, be silent, or let go.
struct FakeStore {
  struct Row {
    uint64_t sequence;
    uint64_t time_ms;
    EntryType type;
    std::string bytes;
  };
  uint64_t created_ms = 1'763'850'000'000;
  uint64_t now_ms = created_ms;
  uint64_t last = 0;
  std::vector<Row> rows;
  std::vector<Row> retained;
  std::map<std::string, uint64_t> ids;
  uint64_t publications = 0;
  uint64_t retain_calls = 0;
  bool down = false;           // Publish() fails
  bool refuses = false;        // every publication is answered: again
  bool silent = false;         // takes nothing, answers nothing
  bool loses_answers = false;  // takes, and answers nothing
  bool holds_answers = false;  // takes, and answers later
  size_t unanswered_max = 8'192;
  bool retains = true;         // what is to be retained is, at once
  uint64_t other_history = 0;  // answers name places that are off by so many
  bool hides = false;          // readers get nothing

  uint64_t Take(const SharedStream::Publication& publication, bool& duplicate) {
    auto [id, fresh] = ids.emplace(publication.message_id, last + 1);
    duplicate = !fresh;
    if (!fresh) return id->second;
    rows.push_back({++last, now_ms, publication.type, std::string(publication.bytes)});
    return last;
  }
  void Retain(Row row) {
    auto at = std::ranges::lower_bound(retained, row.sequence, {}, &Row::sequence);
    if (at == retained.end() || at->sequence != row.sequence) retained.insert(at, std::move(row));
  }
};

class FakeSharedStream final : public SharedStream {
 public:
  explicit FakeSharedStream(FakeStore& store) : store_(store) {}

  Result<Opening> Open() override {
    Opening opening{
        .began_ms = store_.created_ms, .messages = store_.rows.size(), .last = store_.last};
    opening.first = store_.rows.empty() ? store_.last + 1 : store_.rows.front().sequence;
    opening.last_time_ms = store_.now_ms;
    opening.unanswered_max = store_.unanswered_max;
    for (const FakeStore::Row& row : store_.retained) {
      opening.retained.Add(row.sequence, row.time_ms, row.bytes);
    }
    read_ = opening.first - 1;
    return opening;
  }
  Status Publish(const Publication& publication) override {
    if (store_.down) return Fail(Code::kUnavailable, "down");
    ++store_.publications;
    if (store_.silent) return {};
    StreamNews::Answer answer{.token = publication.token};
    if (store_.refuses) {
      answer.again = true;
      answer.error = Error{Code::kUnavailable, "no responders", {}};
    } else {
      answer.sequence = store_.Take(publication, answer.duplicate) - store_.other_history;
    }
    if (!store_.loses_answers) answers_.push_back(answer);
    return {};
  }
  void Take(StreamNews& news) override {
    if (!store_.holds_answers) news.answers = std::exchange(answers_, {});
    if (store_.hides) return;
    for (const FakeStore::Row& row : store_.rows) {
      if (row.sequence <= read_) continue;
      news.read.Add(row.sequence, row.time_ms, row.bytes);
      read_ = row.sequence;
    }
    for (const FakeStore::Row& row : store_.retained) {
      if (retained_told_.insert(row.sequence).second) news.retained.push_back(row.sequence);
    }
  }
  Status Retain(const StreamMessages::Message& message, unsigned, std::string_view bytes) override {
    if (store_.down) return Fail(Code::kUnavailable, "down");
    ++store_.retain_calls;
    if (!store_.retains || store_.silent) return {};
    store_.Retain(
        {message.sequence, message.time_ms, EntryType::kInvalidation, std::string(bytes)});
    return {};
  }
  Result<std::optional<StreamMessages>> Read(uint64_t sequence) override {
    for (const FakeStore::Row& row : store_.rows) {
      if (row.sequence != sequence) continue;
      StreamMessages one;
      one.Add(row.sequence, row.time_ms, row.bytes);
      return one;
    }
    return std::nullopt;
  }
  void SetWaker(std::function<void()>) override {}
  void Expect(uint64_t) override {}
  void CollectMetrics(MetricList&) const override {}

 private:
  FakeStore& store_;
  uint64_t read_ = 0;
  std::set<uint64_t> retained_told_;
  std::vector<StreamNews::Answer> answers_;
};

}  // namespace galaxy::push
