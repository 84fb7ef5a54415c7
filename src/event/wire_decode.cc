#include <cstring>

#include "base/ids.h"
#include "event/wire.h"

namespace galaxy::push {
namespace {

// What went wrong, without the cost of an Error on the way.
using Fault = const char*;
constexpr Fault kOk = nullptr;

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

// Reads one message's fields. Every Take moves behind what it took, or returns a fault.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  bool done() const { return at_ == end_; }

  Fault TakeTag(uint32_t& number, uint32_t& wire_type) {
    uint64_t tag;
    if (Fault fault = TakeVarint(tag, 5)) return fault;
    if (tag > UINT32_MAX) return "a field number is out of range";
    number = static_cast<uint32_t>(tag >> 3);
    wire_type = tag & 7;
    return number == 0 ? "field number 0" : kOk;
  }

  Fault TakeBytes(std::string_view& bytes) {
    uint64_t length;
    if (Fault fault = TakeVarint(length, 5)) return fault;
    if (length > left()) return "a length exceeds the message";
    bytes = {at_, static_cast<size_t>(length)};
    at_ += length;
    return kOk;
  }

  Fault Skip(uint32_t wire_type) {
    uint64_t ignored_value;
    std::string_view ignored_bytes;
    switch (wire_type) {
      case kVarint:
        return TakeVarint(ignored_value, 10);
      case kFixed64:
        return SkipBytes(8);
      case kLengthDelimited:
        return TakeBytes(ignored_bytes);
      case kFixed32:
        return SkipBytes(4);
      default:
        return "a group or an unknown wire type";
    }
  }

 private:
  size_t left() const { return static_cast<size_t>(end_ - at_); }

  Fault SkipBytes(size_t count) {
    if (left() < count) return "a field is truncated";
    at_ += count;
    return kOk;
  }

  Fault TakeVarint(uint64_t& value, int bytes_max) {
    if (at_ != end_ && static_cast<signed char>(*at_) >= 0) [[likely]] {
      value = static_cast<unsigned char>(*at_++);
      return kOk;
    }
    value = 0;
    for (int i = 0; i < bytes_max; ++i) {
      if (at_ == end_) return "a varint is truncated";
      auto byte = static_cast<unsigned char>(*at_++);
      value |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
      if (byte < 0x80) return kOk;
    }
    return "a varint is too long";
  }

  const char* at_;
  const char* end_;
};

template <typename Word>
Word Load(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// All bytes of `text`, or-ed together in some way: a word at a time, the last one overlapping the
// one before.
uint64_t BitsOf(std::string_view text) {
  const char* at = text.data();
  const char* end = at + text.size();
  if (text.size() >= 8) {
    auto bits = Load<uint64_t>(end - 8);
    for (; at < end - 8; at += 8) bits |= Load<uint64_t>(at);
    return bits;
  }
  if (text.size() >= 4) return Load<uint32_t>(at) | Load<uint32_t>(end - 4);
  uint64_t bits = 0;
  for (; at < end; ++at) bits |= Load<uint8_t>(at);
  return bits;
}

// Ids are nearly always ASCII. Anything else gets the full check.
bool IsUtf8(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  return (BitsOf(text) & kHighBits) == 0 || IsValidUtf8(text);
}

Fault TakeString(Reader& reader, std::string_view& text) {
  if (Fault fault = reader.TakeBytes(text)) return fault;
  return IsUtf8(text) ? kOk : "a string is not UTF-8";
}

// `member` is where the field goes, null for one that we do not know.
Fault TakeMember(Reader& reader, uint32_t wire_type, std::string_view* member, bool is_bytes) {
  if (member == nullptr) return reader.Skip(wire_type);
  if (wire_type != kLengthDelimited) return "a field has the wrong wire type";
  return is_bytes ? reader.TakeBytes(*member) : TakeString(reader, *member);
}

Fault ReadClientEvent(std::string_view message, EntryView& entry) {
  std::string_view* const members[] = {nullptr,           &entry.user_id, &entry.device_session_id,
                                       &entry.kind,       &entry.payload, &entry.event_id,
                                       &entry.request_id, &entry.trace_id};
  constexpr uint32_t kPayload = 4;
  for (Reader reader(message); !reader.done();) {
    uint32_t number, wire_type;
    if (Fault fault = reader.TakeTag(number, wire_type)) return fault;
    std::string_view* member = number < std::size(members) ? members[number] : nullptr;
    if (Fault fault = TakeMember(reader, wire_type, member, number == kPayload)) return fault;
  }
  return kOk;
}

Fault ReadSessionInvalidation(std::string_view message, EntryView& entry) {
  std::string_view* const members[] = {nullptr, &entry.device_session_id, &entry.user_id,
                                       &entry.reason};
  for (Reader reader(message); !reader.done();) {
    uint32_t number, wire_type;
    if (Fault fault = reader.TakeTag(number, wire_type)) return fault;
    std::string_view* member = number < std::size(members) ? members[number] : nullptr;
    if (Fault fault = TakeMember(reader, wire_type, member, false)) return fault;
  }
  return kOk;
}

// One member of the oneof. Another one than before replaces it; the same one is merged into it.
Fault TakeOneof(Reader& reader, uint32_t wire_type, EntryType type, EntryView& entry) {
  if (wire_type != kLengthDelimited) return "a field has the wrong wire type";
  std::string_view message;
  if (Fault fault = reader.TakeBytes(message)) return fault;
  if (entry.type == EntryType::kNone) {
    entry.type = type;
  } else if (entry.type != type) {
    entry = EntryView{.type = type, .cursor = entry.cursor};
  }
  return type == EntryType::kEvent ? ReadClientEvent(message, entry)
                                   : ReadSessionInvalidation(message, entry);
}

Fault ReadPushEvent(std::string_view message, EntryView& entry) {
  for (Reader reader(message); !reader.done();) {
    uint32_t number, wire_type;
    Fault fault = reader.TakeTag(number, wire_type);
    if (fault) return fault;
    if (number == 1) {
      fault = TakeOneof(reader, wire_type, EntryType::kEvent, entry);
    } else if (number == 2) {
      fault = TakeOneof(reader, wire_type, EntryType::kInvalidation, entry);
    } else {
      fault = TakeMember(reader, wire_type, number == 3 ? &entry.cursor : nullptr, false);
    }
    if (fault) return fault;
  }
  return kOk;
}

template <typename Read>
Result<EntryView> Decode(std::string_view message, EntryType type, Read read) {
  Result<EntryView> entry;
  if (message.size() > kMessageBytesMax) {
    return Fail(Code::kTooLarge, "a message has " + std::to_string(message.size()) +
                                     " bytes, the limit is " + std::to_string(kMessageBytesMax));
  }
  entry->type = type;
  if (Fault fault = read(message, *entry)) {
    return Fail(Code::kInvalidArgument, std::string("malformed message: ") + fault);
  }
  return entry;
}

}  // namespace

Result<EntryView> DecodePushEvent(std::string_view message) {
  return Decode(message, EntryType::kNone, ReadPushEvent);
}

Result<EntryView> DecodeClientEvent(std::string_view message) {
  return Decode(message, EntryType::kEvent, ReadClientEvent);
}

Result<EntryView> DecodeSessionInvalidation(std::string_view message) {
  return Decode(message, EntryType::kInvalidation, ReadSessionInvalidation);
}

}  // namespace galaxy::push
