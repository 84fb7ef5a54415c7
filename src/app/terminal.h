#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

class Loop;

// The two ends of an operator's tool: results on standard output, everything else on standard
// error.

// "galaxy-push tail: <text>" on standard error.
void Complain(std::string_view command, std::string_view text);

// LineOutput collects lines for standard output and writes them at the end of the loop's turn: one
// write for many lines, and none kept back while the loop waits.
//   Errors  When nobody reads any more (EPIPE) or the disk is full, the loop stops and failed() is
//           true.
class LineOutput {
 public:
  explicit LineOutput(Loop& loop) : loop_(loop) {}
  ~LineOutput() { Flush(); }
  LineOutput(const LineOutput&) = delete;
  LineOutput& operator=(const LineOutput&) = delete;

  // `line` without its line break.
  void Line(std::string_view line);
  void Flush();
  bool failed() const { return failed_; }

 private:
  Loop& loop_;
  std::string waiting_;
  bool deferred_ = false;
  bool failed_ = false;
};

}  // namespace galaxy::push
