#include "log/sqlite_engine.h"

#include <optional>

#include "base/check.h"
#include "log/log_folder.h"
#include "log/log_format.h"
#include "log/log_reader.h"
#include "log/log_writer.h"
#include "storage/database.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kStepMs = 2;
constexpr int64_t kProbeBytes = 1 << 20;

std::unexpected<Error> Failed(const StorageError& error) {
  return std::unexpected(EngineError(error));
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
  static StorageResult<std::unique_ptr<File>> Prepare(LogFolder folder);

  LogFolder folder;
  MetaRow meta;
  std::string joined;
  // After the database: they go first.
  LogWriter writer;
  Statement delete_row, oldest_retained, delete_retained;
};

StorageResult<std::unique_ptr<SqliteEngine::File>> SqliteEngine::File::Prepare(LogFolder folder) {
  auto writer = LogWriter::Prepare(folder.database);
  if (!writer) return std::unexpected(writer.error());
  auto row = folder.database.Prepare("DELETE FROM log WHERE first = ?");
  if (!row) return std::unexpected(row.error());
  auto oldest =
      folder.database.Prepare("SELECT sequence, ms FROM retained ORDER BY sequence LIMIT 1");
  if (!oldest) return std::unexpected(oldest.error());
  auto retained = folder.database.Prepare("DELETE FROM retained WHERE sequence = ?");
  if (!retained) return std::unexpected(retained.error());
  return std::unique_ptr<File>(new File{std::move(folder),
                                        {},
                                        {},
                                        std::move(*writer),
                                        std::move(*row),
                                        std::move(*oldest),
                                        std::move(*retained)});
}

// Step deletes what nobody needs any more, for kStepMs, in the transaction of the caller. What the
// engine knows changes when the caller says that the transaction is there.
class SqliteEngine::Step {
 public:
  Step(SqliteEngine& engine, const Upkeep& upkeep)
      : engine_(engine),
        file_(*engine.file_),
        upkeep_(upkeep),
        end_ms_(engine.options_.clock->MonoMs() + kStepMs),
        meta_(file_.meta) {}

  StorageStatus DeleteRows();
  StorageStatus DeleteRetained();
  bool changed() const { return gone_ > 0 || meta_.retained_floor != file_.meta.retained_floor; }
  StorageStatus WriteMeta();
  void Committed();
  // More is to do than there was time for.
  bool more() const { return more_; }

 private:
  bool InTime() const { return engine_.options_.clock->MonoMs() < end_ms_; }

  SqliteEngine& engine_;
  File& file_;
  const Upkeep& upkeep_;
  const uint64_t end_ms_;
  MetaRow meta_;
  size_t gone_ = 0;
  bool more_ = false;
};

StorageStatus SqliteEngine::Step::DeleteRows() {
  const std::deque<Row>& rows = engine_.rows_;
  for (; gone_ < rows.size() && rows[gone_].last <= upkeep_.floor; ++gone_) {
    if (gone_ > 0 && !InTime()) {
      more_ = true;
      break;
    }
    file_.delete_row.BindInt(1, static_cast<int64_t>(rows[gone_].first));
    if (StorageStatus ok = file_.delete_row.Run(); !ok) return ok;
  }
  if (gone_ == 0) return {};
  meta_.floor = upkeep_.floor;
  engine_.wal_pages_ += 4 + gone_ / 16;
  return {};
}

StorageStatus SqliteEngine::Step::DeleteRetained() {
  for (;;) {
    StorageResult<bool> found = file_.oldest_retained.Step();
    if (!found) return std::unexpected(found.error());
    auto sequence = static_cast<uint64_t>(*found ? file_.oldest_retained.Int(0) : 0);
    auto time_ms = static_cast<uint64_t>(*found ? file_.oldest_retained.Int(1) : 0);
    file_.oldest_retained.Reset();
    if (!*found || time_ms >= upkeep_.retained_before_ms) return {};
    if (!InTime()) {
      more_ = true;
      return {};
    }
    file_.delete_retained.BindInt(1, static_cast<int64_t>(sequence));
    if (StorageStatus ok = file_.delete_retained.Run(); !ok) return ok;
    meta_.retained_floor = sequence;
    engine_.wal_pages_ += 2;
  }
}

