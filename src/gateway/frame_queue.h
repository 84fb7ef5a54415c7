#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/slice.h"

namespace galaxy::push {

// The frames that wait for one connection, as references to bytes that connections share.
//
//   Threads  One loop.
//   Limits   None of its own: bytes() and oldest_ms() are for the owner's bounds.
//   Cost     40 bytes a frame while it waits; an empty queue holds no heap.
class FrameQueue {
 public:
  void Push(Slice frame, uint64_t mono_ms);

  // The front of the queue as buffers for one writev(); returns how many were filled. Frames that
  // lie back to back, as those of one batch do, share a buffer.
  size_t Peek(std::span<iovec> out) const;
  // `bytes` of what Peek() showed were written.
  void Consume(size_t bytes);
  // Moves up to `bytes_max` bytes out.
  void Take(size_t bytes_max, SliceList& out);

  // Forgets every frame of which no byte was written; a half-written one stays.
  void DropUnsent();
  void Clear();

  // A frame has begun to be written and is not whole.
  bool mid_frame() const { return front_offset_ > 0; }
  bool empty() const { return bytes_ == 0; }
  size_t bytes() const { return bytes_; }
  // Without the frame at the front.
  size_t bytes_behind() const {
    return empty() ? 0 : bytes_ - (frames_[head_].bytes.size() - front_offset_);
  }
  // When the oldest waiting frame came; requires !empty().
  uint64_t oldest_ms() const { return frames_[head_].mono_ms; }

 private:
  struct Frame {
    Slice bytes;
    uint64_t mono_ms = 0;
  };
  void PopFront();

  std::vector<Frame> frames_;
  uint32_t head_ = 0;
  uint32_t front_offset_ = 0;
  size_t bytes_ = 0;
};

}  // namespace galaxy::push
