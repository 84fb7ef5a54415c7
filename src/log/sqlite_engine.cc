#include "log/sqlite_engine.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/check.h"
#include "log/log_format.h"
#include "log/log_reader.h"
#include "log/log_writer.h"
#include "storage/database.h"
#include "storage/folder_lock.h"

namespace galaxy::push {
namespace {

// With the sizes in docs/adr/0009: a checkpoint of 4 MiB takes about as long as two commits.
constexpr uint64_t kCheckpointPages = (4u << 20) / kLogPageBytes;
constexpr int64_t kCacheBytes = 8 << 20;
constexpr uint64_t kStepMs = 2;
constexpr uint64_t kDatabaseBytesMin = 512;
constexpr int64_t kProbeBytes = 1 << 20;
// A reader of another process (a backup, `log info`) may hold the lock for a moment.
constexpr uint32_t kBusyMs = 2'000;

constexpr int64_t Signed(uint64_t number) { return static_cast<int64_t>(number); }

// The engine's words for a failure of the file: what may be tried again, and what is final.
Error Verdict(const StorageError& error) {
  switch (error.fault) {
    case StorageFault::kFull:
      return {Code::kUnavailable, "the disk of the data directory is full: " + error.message, {}};
    case StorageFault::kBusy:
      return {Code::kUnavailable, "the log file is locked: " + error.message, {}};
    default:
      return {Code::kInternal, error.message, {}};
  }
}

std::unexpected<Error> Failed(const StorageError& error) { return std::unexpected(Verdict(error)); }

// What a refused start says: what is wrong, and what can be done.
Error Damaged(const std::string& dir, const std::string& what) {
  return {Code::kInternal,
          dir + "/" + std::string(kLogFileName) + " is damaged, nothing was changed: " + what +
              ". What was there had been acknowledged. See all of it with `galaxy-push log verify "
              "--data " +
              dir +
              "`; then give up what is damaged with `galaxy-push log repair "
              "--data " +
              dir + "`, or restore a backup",
          "data"};
}

std::string Describe(const LogContents& contents) {
  std::string text;
  size_t named = std::min<size_t>(contents.listed.size(), 5);
  for (size_t i = 0; i < named; ++i) text += (i > 0 ? "; " : "") + contents.listed[i].ToString();
  if (contents.faults > named) text += "; " + std::to_string(contents.faults) + " in all";
  return text;
}

std::unexpected<Error> StartFailed(const std::string& dir, const StorageError& error) {
  if (error.fault == StorageFault::kCorrupt) return std::unexpected(Damaged(dir, error.message));
  return Failed(error);
}

// SQLite takes a file that is shorter than any database for a new one. It would be one whose end,
// and that is nearly all of it, was lost; unless a journal says that it was just being made.
Status CheckNotCutOff(const std::string& dir) {
  std::string path = dir + "/" + std::string(kLogFileName);
  std::error_code missing;
  auto bytes = std::filesystem::file_size(path, missing);
  if (missing || bytes == 0 || bytes >= kDatabaseBytesMin) return {};
  if (std::filesystem::exists(path + "-journal", missing)) return {};
  return std::unexpected(Damaged(dir, "it has only " + std::to_string(bytes) + " bytes"));
}

// The bytes of all entries: as they lie, when they lie back to back, else joined in `joined`.
std::string_view BytesOf(std::span<const CommitEntry> entries, std::string& joined) {
  const char* begin = entries.front().entry.data();
  const char* end = begin;
  bool adjacent = true;
  for (const CommitEntry& entry : entries) {
    adjacent = adjacent && entry.entry.data() == end;
    end = entry.entry.data() + entry.entry.size();
  }
  if (adjacent) return {begin, static_cast<size_t>(end - begin)};
  joined.clear();
  for (const CommitEntry& entry : entries) joined += entry.entry;
  return joined;
}

// How many of `entries` make a row: about kLogRowBytes, one at least.
size_t RowEntries(std::span<const CommitEntry> entries) {
  size_t bytes = entries.front().entry.size();
  size_t count = 1;
  while (count < entries.size() && bytes + entries[count].entry.size() <= kLogRowBytes) {
    bytes += entries[count++].entry.size();
  }
  return count;
}

}  // namespace

struct SqliteEngine::File {
  static Result<std::unique_ptr<File>> Open(const Options& options, uint64_t now_ms);
  StorageStatus Create(uint64_t now_ms);
  StorageStatus Prepare();