StorageStatus SqliteEngine::Step::WriteMeta() {
  return changed() ? file_.writer.WriteMeta(meta_) : StorageStatus();
}

void SqliteEngine::Step::Committed() {
  file_.meta = meta_;
  engine_.rows_.erase(engine_.rows_.begin(), engine_.rows_.begin() + static_cast<ptrdiff_t>(gone_));
}

SqliteEngine::SqliteEngine(Options options) : options_(std::move(options)) {}

SqliteEngine::~SqliteEngine() = default;

Result<Cursor> SqliteEngine::Recover(uint64_t now_ms, Recovery& recovery) {
  CHECK(!file_);
  Result<LogFolder> folder = LogFolder::Open({.dir = options_.dir, .vfs = options_.vfs}, now_ms);
  if (!folder) return std::unexpected(folder.error());

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
    void OnRow(const LogRow& row) override {
      rows.push_back({row.last, row.first.sequence, row.bytes.size()});
    }
    Recovery& recovery;
    std::deque<Row>& rows;
    Cursor floor;
  } refill(recovery, rows_);

  Result<LogContents> contents = ReadLog(folder->database, refill);
  if (!contents) return std::unexpected(contents.error());
  if (contents->faults > 0) return std::unexpected(DamagedLog(options_.dir, NameFaults(*contents)));
  StorageResult<std::unique_ptr<File>> file = File::Prepare(std::move(*folder));
  if (!file) return Failed(file.error());
  file_ = std::move(*file);
  file_->meta = contents->meta;
  last_ = contents->head.sequence;
  if (StorageStatus ok = UpdateStatistics(); !ok) return Failed(ok.error());
  return contents->head;
}

Status SqliteEngine::Commit(std::span<const CommitEntry> entries) {
  CHECK(!entries.empty() && entries.front().cursor.sequence > last_);
  CHECK(entries.back().cursor.sequence <= INT64_MAX);
  uint64_t began_ms = options_.clock->MonoMs();
  if (StorageStatus ok = TryCommit(entries); !ok) return Failed(ok.error());
  std::lock_guard lock(mutex_);
  statistics_.rows = rows_.size();
  statistics_.commit.ObserveMs(options_.clock->MonoMs() - began_ms);
  return {};
}

StorageStatus SqliteEngine::TryCommit(std::span<const CommitEntry> entries) {
  auto transaction = Transaction::Begin(file_->folder.database);
  if (!transaction) return std::unexpected(transaction.error());
  StorageStatus ok = Insert(entries);
  Step step(*this, upkeep_);
  if (ok && Gathered(upkeep_.floor)) ok = step.DeleteRows();
  if (ok) ok = step.WriteMeta();
  if (ok) ok = transaction->Commit();
  if (!ok) return ok;
  step.Committed();
  rows_.insert(rows_.end(), new_rows_.begin(), new_rows_.end());
  last_ = entries.back().cursor.sequence;
  return {};
}

StorageStatus SqliteEngine::Insert(std::span<const CommitEntry> entries) {
  new_rows_.clear();
  uint64_t before = last_;
  while (!entries.empty()) {
    std::span<const CommitEntry> part = entries.first(RowEntries(entries));
    LogRow row{.before = before,
               .first = part.front().cursor,
               .last = part.back().cursor,
               .entries = part.size(),
               .bytes = BytesOf(part, file_->joined)};
    if (StorageStatus ok = file_->writer.WriteRow(row); !ok) return ok;
    wal_pages_ += row.bytes.size() / kLogPageBytes + 2;
    new_rows_.push_back({row.last, row.first.sequence, row.bytes.size()});
    for (const CommitEntry& entry : part) {
      if (entry.type != EntryType::kInvalidation) continue;
      if (StorageStatus ok = file_->writer.WriteRetained(entry); !ok) return ok;
      wal_pages_ += 2;
    }
    before = row.last.sequence;
    entries = entries.subspan(part.size());
  }
  return {};
}

