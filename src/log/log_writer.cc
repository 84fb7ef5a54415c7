#include "log/log_writer.h"

#include "base/check.h"
#include "event/wire.h"

namespace galaxy::push {
namespace {

constexpr int64_t Signed(uint64_t number) { return static_cast<int64_t>(number); }

}  // namespace

StorageStatus CreateLogTables(Database& database) {
  StorageStatus ok = database.Exec("PRAGMA application_id=" + std::to_string(kLogApplicationId) +
                                   ";PRAGMA user_version=" + std::to_string(kLogFormatVersion));
  return ok ? database.Exec(kLogSchema) : ok;
}

StorageResult<LogWriter> LogWriter::Prepare(Database& database) {
  auto meta = database.Prepare(
      "INSERT OR REPLACE INTO meta(id, start_sequence, start_ms, floor_sequence, floor_ms,"
      " retained_floor, checksum) VALUES(1, ?, ?, ?, ?, ?, ?)");
  if (!meta) return std::unexpected(meta.error());
  auto row = database.Prepare(
      "INSERT INTO log(first, first_ms, last, last_ms, before, entries, checksum, bytes)"
      " VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
  if (!row) return std::unexpected(row.error());
  // Of the same session or, never, of the same sequence: the newest wins.
  auto retained = database.Prepare(
      "INSERT OR REPLACE INTO retained(sequence, ms, user_id, device_session_id, checksum, entry)"
      " VALUES(?, ?, ?, ?, ?, ?)");
  if (!retained) return std::unexpected(retained.error());
  return LogWriter(std::move(*meta), std::move(*row), std::move(*retained));
}

StorageStatus LogWriter::WriteMeta(const MetaRow& row) {
  RowChecksum checksum = ChecksumOf(row);
  int place = 0;
  for (uint64_t number : {row.log_start.sequence, row.log_start.time_ms, row.floor.sequence,
                          row.floor.time_ms, row.retained_floor}) {
    meta_.BindInt(++place, Signed(number));
  }
  meta_.BindBlob(++place, AsBytes(checksum));
  return meta_.Run();
}

StorageStatus LogWriter::WriteRow(const LogRow& row) {
  RowChecksum checksum = ChecksumOf(row);
  int place = 0;
  for (uint64_t number : {row.first.sequence, row.first.time_ms, row.last.sequence,
                          row.last.time_ms, row.before, row.entries}) {
    row_.BindInt(++place, Signed(number));
  }
  row_.BindBlob(++place, AsBytes(checksum));
  row_.BindBlob(++place, row.bytes);
  return row_.Run();
}

StorageStatus LogWriter::WriteRetained(const CommitEntry& entry) {
  Result<EntryView> view = DecodePushEvent(EntryMessage(entry.entry));
  CHECK(view.has_value());
  RetainedRow row{entry.cursor, view->user_id, view->device_session_id, entry.entry};
  RowChecksum checksum = ChecksumOf(row);
  retained_.BindInt(1, Signed(row.cursor.sequence));
  retained_.BindInt(2, Signed(row.cursor.time_ms));
  retained_.BindText(3, row.user_id);
  retained_.BindText(4, row.device_session_id);
  retained_.BindBlob(5, AsBytes(checksum));
  retained_.BindBlob(6, row.entry);
  return retained_.Run();
}

}  // namespace galaxy::push
