#include "log/log_format.h"

#include <algorithm>
#include <initializer_list>

#include "crypto/sha256.h"
#include "event/message_splitter.h"
#include "event/wire.h"

namespace galaxy::push {

const char* const kLogSchema = R"(
CREATE TABLE meta(
  id INTEGER PRIMARY KEY CHECK(id = 1),
  start_sequence INTEGER NOT NULL, start_ms INTEGER NOT NULL,
  floor_sequence INTEGER NOT NULL, floor_ms INTEGER NOT NULL,
  retained_floor INTEGER NOT NULL,
  checksum BLOB NOT NULL
) STRICT;
CREATE TABLE log(
  first INTEGER PRIMARY KEY, first_ms INTEGER NOT NULL,
  last INTEGER NOT NULL, last_ms INTEGER NOT NULL,
  before INTEGER NOT NULL, entries INTEGER NOT NULL,
  checksum BLOB NOT NULL, bytes BLOB NOT NULL
) STRICT;
CREATE TABLE retained(
  sequence INTEGER PRIMARY KEY, ms INTEGER NOT NULL,
  user_id TEXT NOT NULL, device_session_id TEXT NOT NULL,
  checksum BLOB NOT NULL, entry BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX retained_session ON retained(user_id, device_session_id);
CREATE TABLE probe(id INTEGER PRIMARY KEY CHECK(id = 1), bytes BLOB NOT NULL) STRICT;
)";

namespace {

// `kind` keeps a row of one table from passing as one of another.
RowChecksum Digest(char kind, std::initializer_list<uint64_t> numbers, std::string_view bytes) {
  std::string head(1, kind);
  for (uint64_t number : numbers) {
    for (int shift = 56; shift >= 0; shift -= 8) head += static_cast<char>(number >> shift);
  }
  Sha256 sha;
  sha.Update(head);
  sha.Update(bytes);
  Hash hash = sha.Finish();
  RowChecksum checksum;
  std::copy_n(reinterpret_cast<const char*>(hash.data()), checksum.size(), checksum.begin());
  return checksum;
}

using Fault = std::optional<std::string>;

// Decodes one entry and compares its own cursor with what is to be expected.
Result<CommitEntry> Decode(std::string_view framed) {
  Result<EntryView> view = DecodePushEvent(EntryMessage(framed));
  if (!view) return std::unexpected(view.error());
  if (view->type == EntryType::kNone) return Fail(Code::kInvalidArgument, "no type");
  Result<Cursor> cursor = Cursor::Parse(view->cursor);
  if (!cursor) return std::unexpected(cursor.error());
  return CommitEntry{view->type, *cursor, framed};
}

}  // namespace

RowChecksum ChecksumOf(const MetaRow& row) {
  return Digest('M',
                {row.log_start.sequence, row.log_start.time_ms, row.floor.sequence,
                 row.floor.time_ms, row.retained_floor},
                {});
}

RowChecksum ChecksumOf(const LogRow& row) {
  return Digest('L',
                {row.before, row.first.sequence, row.first.time_ms, row.last.sequence,
                 row.last.time_ms, row.entries},
                row.bytes);
}

RowChecksum ChecksumOf(const RetainedRow& row) {
  return Digest(
      'R', {row.cursor.sequence, row.cursor.time_ms, row.user_id.size()},
      std::string(row.user_id) + std::string(row.device_session_id) + std::string(row.entry));
}

Fault FaultOf(const MetaRow& row, std::string_view checksum) {
  if (checksum != AsBytes(ChecksumOf(row))) return "the checksum is wrong";
  if (row.floor < row.log_start) return "the floor lies before the start";
  return std::nullopt;
}

Fault FaultOf(const LogRow& row, std::string_view checksum,
              const std::function<void(const CommitEntry&)>& on_entry) {
  if (checksum != AsBytes(ChecksumOf(row))) return "the checksum is wrong";
  if (row.before >= row.first.sequence) return "it does not lie behind the row before";
  MessageSplitter splitter;
  splitter.Feed(row.bytes);
  uint64_t entries = 0;
  Cursor last{row.before, 0};
  for (std::string_view framed;;) {
    Result<bool> more = splitter.Next(framed);
    if (!more) return "an entry cannot be read: " + more.error().message;
    if (!*more) break;
    Result<CommitEntry> entry = Decode(framed);
    if (!entry) return "an entry cannot be read: " + entry.error().message;
    if (entry->cursor <= last) return "its cursors do not rise";
    if (entries == 0 && entry->cursor != row.first) return "it begins with another entry";
    last = entry->cursor;
    ++entries;
    on_entry(*entry);
  }
  if (splitter.pending() > 0) return "it ends within an entry";
  if (entries != row.entries) return "it holds another number of entries";
  if (last != row.last) return "it ends with another entry";
  return std::nullopt;
}

Fault FaultOf(const RetainedRow& row, std::string_view checksum) {
  if (checksum != AsBytes(ChecksumOf(row))) return "the checksum is wrong";
  MessageSplitter splitter;
  splitter.Feed(row.entry);
  std::string_view framed;
  Result<bool> whole = splitter.Next(framed);
  if (!whole || !*whole || framed.size() != row.entry.size()) return "it is not one entry";
  Result<CommitEntry> entry = Decode(framed);
  if (!entry) return "the entry cannot be read: " + entry.error().message;
  if (entry->type != EntryType::kInvalidation) return "it is no invalidation";
  if (entry->cursor != row.cursor) return "the entry has another cursor";
  EntryView view = *DecodePushEvent(EntryMessage(framed));
  if (view.user_id != row.user_id || view.device_session_id != row.device_session_id)
    return "the entry is of another session";
  return std::nullopt;
}

}  // namespace galaxy::push