// Whether the rows that may go are worth it.
bool SqliteEngine::Gathered(Cursor floor) const {
  uint64_t bytes = 0;
  for (const Row& row : rows_) {
    if (row.last > floor || bytes >= options_.gathered_bytes) break;
    bytes += row.bytes;
  }
  return bytes >= options_.gathered_bytes;
}

Result<bool> SqliteEngine::Maintain(const Upkeep& upkeep) {
  upkeep_ = upkeep;
  bool more = false;
  if (upkeep.due) {
    StorageResult<bool> trimmed = TrimRest(upkeep);
    if (!trimmed) return Failed(trimmed.error());
    more = *trimmed;
  }
  if (wal_pages_ * kLogPageBytes < options_.checkpoint_bytes) return more;
  if (StorageStatus ok = Checkpoint(); !ok) return Failed(ok.error());
  if (StorageStatus ok = UpdateStatistics(); !ok) return Failed(ok.error());
  return more;
}

StorageResult<bool> SqliteEngine::TrimRest(const Upkeep& upkeep) {
  bool rows_due = !rows_.empty() && rows_.front().last <= upkeep.floor;
  if (!rows_due && upkeep.retained_before_ms == retained_seen_ms_) return false;
  auto transaction = Transaction::Begin(file_->folder.database);
  if (!transaction) return std::unexpected(transaction.error());
  Step step(*this, upkeep);
  StorageStatus ok = step.DeleteRows();
  if (ok) ok = step.DeleteRetained();
  if (ok) ok = step.WriteMeta();
  if (ok && step.changed()) ok = transaction->Commit();
  if (!ok) return std::unexpected(ok.error());
  step.Committed();
  if (!step.more()) retained_seen_ms_ = upkeep.retained_before_ms;
  transaction->Rollback();  // when nothing has changed
  if (ok = UpdateStatistics(); !ok) return std::unexpected(ok.error());
  return step.more();
}

StorageStatus SqliteEngine::Checkpoint() {
  uint64_t began_ms = options_.clock->MonoMs();
  auto done = file_->folder.database.Checkpoint(Database::CheckpointMode::kPassive);
  if (!done) return std::unexpected(done.error());
  wal_pages_ = 0;
  std::lock_guard lock(mutex_);
  statistics_.checkpoint.ObserveMs(options_.clock->MonoMs() - began_ms);
  return {};
}

StorageStatus SqliteEngine::UpdateStatistics() {
  StorageResult<int64_t> pages = file_->folder.database.QueryInt("PRAGMA page_count");
  if (!pages) return std::unexpected(pages.error());
  std::lock_guard lock(mutex_);
  statistics_.rows = rows_.size();
  statistics_.database_bytes = static_cast<uint64_t>(*pages) * kLogPageBytes;
  return {};
}

Status SqliteEngine::Probe() {
  {
    std::lock_guard lock(mutex_);
    ++statistics_.probes;
  }
  // Room that a checkpoint gives back is room, too. It may have none itself.
  StorageStatus ok = Checkpoint();
  bool final = !ok && EngineError(ok.error()).code != Code::kUnavailable;
  if (final) return Failed(ok.error());
  Database& database = file_->folder.database;
  ok = database.Exec("INSERT OR REPLACE INTO probe VALUES(1, zeroblob(" +
                     std::to_string(kProbeBytes) + "))");
  if (ok) ok = database.Exec("DELETE FROM probe");
  wal_pages_ += kProbeBytes / kLogPageBytes;
  if (!ok) return Failed(ok.error());
  return {};
}

Engine::Statistics SqliteEngine::Stats() const {
  std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace galaxy::push
