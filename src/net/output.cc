#include "net/output.h"

#include <algorithm>
#include <array>

#include "net/connection.h"

namespace galaxy::push {
namespace {

constexpr size_t kCopyBelow = 64;
constexpr size_t kBlockBytesMin = 512;
constexpr size_t kBlockBytesMax = 4096;
constexpr size_t kIovecsMax = 64;

}  // namespace

void OutputQueue::Append(Slice slice) {
  if (slice.bytes.empty()) return;
  if (slice.size() < kCopyBelow) return AppendCopy(slice.bytes);
  bytes_ += slice.size();
  slices_.push_back(std::move(slice));
}

void OutputQueue::AppendCopy(std::string_view bytes) {
  if (bytes.empty()) return;
  if (!block_ || block_->capacity() - block_->size() < bytes.size()) {
    block_ = std::make_shared<std::string>();
    // Small answers take a small block, a run of them grows to the full size.
    block_->reserve(std::max(bytes.size(), bytes_ == 0 && bytes.size() < kBlockBytesMin
                                               ? kBlockBytesMin
                                               : kBlockBytesMax));
  }
  const char* begin = block_->data() + block_->size();
  block_->append(bytes);
  bytes_ += bytes.size();
  Slice* last = slices_.empty() ? nullptr : &slices_.back();
  if (last && last->owner == block_ && last->bytes.data() + last->size() == begin) {
    last->bytes = {last->bytes.data(), last->size() + bytes.size()};
    return;
  }
  slices_.push_back({block_, {begin, bytes.size()}});
}

bool OutputQueue::Flush(Connection& connection) {
  while (bytes_ > 0) {
    std::array<iovec, kIovecsMax> iovecs;
    size_t count = std::min(slices_.size() - head_, kIovecsMax);
    size_t offered = 0;
    for (size_t i = 0; i < count; ++i) {
      std::string_view bytes = slices_[head_ + i].bytes;
      iovecs[i] = {const_cast<char*>(bytes.data()), bytes.size()};
      offered += bytes.size();
    }
    size_t taken = connection.Write({iovecs.data(), count});
    DropFront(taken);
    if (taken < offered) return false;
  }
  return true;
}

void OutputQueue::Clear() {
  slices_ = {};
  head_ = 0;
  bytes_ = 0;
  block_.reset();
}

void OutputQueue::DropFront(size_t n) {
  bytes_ -= n;
  if (bytes_ == 0) return Clear();
  while (n > 0) {
    Slice& front = slices_[head_];
    if (front.size() > n) {
      front.bytes.remove_prefix(n);
      break;
    }
    n -= front.size();
    front = {};  // lets go of the bytes now, not when the list is compacted
    ++head_;
  }
  if (head_ > 64 && head_ * 2 > slices_.size()) {
    slices_.erase(slices_.begin(), slices_.begin() + static_cast<ptrdiff_t>(head_));
    head_ = 0;
  }
}

}  // namespace galaxy::push
