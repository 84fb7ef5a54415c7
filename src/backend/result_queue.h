#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "log/batch.h"

namespace galaxy::push {

// ResultQueue puts what became of a producer's entries back into the order they came in: those the
// log has taken answer later, those that were refused at once wait for the ones before them.
//
//   Cost  Nothing is kept of an entry that brought its own event_id and waits for the log.
class ResultQueue {
 public:
  // The next entry went to the log; `assigned_id` is its event_id when we made it.
  void Accept(std::string assigned_id) {
    if (!assigned_id.empty()) assigned_.push_back({entries_, std::move(assigned_id)});
    ++entries_;
    ++waiting_;
  }
  // The next entry was refused.
  void Refuse(Error error) { refused_.push_back({entries_++, std::move(error)}); }

  // Entries in the log's hands.
  size_t waiting() const { return waiting_; }
  // Entries not answered yet.
  size_t unanswered() const { return static_cast<size_t>(entries_ - answered_); }

  // `results` are those of the oldest waiting entries, in order. Calls
  // visit(const Result<Ack>&, std::string_view assigned_id) for each entry whose turn has come.
  template <typename Visit>
  void Complete(std::span<const Result<Ack>> results, Visit visit) {
    CHECK(results.size() <= waiting_);
    for (const Result<Ack>& result : results) {
      AnswerRefused(visit);
      std::string assigned;
      if (!assigned_.empty() && assigned_.front().first == answered_) {
        assigned = std::move(assigned_.front().second);
        assigned_.pop_front();
      }
      visit(result, std::string_view(assigned));
      ++answered_;
      --waiting_;
    }
    AnswerRefused(visit);
  }

 private:
  template <typename Visit>
  void AnswerRefused(Visit& visit) {
    while (!refused_.empty() && refused_.front().first == answered_) {
      visit(Result<Ack>(std::unexpected(std::move(refused_.front().second))), std::string_view());
      refused_.pop_front();
      ++answered_;
    }
  }

  uint64_t entries_ = 0;  // that came
  uint64_t answered_ = 0;
  size_t waiting_ = 0;
  std::deque<std::pair<uint64_t, Error>> refused_;         // by number of the entry
  std::deque<std::pair<uint64_t, std::string>> assigned_;  // by number of the entry
};

}  // namespace galaxy::push
