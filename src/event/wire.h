#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "event/cursor.h"
#include "event/entry.h"

namespace galaxy::push {

// PushEvent (proto/galaxy/backend/push/v1/push.proto) written and read by hand. An entry is one
// length-prefixed gRPC message, the form it keeps from publish to the gateway's socket:
//
//   0   compressed flag, always 0
//   1   message length, 4 bytes, big endian
//   5   PushEvent: client_event or session_invalidation, its members in field order, empty ones
//       left out; then the cursor, LAST
//
// so that the last 29 bytes of an entry of ours are its cursor, which lets us encode when it is
// published and write the cursor in place once it is sequenced.
//
//   Threads   Pure functions.
//   Limits    kMessageBytesMax per message when decoding; encoding CHECKs the same bound.
//   Cost      Encoding appends once to `out`. Decoding allocates and copies nothing; it allocates
//             only for the Error of a refused message.

inline constexpr size_t kGrpcPrefixBytes = 5;
inline constexpr size_t kMessageBytesMax = 4 * 1024 * 1024;

// The bytes of the message inside an entry. Requires a whole entry (MessageSplitter gives those).
inline std::string_view EntryMessage(std::string_view entry) {
  return entry.substr(kGrpcPrefixBytes);
}

// Appends `entry` with room for a cursor of ours; `entry.cursor` is not read. Requires a type other
// than kNone. PatchCursor() then writes the cursor into the bytes of exactly one such entry.
void AppendEntry(const EntryView& entry, std::string& out);
void PatchCursor(std::span<char> entry, Cursor cursor);

// Appends `entry` with `entry.cursor` as it is, whatever its form; type kNone is allowed.
void AppendEntryVerbatim(const EntryView& entry, std::string& out);

// What AppendEntry() will append, in bytes.
size_t EntryBytes(const EntryView& entry);

// Views of a serialized message. Fields may come in any order and more than once: as in proto3 the
// last value wins, a repeated submessage is merged, another member of the oneof replaces the first.
// Unknown fields are skipped. kInvalidArgument for truncated or overlong varints and lengths, a
// known field with another wire type, groups, a field number that is 0 or over 29 bits, a string
// field that is not UTF-8; kTooLarge over kMessageBytesMax.
Result<EntryView> DecodePushEvent(std::string_view message);
Result<EntryView> DecodeClientEvent(std::string_view message);
Result<EntryView> DecodeSessionInvalidation(std::string_view message);

}  // namespace galaxy::push
