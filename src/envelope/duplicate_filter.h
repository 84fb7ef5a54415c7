#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace galaxy::push {

// DuplicateFilter is step 6 of docs/envelope.md: a cursor or a non-empty event_id among the last
// `capacity` since the last gap or fresh start is a duplicate.
//
//   Threads     One thread.
//   Limits      `capacity` cursors and as many event ids; the oldest leave first.
class DuplicateFilter {
 public:
  explicit DuplicateFilter(size_t capacity = 1024) : cursors_(capacity), event_ids_(capacity) {}

  // True when either was seen; else remembers both. Ask only about verified events: a forged one
  // must not make a real one a duplicate.
  bool SeenBefore(std::string_view cursor, std::string_view event_id);
  // On a `gap` frame or a `fresh` welcome.
  void Clear();

 private:
  class Recent {
   public:
    explicit Recent(size_t capacity) : ring_(capacity) {}
    Recent(Recent&&) = default;
    Recent& operator=(Recent&&) = default;
    bool Contains(std::string_view text) const;
    void Add(std::string_view text);
    void Clear();

   private:
    struct Hasher {
      using is_transparent = void;
      size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    std::vector<const std::string*> ring_;  // points into set_, whose nodes do not move
    std::unordered_set<std::string, Hasher, std::equal_to<>> set_;
    size_t next_ = 0;
  };
  Recent cursors_;
  Recent event_ids_;
};

}  // namespace galaxy::push
