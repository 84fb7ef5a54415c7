#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/slice.h"

namespace galaxy::push {

class Connection;

// Bytes that wait for one connection: small control bytes are gathered, shared slices are referred
// to without a copy. One writev() takes as much as the kernel wants.
//
//   Threads  One loop.
//   Limits   None of its own: bytes() is for the owner's bound.
//   Cost     Append of a slice is O(1); nothing is copied unless it is small (under 64 bytes).
//            An empty queue holds no memory.
class OutputQueue {
 public:
  void Append(Slice slice);
  // Copies; adjacent copies share one block.
  void AppendCopy(std::string_view bytes);
  // Writes what the connection takes. True when nothing is left.
  bool Flush(Connection& connection);
  void Clear();
  size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }

 private:
  void DropFront(size_t n);

  std::vector<Slice> slices_;  // from head_ on; not allocated while nothing waits
  size_t head_ = 0;
  size_t bytes_ = 0;
  std::shared_ptr<std::string> block_;  // the block that AppendCopy() fills, never reallocated
};

}  // namespace galaxy::push
