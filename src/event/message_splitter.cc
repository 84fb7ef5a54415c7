#include "event/message_splitter.h"

#include <algorithm>

#include "base/check.h"

namespace galaxy::push {
namespace {

// A buffer that once held a large message is given back, not kept for the life of the stream.
constexpr size_t kPartialBytesKept = 64 * 1024;

}  // namespace

void MessageSplitter::Feed(std::string_view chunk) {
  CHECK(chunk_.empty());
  chunk_ = chunk;
}

Result<size_t> MessageSplitter::FramedBytes(std::string_view bytes) const {
  auto at = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])); };
  if (at(0) == 1) return Fail(Code::kUnimplemented, "compressed messages are not supported");
  if (at(0) != 0) return Fail(Code::kInvalidArgument, "the compressed flag is neither 0 nor 1");
  size_t length = at(1) << 24 | at(2) << 16 | at(3) << 8 | at(4);
  if (length > message_bytes_max_) {
    return Fail(Code::kTooLarge, "a message announces " + std::to_string(length) +
                                     " bytes, the limit is " + std::to_string(message_bytes_max_));
  }
  return kGrpcPrefixBytes + length;
}

Result<bool> MessageSplitter::Next(std::string_view& framed) {
  if (partial_given_) {
    partial_given_ = false;
    partial_.clear();
    if (partial_.capacity() > kPartialBytesKept) partial_.shrink_to_fit();
  }
  if (!partial_.empty()) return NextPartial(framed);
  if (chunk_.size() >= kGrpcPrefixBytes) {
    Result<size_t> size = FramedBytes(chunk_);
    if (!size) return std::unexpected(std::move(size.error()));
    if (*size <= chunk_.size()) {
      framed = chunk_.substr(0, *size);
      chunk_.remove_prefix(*size);
      return true;
    }
  }
  TakeIntoPartial(chunk_.size());
  return false;
}

// Completes the message in partial_ with as little of the chunk as it needs.
Result<bool> MessageSplitter::NextPartial(std::string_view& framed) {
  if (partial_.size() < kGrpcPrefixBytes) TakeIntoPartial(kGrpcPrefixBytes - partial_.size());
  if (partial_.size() < kGrpcPrefixBytes) return false;
  Result<size_t> size = FramedBytes(partial_);
  if (!size) return std::unexpected(std::move(size.error()));
  TakeIntoPartial(*size - partial_.size());
  if (partial_.size() < *size) return false;
  framed = partial_;
  partial_given_ = true;
  return true;
}

void MessageSplitter::TakeIntoPartial(size_t size) {
  size = std::min(size, chunk_.size());
  partial_.append(chunk_.substr(0, size));
  chunk_.remove_prefix(size);
}

}  // namespace galaxy::push
