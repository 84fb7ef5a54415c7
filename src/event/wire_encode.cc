#include <cstring>

#include "base/check.h"
#include "event/wire.h"

namespace galaxy::push {
namespace {

// Tags of proto/galaxy/backend/push/v1/push.proto: number << 3 | 2, all length-delimited.
constexpr char Tag(int number) { return static_cast<char>(number << 3 | 2); }

size_t VarintBytes(size_t value) {
  size_t bytes = 1;
  while (value >= 0x80) value >>= 7, ++bytes;
  return bytes;
}

size_t FieldBytes(std::string_view value) {
  return value.empty() ? 0 : 1 + VarintBytes(value.size()) + value.size();
}

char* PutVarint(char* out, size_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

char* PutField(char* out, int number, std::string_view value) {
  if (value.empty()) return out;
  *out++ = Tag(number);
  out = PutVarint(out, value.size());
  std::memcpy(out, value.data(), value.size());
  return out + value.size();
}

size_t BodyBytes(const EntryView& entry) {
  if (entry.type == EntryType::kInvalidation) {
    return FieldBytes(entry.device_session_id) + FieldBytes(entry.user_id) +
           FieldBytes(entry.reason);
  }
  return FieldBytes(entry.user_id) + FieldBytes(entry.device_session_id) + FieldBytes(entry.kind) +
         FieldBytes(entry.payload) + FieldBytes(entry.event_id) + FieldBytes(entry.request_id) +
         FieldBytes(entry.trace_id);
}

char* PutBody(char* out, const EntryView& entry) {
  if (entry.type == EntryType::kInvalidation) {
    out = PutField(out, 1, entry.device_session_id);
    out = PutField(out, 2, entry.user_id);
    return PutField(out, 3, entry.reason);
  }
  out = PutField(out, 1, entry.user_id);
  out = PutField(out, 2, entry.device_session_id);
  out = PutField(out, 3, entry.kind);
  out = PutField(out, 4, entry.payload);
  out = PutField(out, 5, entry.event_id);
  out = PutField(out, 6, entry.request_id);
  return PutField(out, 7, entry.trace_id);
}

char* PutPrefix(char* out, size_t message_bytes) {
  *out++ = 0;
  for (int shift = 24; shift >= 0; shift -= 8) *out++ = static_cast<char>(message_bytes >> shift);
  return out;
}

size_t MessageBytes(const EntryView& entry, size_t body_bytes, std::string_view cursor) {
  size_t bytes = FieldBytes(cursor);
  if (entry.type != EntryType::kNone) bytes += 1 + VarintBytes(body_bytes) + body_bytes;
  return bytes;
}

void Append(const EntryView& entry, std::string_view cursor, std::string& out) {
  size_t body_bytes = BodyBytes(entry);
  size_t message_bytes = MessageBytes(entry, body_bytes, cursor);
  CHECK(message_bytes <= kMessageBytesMax);
  size_t begin = out.size();
  out.resize(begin + kGrpcPrefixBytes + message_bytes);
  char* at = PutPrefix(out.data() + begin, message_bytes);
  if (entry.type != EntryType::kNone) {
    *at++ = Tag(entry.type == EntryType::kEvent ? 1 : 2);
    at = PutVarint(at, body_bytes);
    at = PutBody(at, entry);
  }
  at = PutField(at, 3, cursor);
  CHECK(at == out.data() + out.size());
}

constexpr std::string_view kPlaceholder = "0000000000000000-000000000000";
static_assert(kPlaceholder.size() == kCursorTextBytes);

}  // namespace

void AppendEntry(const EntryView& entry, std::string& out) {
  CHECK(entry.type != EntryType::kNone);
  Append(entry, kPlaceholder, out);
}

void AppendEntryVerbatim(const EntryView& entry, std::string& out) {
  Append(entry, entry.cursor, out);
}

void PatchCursor(std::span<char> entry, Cursor cursor) {
  // The field's tag and length stand before the text: a cheap proof that this is the right place.
  constexpr size_t kFieldBytes = 2 + kCursorTextBytes;
  CHECK(entry.size() >= kGrpcPrefixBytes + kFieldBytes);
  char* field = entry.data() + entry.size() - kFieldBytes;
  CHECK(field[0] == Tag(3) && field[1] == kCursorTextBytes);
  cursor.FormatTo(field + 2);
}

size_t EntryBytes(const EntryView& entry) {
  return kGrpcPrefixBytes + MessageBytes(entry, BodyBytes(entry), kPlaceholder);
}

}  // namespace galaxy::push
