#include "backend/proto_reader.h"

namespace galaxy::push {
namespace {

// Protocol Buffers encoding; the group types 3 and 4 are not of proto3.
enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

constexpr unsigned kVarintBytesMax = 10;
constexpr unsigned kSizeBytesMax = 5;  // of a tag or a length, as protobuf reads them

}  // namespace

bool ProtoReader::Varint(uint64_t& value, unsigned bytes_max) {
  value = 0;
  for (unsigned shift = 0; shift < 7 * bytes_max && !rest_.empty(); shift += 7) {
    auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return Malformed();
}

bool ProtoReader::Take(uint64_t size) {
  if (size > rest_.size()) return Malformed();
  bytes_ = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

bool ProtoReader::Payload(uint64_t wire_type) {
  uint64_t value = 0;
  delimited_ = wire_type == kLengthDelimited;
  switch (wire_type) {
    case kVarint:
      return Varint(value, kVarintBytesMax);
    case kFixed64:
      return Take(8);
    case kLengthDelimited:
      return Varint(value, kSizeBytesMax) && Take(value);
    case kFixed32:
      return Take(4);
    default:
      return Malformed();
  }
}

bool ProtoReader::Next() {
  if (!ok_ || rest_.empty()) return false;
  uint64_t tag = 0;
  if (!Varint(tag, kSizeBytesMax)) return false;
  number_ = static_cast<uint32_t>(tag >> 3);
  if (tag > UINT32_MAX || number_ == 0) return Malformed();
  return Payload(tag & 7);
}

}  // namespace galaxy::push
