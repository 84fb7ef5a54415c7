#include "backend/publish_wire.h"

#include "backend/proto_reader.h"
#include "event/wire.h"

namespace galaxy::push {
namespace {

constexpr uint32_t kLengthDelimited = 2;

void AppendVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

// Empty members are left out (proto3).
void AppendMember(uint32_t number, std::string_view bytes, std::string& out) {
  if (bytes.empty()) return;
  AppendVarint(number << 3 | kLengthDelimited, out);
  AppendVarint(bytes.size(), out);
  out += bytes;
}

void AppendCursor(uint32_t number, Cursor cursor, std::string& out) {
  AppendVarint(number << 3 | kLengthDelimited, out);
  AppendVarint(kCursorTextBytes, out);
  size_t at = out.size();
  out.resize(at + kCursorTextBytes);
  cursor.FormatTo(out.data() + at);
}

std::string ErrorMessage(const Error& error) {
  std::string message;
  AppendMember(1, Describe(error.code).name, message);
  AppendMember(2, error.field, message);
  AppendMember(3, error.message, message);
  return message;
}

}  // namespace

Result<std::string_view> ReadOnlyField(std::string_view message, std::string_view name) {
  ProtoReader reader(message);
  std::string_view field;
  int found = 0;
  while (reader.Next()) {
    if (reader.number() != 1) continue;
    if (!reader.delimited()) return Fail(Code::kInvalidArgument, "malformed message");
    field = reader.bytes();
    ++found;
  }
  if (!reader.ok()) return Fail(Code::kInvalidArgument, "malformed message");
  if (found == 1) return field;
  return Fail(Code::kInvalidArgument,
              std::string(name) + (found == 0 ? " is missing" : " occurs twice"),
              std::string(name));
}

void AppendPublishResult(const Result<Ack>& result, std::string_view assigned_id,
                         std::string& out) {
  if (!result) return AppendMember(3, ErrorMessage(result.error()), out);
  AppendCursor(1, result->cursor, out);
  if (result->duplicate) out += std::string_view("\x10\x01", 2);
  AppendMember(4, assigned_id, out);
}

void AppendFramedPublishResult(const Result<Ack>& result, std::string_view assigned_id,
                               std::string& out) {
  size_t prefix = out.size();
  out.append(kGrpcPrefixBytes, '\0');
  AppendPublishResult(result, assigned_id, out);
  size_t length = out.size() - prefix - kGrpcPrefixBytes;
  for (size_t i = 1; i < kGrpcPrefixBytes; ++i) {
    out[prefix + i] = static_cast<char>(length >> (8 * (kGrpcPrefixBytes - 1 - i)));
  }
}

void AppendResultField(const Result<Ack>& result, std::string_view assigned_id, std::string& out) {
  std::string message;
  AppendPublishResult(result, assigned_id, message);
  AppendVarint(1 << 3 | kLengthDelimited, out);
  AppendVarint(message.size(), out);
  out += message;
}

std::string InvalidateResponseMessage(Cursor cursor) {
  std::string message;
  AppendCursor(1, cursor, message);
  return message;
}

}  // namespace galaxy::push
