#include "gateway/frame_queue.h"

#include <algorithm>

#include "base/check.h"

namespace galaxy::push {

void FrameQueue::Push(Slice frame, uint64_t mono_ms) {
  if (frame.size() == 0) return;
  // Closing up only when half is spent keeps Push() amortised O(1).
  if (head_ >= 16 && head_ * 2 >= frames_.size()) {
    frames_.erase(frames_.begin(), frames_.begin() + head_);
    head_ = 0;
  }
  bytes_ += frame.size();
  frames_.push_back({std::move(frame), mono_ms});
}

size_t FrameQueue::Peek(std::span<iovec> out) const {
  size_t filled = 0;
  size_t skip = front_offset_;
  for (size_t at = head_; at < frames_.size() && filled < out.size(); ++at) {
    std::string_view bytes = frames_[at].bytes.bytes.substr(skip);
    skip = 0;
    iovec* last = filled > 0 ? &out[filled - 1] : nullptr;
    if (last && static_cast<const char*>(last->iov_base) + last->iov_len == bytes.data()) {
      last->iov_len += bytes.size();
    } else {
      out[filled++] = {const_cast<char*>(bytes.data()), bytes.size()};
    }
  }
  return filled;
}

void FrameQueue::Consume(size_t bytes) {
  CHECK(bytes <= bytes_);
  bytes_ -= bytes;
  while (bytes > 0) {
    size_t left = frames_[head_].bytes.size() - front_offset_;
    if (bytes < left) {
      front_offset_ += static_cast<uint32_t>(bytes);
      return;
    }
    bytes -= left;
    PopFront();
  }
}

void FrameQueue::Take(size_t bytes_max, SliceList& out) {
  while (bytes_max > 0 && bytes_ > 0) {
    Frame& front = frames_[head_];
    size_t n = std::min(bytes_max, front.bytes.size() - front_offset_);
    out.push_back(front.bytes.Sub(front_offset_, n));
    bytes_max -= n;
    Consume(n);
  }
}

void FrameQueue::DropUnsent() {
  if (!mid_frame()) return Clear();
  frames_.resize(head_ + 1);
  bytes_ = frames_[head_].bytes.size() - front_offset_;
}

void FrameQueue::Clear() {
  frames_ = {};
  head_ = front_offset_ = 0;
  bytes_ = 0;
}

void FrameQueue::PopFront() {
  front_offset_ = 0;
  frames_[head_].bytes = {};
  if (++head_ == frames_.size()) Clear();
}

}  // namespace galaxy::push