  StorageStatus WriteEntries(std::span<const CommitEntry> entries, uint64_t before,
                             std::vector<Row>& rows);
  StorageStatus SetSync(bool full);
  StorageStatus Checkpoint();
  StorageStatus WriteProbe();

  std::optional<FolderLock> lock;
  Database database;
  MetaRow meta;
  std::string joined;
  std::vector<Row> new_rows;
  bool sync_full = true;
  uint64_t wal_pages = 0;  // about: written since the last checkpoint
  uint64_t retained_seen_ms = 0;
  // After the database: they go first.
  std::optional<LogWriter> writer;
  std::optional<Statement> delete_row, oldest_retained, delete_retained;

 private:
  explicit File(Database opened) : database(std::move(opened)) {}
};

Result<std::unique_ptr<SqliteEngine::File>> SqliteEngine::File::Open(const Options& options,
                                                                     uint64_t now_ms) {
  std::optional<FolderLock> lock;
  if (options.vfs.empty()) {
    if (Status made = MakeFolder(options.dir); !made) return std::unexpected(made.error());
    Result<FolderLock> acquired = FolderLock::Acquire(options.dir);
    if (!acquired) return std::unexpected(acquired.error());
    lock = std::move(*acquired);
    if (Status whole = CheckNotCutOff(options.dir); !whole) return std::unexpected(whole.error());
  }
  StorageResult<Database> database =
      Database::Open(options.dir + "/" + std::string(kLogFileName), {.vfs = options.vfs,
                                                                     .page_bytes = kLogPageBytes,
                                                                     .sync = Database::Sync::kFull,
                                                                     .checkpoint_pages = 0,
                                                                     .cache_bytes = kCacheBytes,
                                                                     .busy_timeout_ms = kBusyMs});
  if (!database) return StartFailed(options.dir, database.error());
  std::unique_ptr<File> file(new File(std::move(*database)));
  file->lock = std::move(lock);
  StorageResult<int64_t> tables = file->database.QueryInt("SELECT count(*) FROM sqlite_schema");
  if (!tables) return StartFailed(options.dir, tables.error());
  if (*tables == 0) {
    if (StorageStatus created = file->Create(now_ms); !created) return Failed(created.error());
  }
  return file;
}

// All or nothing: a crash here leaves an empty file.
StorageStatus SqliteEngine::File::Create(uint64_t now_ms) {
  auto transaction = Transaction::Begin(database);
  if (!transaction) return std::unexpected(transaction.error());
  StorageStatus ok = CreateLogTables(database);
  if (!ok) return ok;
  Cursor start = NewLogStart(now_ms);
  meta = {start, start, start.sequence};
  if (ok = Prepare(); ok) ok = writer->WriteMeta(meta);
  return ok ? transaction->Commit() : ok;
}

StorageStatus SqliteEngine::File::Prepare() {
  StorageResult<LogWriter> prepared_writer = LogWriter::Prepare(database);
  if (!prepared_writer) return std::unexpected(prepared_writer.error());
  writer.emplace(std::move(*prepared_writer));
  const std::pair<std::optional<Statement>*, const char*> all[] = {
      {&delete_row, "DELETE FROM log WHERE first = ?"},
      {&oldest_retained, "SELECT sequence, ms FROM retained ORDER BY sequence LIMIT 1"},
      {&delete_retained, "DELETE FROM retained WHERE sequence = ?"},
  };
  for (const auto& [statement, sql] : all) {
    StorageResult<Statement> prepared = database.Prepare(sql);
    if (!prepared) return std::unexpected(prepared.error());
    *statement = std::move(*prepared);
  }
  return {};
}

StorageStatus SqliteEngine::File::WriteEntries(std::span<const CommitEntry> entries,
                                               uint64_t before, std::vector<Row>& rows) {
  rows.clear();
  while (!entries.empty()) {
    std::span<const CommitEntry> part = entries.first(RowEntries(entries));
    LogRow row{.before = before,
               .first = part.front().cursor,
               .last = part.back().cursor,
               .entries = part.size(),
               .bytes = BytesOf(part, joined)};
    wal_pages += row.bytes.size() / kLogPageBytes + 2;
    if (StorageStatus ok = writer->WriteRow(row); !ok) return ok;
    for (const CommitEntry& entry : part) {
      if (entry.type != EntryType::kInvalidation) continue;
      wal_pages += 2;
      if (StorageStatus ok = writer->WriteRetained(entry); !ok) return ok;
    }
    rows.push_back({row.last, row.first.sequence});
    before = row.last.sequence;
    entries = entries.subspan(part.size());
  }
  return {};
}

// Only between transactions.
StorageStatus SqliteEngine::File::SetSync(bool full) {
  if (sync_full == full) return {};
  StorageStatus ok = database.Exec(full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
  if (ok) sync_full = full;
  return ok;
}

StorageStatus SqliteEngine::File::Checkpoint() {
  StorageResult<Database::CheckpointState> done =
      database.Checkpoint(Database::CheckpointMode::kPassive);
  wal_pages = 0;
  if (!done) return std::unexpected(done.error());
  return {};
}

StorageStatus SqliteEngine::File::WriteProbe() {
  StorageStatus ok = SetSync(true);
  if (!ok) return ok;
  ok = database.Exec("INSERT OR REPLACE INTO probe VALUES(1, zeroblob(" +
                     std::to_string(kProbeBytes) + "))");
  wal_pages += kProbeBytes / kLogPageBytes;
  if (ok) ok = database.Exec("DELETE FROM probe");
  return ok;
}

SqliteEngine::SqliteEngine(Options options) : options_(std::move(options)) {}

SqliteEngine::~SqliteEngine() = default;

Result<Cursor> SqliteEngine::Recover(uint64_t now_ms, Recovery& recovery) {
  CHECK(!file_);
  Result<std::unique_ptr<File>> file = File::Open(options_, now_ms);
  if (!file) return std::unexpected(file.error());

  struct Refill final : LogVisitor {
    Refill(Recovery& recovery_in, std::deque<Row>& rows_in)
        : recovery(recovery_in), rows(rows_in) {}
    void OnMeta(const MetaRow& meta) override {
      floor = meta.floor;
      recovery.OnStart(meta.log_start, meta.floor);
    }
    void OnRetained(const RetainedRow& row) override {
      recovery.OnRetained({EntryType::kInvalidation, row.cursor, row.entry});
    }
    void OnEntry(const CommitEntry& entry) override {
      if (entry.cursor > floor) recovery.OnEntry(entry);
    }
    void OnRow(const LogRow& row) override { rows.push_back({row.last, row.first.sequence}); }
    Recovery& recovery;
    std::deque<Row>& rows;
    Cursor floor;
  } refill(recovery, rows_);

  Result<LogContents> contents = ReadLog((*file)->database, refill);
  if (!contents) return std::unexpected(contents.error());
  if (contents->faults > 0) return std::unexpected(Damaged(options_.dir, Describe(*contents)));
  if (StorageStatus ok = (*file)->Prepare(); !ok) return StartFailed(options_.dir, ok.error());
  file_ = std::move(*file);
  file_->meta = contents->meta;
  last_ = contents->head.sequence;
  return contents->head;
}

Status SqliteEngine::Commit(std::span<const CommitEntry> entries) {
  CHECK(!entries.empty() && entries.front().cursor.sequence > last_);
  CHECK(entries.back().cursor.sequence <= INT64_MAX);
  uint64_t began_ms = options_.clock->MonoMs();
  if (StorageStatus synced = file_->SetSync(true); !synced) return Failed(synced.error());
  auto transaction = Transaction::Begin(file_->database);
  if (!transaction) return Failed(transaction.error());
  std::vector<Row>& rows = file_->new_rows;
  StorageStatus ok = file_->WriteEntries(entries, last_, rows);
  if (ok) ok = transaction->Commit();
  if (!ok) return Failed(ok.error());
  rows_.insert(rows_.end(), rows.begin(), rows.end());
  last_ = entries.back().cursor.sequence;
  std::lock_guard lock(mutex_);
  statistics_.rows = rows_.size();
  statistics_.commit.ObserveMs(options_.clock->MonoMs() - began_ms);
  return {};
}

Result<bool> SqliteEngine::Maintain(const Upkeep& upkeep) {
  StorageResult<bool> more = Trim(upkeep);
  if (!more) return Failed(more.error());
  bool checkpoint = file_->wal_pages >= kCheckpointPages;
  uint64_t began_ms = options_.clock->MonoMs();
  if (checkpoint) {
    if (StorageStatus ok = file_->Checkpoint(); !ok) return Failed(ok.error());
  }
  StorageResult<int64_t> pages = file_->database.QueryInt("PRAGMA page_count");
  if (!pages) return Failed(pages.error());
  std::lock_guard lock(mutex_);
  statistics_.rows = rows_.size();
  statistics_.database_bytes = static_cast<uint64_t>(*pages) * kLogPageBytes;
  if (checkpoint) statistics_.checkpoint.ObserveMs(options_.clock->MonoMs() - began_ms);
  return *more;
}

// One transaction without a sync: when it is lost, what it let go is there again at the next start.
// It cannot be kept where a later commit is lost, for both stand in one log.
StorageResult<bool> SqliteEngine::Trim(const Upkeep& upkeep) {
  File& file = *file_;
  bool rows_due = !rows_.empty() && rows_.front().last <= upkeep.floor;
  bool retained_due = upkeep.retained_before_ms != file.retained_seen_ms;
  if (!rows_due && !retained_due) return false;
  if (StorageStatus ok = file.SetSync(false); !ok) return std::unexpected(ok.error());
  return TrimUnsynced(upkeep);  // the next Commit() asks for syncs again
}

StorageResult<bool> SqliteEngine::TrimUnsynced(const Upkeep& upkeep) {
  File& file = *file_;
  uint64_t end_ms = options_.clock->MonoMs() + kStepMs;
  auto in_time = [&] { return options_.clock->MonoMs() < end_ms; };
  auto transaction = Transaction::Begin(file.database);
  if (!transaction) return std::unexpected(transaction.error());
  MetaRow meta_before = file.meta;
  StorageResult<size_t> gone = DeleteRows(upkeep.floor, in_time);
  StorageResult<bool> retained_left = false;
  if (gone) retained_left = DeleteRetained(upkeep.retained_before_ms, in_time);
  StorageStatus ok;
  if (!gone) ok = std::unexpected(gone.error());
  if (ok && !retained_left) ok = std::unexpected(retained_left.error());
  bool changed = ok && (*gone > 0 || file.meta.retained_floor != meta_before.retained_floor);
  if (changed && *gone > 0) file.meta.floor = upkeep.floor;
  if (changed) ok = file.writer->WriteMeta(file.meta);
  if (changed && ok) ok = transaction->Commit();
  if (!ok) {
    file.meta = meta_before;
    return std::unexpected(ok.error());
  }
  rows_.erase(rows_.begin(), rows_.begin() + static_cast<ptrdiff_t>(*gone));
  if (!*retained_left) file.retained_seen_ms = upkeep.retained_before_ms;
  return *retained_left || (!rows_.empty() && rows_.front().last <= upkeep.floor);
}

StorageResult<size_t> SqliteEngine::DeleteRows(Cursor floor, const InTime& in_time) {
  size_t gone = 0;
  while (gone < rows_.size() && rows_[gone].last <= floor && (gone == 0 || in_time())) {
    file_->delete_row->BindInt(1, Signed(rows_[gone].first));
    if (StorageStatus ok = file_->delete_row->Run(); !ok) return std::unexpected(ok.error());
    file_->wal_pages += 1;
    ++gone;
  }
  if (gone > 0) file_->wal_pages += 4;
  return gone;
}

// True: there are more, but no time.
StorageResult<bool> SqliteEngine::DeleteRetained(uint64_t before_ms, const InTime& in_time) {
  for (;;) {
    StorageResult<bool> found = file_->oldest_retained->Step();
    if (!found) return std::unexpected(found.error());
    auto sequence = *found ? static_cast<uint64_t>(file_->oldest_retained->Int(0)) : 0;
    bool old = *found && static_cast<uint64_t>(file_->oldest_retained->Int(1)) < before_ms;
    file_->oldest_retained->Reset();
    if (!old) return false;
    if (!in_time()) return true;
    file_->delete_retained->BindInt(1, Signed(sequence));
    if (StorageStatus ok = file_->delete_retained->Run(); !ok) return std::unexpected(ok.error());
    file_->meta.retained_floor = sequence;
    file_->wal_pages += 2;
  }
}

Status SqliteEngine::Probe() {
  {
    std::lock_guard lock(mutex_);
    ++statistics_.probes;
  }
  // Room that checkpoints give back is room, too. It may have none itself.
  StorageStatus ok = file_->Checkpoint();
  if (!ok && ok.error().fault != StorageFault::kFull && ok.error().fault != StorageFault::kBusy) {
    return Failed(ok.error());
  }
  if (ok = file_->WriteProbe(); !ok) return Failed(ok.error());
  return {};
}

Engine::Statistics SqliteEngine::Stats() const {
  std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace galaxy::push
