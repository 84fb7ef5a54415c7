#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

class Loop;

// LineReader reads a file or a pipe on a thread of its own and hands its lines to the loop, as fast
// as they are taken: a slow producer does not block the loop, a fast one does not fill the memory.
//
//   Threads   `take` and `end` run on the loop.
//   Limits    One block of 256 KiB is waiting at most; a line over `line_bytes_max` ends the
//   reading
//             with kTooLarge.
//   Lifetime  Destroying it ends the thread, also while it waits for a pipe.
class LineReader {
 public:
  // Takes one line without its line break; false: not now, offer it again after Resume().
  using Take = std::function<bool(std::string_view line)>;
  // Once, after the last line was taken, or with why reading failed.
  using End = std::function<void(const Status& status)>;

  // Does not own `fd`.
  static std::unique_ptr<LineReader> Start(Loop& loop, int fd, size_t line_bytes_max, Take take,
                                           End end);
  virtual ~LineReader() = default;
  virtual void Resume() = 0;
  virtual uint64_t bytes_taken() const = 0;
};

}  // namespace galaxy::push
