#include "log/log_reader.h"

#include <optional>
#include <unordered_map>

#include "event/wire.h"

namespace galaxy::push {
namespace {

Cursor CursorAt(const Statement& row, int column) {
  return {static_cast<uint64_t>(row.Int(column)), static_cast<uint64_t>(row.Int(column + 1))};
}

// One reading, from ReadMeta() to ReadRows().
class Reading {
 public:
  Reading(Database& database, LogVisitor& visitor) : database_(database), visitor_(visitor) {}

  Status ReadMeta();
  Status ReadRetained();
  Status ReadRows();
  LogContents Take() { return std::move(contents_); }

 private:
  using RowReader = void (Reading::*)(const Statement&);
  // Runs `sql` and hands over each row.
  Status ForEach(const char* table, std::string_view sql, RowReader reader);
  void OnMetaRow(const Statement& row);
  void OnRetainedRow(const Statement& row);
  void OnLogRow(const Statement& row);
  void OnEntry(const CommitEntry& entry);
  std::optional<std::string> ChainFault(const LogRow& row) const;
  void Blame(LogFault fault);

  Database& database_;
  LogVisitor& visitor_;
  LogContents contents_;
  bool meta_found_ = false;
  bool meta_good_ = false;
  uint64_t window_start_ = 0;  // the log holds entries above this
  // Retained invalidations that the log may hold as well.
  std::unordered_map<std::string, uint64_t> recent_;
  std::optional<uint64_t> last_;  // of the log row before; empty when that one was bad
  bool first_row_ = true;
  std::string row_fault_;  // found in an entry of the row being read
};

void Reading::Blame(LogFault fault) {
  visitor_.OnFault(fault);
  if (contents_.faults++ < LogContents::kFaultsListed) {
    contents_.listed.push_back(std::move(fault));
  }
}

Status Reading::ForEach(const char* table, std::string_view sql, RowReader reader) {
  auto damaged = [&](const StorageError& error) -> Status {
    // kOther: a table or a column is not there.
    bool damage = error.fault == StorageFault::kCorrupt || error.fault == StorageFault::kOther;
    if (!damage) return std::unexpected<Error>(error);
    Blame({.table = table, .what = "the rest cannot be read: " + error.message});
    return {};
  };
  StorageResult<Statement> statement = database_.Prepare(sql);
  if (!statement) return damaged(statement.error());
  for (;;) {
    StorageResult<bool> row = statement->Step();
    if (!row) return damaged(row.error());
    if (!*row) return {};
    (this->*reader)(*statement);
  }
}

Status Reading::ReadMeta() {
  Status ok = ForEach("meta", kSelectMeta, &Reading::OnMetaRow);
  if (ok && !meta_found_ && contents_.faults == 0)
    Blame({.table = "meta", .what = "there is no row"});
  return ok;
}

void Reading::OnMetaRow(const Statement& statement) {
  meta_found_ = true;
  auto [meta, checksum] = MetaAt(statement);
  if (auto fault = FaultOf(meta, checksum))
    return Blame({.table = "meta", .row = 1, .what = *fault});
  meta_good_ = true;
  contents_.meta = meta;
  contents_.head = meta.floor;
  visitor_.OnMeta(meta);
}

Status Reading::ReadRetained() {
  StorageResult<int64_t> before =
      database_.QueryInt("SELECT before FROM log ORDER BY first LIMIT 1");
  if (before) window_start_ = static_cast<uint64_t>(*before);
  return ForEach("retained", std::string(kSelectRetained) + " ORDER BY sequence",
                 &Reading::OnRetainedRow);
}

void Reading::OnRetainedRow(const Statement& statement) {
  auto [retained, checksum] = RetainedAt(statement);
  ++contents_.retained;
  if (auto fault = FaultOf(retained, checksum)) {
    return Blame({"retained", retained.cursor.sequence, retained.cursor, retained.cursor, *fault});
  }
  if (retained.cursor.sequence > window_start_) {
    recent_[SessionKey(retained.user_id, retained.device_session_id)] = retained.cursor.sequence;
  }
  if (meta_good_) visitor_.OnRetained(retained);
}

Status Reading::ReadRows() {
  Status ok = ForEach("log", std::string(kSelectLog) + " ORDER BY first", &Reading::OnLogRow);
  if (ok && last_ && meta_good_ && *last_ < contents_.meta.floor.sequence) {
    Blame({.table = "log", .what = "the rows up to the floor are missing"});
  }
  return ok;
}

std::optional<std::string> Reading::ChainFault(const LogRow& row) const {
  if (first_row_ && meta_good_) {
    if (row.before > contents_.meta.floor.sequence) return "the rows before it are missing";
    if (row.before < contents_.meta.log_start.sequence) return "it lies before the log's start";
  }
  if (last_ && row.before != *last_) return "the rows before it are missing";
  return std::nullopt;
}

void Reading::OnLogRow(const Statement& statement) {
  auto stored = LogRowAt(statement);
  const LogRow& row = stored.row;
  ++contents_.rows;
  row_fault_.clear();
  auto fault = FaultOf(row, stored.checksum, [this](const CommitEntry& entry) { OnEntry(entry); });
  bool readable = !fault;
  if (!fault) fault = ChainFault(row);
  if (!fault && !row_fault_.empty()) fault = row_fault_;
  if (fault) Blame({"log", row.first.sequence, row.first, row.last, *fault});
  first_row_ = false;
  last_.reset();
  if (!readable) return;
  last_ = row.last.sequence;
  contents_.entries += row.entries;
  if (row.last > contents_.head) contents_.head = row.last;
  if (meta_good_) visitor_.OnRow(row);
}

void Reading::OnEntry(const CommitEntry& entry) {
  if (entry.type == EntryType::kInvalidation && meta_good_ &&
      entry.cursor.sequence > contents_.meta.retained_floor) {
    EntryView view = *DecodePushEvent(EntryMessage(entry.entry));
    auto known = recent_.find(SessionKey(view.user_id, view.device_session_id));
    if (known == recent_.end() || known->second < entry.cursor.sequence) {
      row_fault_ = "its invalidation " + entry.cursor.Format() + " is not retained";
    }
  }
  if (meta_good_) visitor_.OnEntry(entry);
}

}  // namespace

std::string SessionKey(std::string_view user_id, std::string_view device_session_id) {
  return std::to_string(user_id.size()) + ":" + std::string(user_id) +
         std::string(device_session_id);
}

Stored<MetaRow> MetaAt(const Statement& statement) {
  return {{CursorAt(statement, 0), CursorAt(statement, 2), static_cast<uint64_t>(statement.Int(4))},
          statement.Blob(5)};
}

Stored<LogRow> LogRowAt(const Statement& statement) {
  return {{.before = static_cast<uint64_t>(statement.Int(4)),
           .first = CursorAt(statement, 0),
           .last = CursorAt(statement, 2),
           .entries = static_cast<uint64_t>(statement.Int(5)),
           .bytes = statement.Blob(6)},
          statement.Blob(7)};
}

Stored<RetainedRow> RetainedAt(const Statement& statement) {
  return {{CursorAt(statement, 0), statement.Text(2), statement.Text(3), statement.Blob(4)},
          statement.Blob(5)};
}

std::string LogFault::ToString() const {
  std::string text = table;
  if (row != 0) text += " row " + std::to_string(row);
  if (last.sequence != 0) text += " (cursors " + first.Format() + " to " + last.Format() + ")";
  return text + ": " + what;
}

Status CheckLogFormat(Database& database) {
  StorageResult<int64_t> application = database.QueryInt("PRAGMA application_id");
  if (!application) return std::unexpected<Error>(application.error());
  StorageResult<int64_t> version = database.QueryInt("PRAGMA user_version");
  if (!version) return std::unexpected<Error>(version.error());
  if (*application != kLogApplicationId) {
    return Fail(Code::kInternal, database.path() + " is not a log of galaxy-push", "data");
  }
  if (*version != kLogFormatVersion) {
    return Fail(Code::kInternal,
                database.path() + " has format version " + std::to_string(*version) +
                    "; this program knows version " + std::to_string(kLogFormatVersion) +
                    (*version > kLogFormatVersion ? ": a newer galaxy-push wrote it" : ""),
                "data");
  }
  return {};
}

Result<LogContents> ReadLog(Database& database, LogVisitor& visitor) {
  if (Status ok = CheckLogFormat(database); !ok) return std::unexpected(ok.error());
  Reading reading(database, visitor);
  Status ok = reading.ReadMeta();
  if (ok) ok = reading.ReadRetained();
  if (ok) ok = reading.ReadRows();
  if (!ok) return std::unexpected(ok.error());
  return reading.Take();
}

}  // namespace galaxy::push
