#include "log/log_salvage.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "event/wire.h"
#include "log/log_reader.h"
#include "log/log_writer.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kDayMs = 24ull * 3600 * 1000;

// kOther: a table or a column is not there.
bool Damage(const StorageError& error) {
  return error.fault == StorageFault::kCorrupt || error.fault == StorageFault::kOther;
}

// One salvage, from Meta() to Take(). Row by row and key by key, so that a page that cannot be read
// costs the rows on it and no others.
class Salvage {
 public:
  Salvage(Database& database, bool log_cut_short, uint64_t now_ms)
      : database_(database), cut_short_(log_cut_short), now_ms_(now_ms) {}

  Status ReadFile();
  Status ReadMeta();
  Status ReadRetained();
  Status ReadRows();
  LogSalvage Take();

 private:
  // Rows without a hole between them.
  struct Run {
    uint64_t before = 0;  // sequence
    uint64_t before_ms = 0;
    Cursor last;
    std::vector<uint64_t> rows;
    uint64_t entries = 0;
  };

  void Find(const LogFault& fault) { out_.findings.push_back(fault.ToString()); }
  void Saw(uint64_t sequence);
  // The keys of a table, as far as its pages can be read from either end.
  Result<std::vector<uint64_t>> Keys(const std::string& table, const std::string& key);
  Result<bool> ReadKeys(const std::string& sql, std::set<uint64_t>& keys);
  // Calls `read` with each row, or `bad` with its key and the reason why there is none.
  template <typename Read, typename Bad>
  Status EachRow(const std::string& sql, const std::vector<uint64_t>& keys, const Read& read,
                 const Bad& bad);
  void TakeRetained(const Statement& statement);
  void LoseRetained(uint64_t key, std::string user, std::string session, std::string what);
  void TakeRow(const Statement& statement);
  void TakeGood(const LogRow& row);
  void BadRow(uint64_t key, const LogRow* row, std::string what);
  void Rescue(std::vector<LogSalvage::RescuedInvalidation> found);
  void Lose(Cursor up_to);
  void EndRows();
  uint64_t MsOf(uint64_t sequence) const;
  Cursor After() const;
  void Keep(const Run& run);
  void BeginAnew();

  Database& database_;
  const bool cut_short_;
  const uint64_t now_ms_;
  LogSalvage out_;
  std::optional<MetaRow> meta_;
  uint64_t highest_ = 0;  // sequence seen anywhere, damaged rows included
  std::unordered_map<std::string, uint64_t> retained_by_session_;
  std::map<uint64_t, LogSalvage::LostInvalidation> damaged_retained_;
  std::set<uint64_t> invalidations_seen_;  // in good rows of the log
  std::map<std::string, LogSalvage::RescuedInvalidation> rescued_;
  std::vector<Run> runs_;
  // Between the last good row and what follows: why, and how many more reasons there are.
  std::optional<std::string> hole_;
  uint64_t hole_more_ = 0;
  bool tail_unreadable_ = false;
  std::map<uint64_t, uint64_t> damaged_ends_;  // sequence and time of the ends of damaged rows
};

void Salvage::Saw(uint64_t sequence) {
  // A damaged number may be anything; one from after tomorrow was not given out.
  if (sequence <= NewLogStart(now_ms_ + kDayMs).sequence) highest_ = std::max(highest_, sequence);
}

// What is wrong with the file besides its rows, such as an index; the mended file is a new one.
Status Salvage::ReadFile() {
  if (Status ok = CheckLogFormat(database_); !ok) return ok;
  StorageResult<std::vector<std::string>> faults = database_.IntegrityFaults();
  if (!faults && !Damage(faults.error())) return std::unexpected<Error>(faults.error());
  if (!faults) out_.findings.push_back("file: " + faults.error().message);
  if (faults) {
    for (const std::string& fault : *faults) out_.findings.push_back("file: " + fault);
  }
  if (cut_short_) {
    out_.findings.emplace_back("log.db-wal: committed transactions behind a damaged page are lost");
  }
  return {};
}

Status Salvage::ReadMeta() {
  StorageResult<Statement> statement = database_.Prepare(kSelectMeta);
  StorageResult<bool> row = false;
  if (!statement) {
    row = std::unexpected(statement.error());
  } else {
    row = statement->Step();
  }
  if (!row && !Damage(row.error())) return std::unexpected<Error>(row.error());
  std::optional<std::string> fault;
  if (!row) {
    fault = row.error().message;
  } else if (!*row) {
    fault = "there is no row";
  } else {
    auto [meta, checksum] = MetaAt(*statement);
    fault = FaultOf(meta, checksum);
    if (!fault) meta_ = meta;
    if (!fault) Saw(meta.floor.sequence);
  }
  if (fault) Find({.table = "meta", .row = 1, .what = *fault});
  return {};
}

// False: the table's pages cannot be read to the end.
Result<bool> Salvage::ReadKeys(const std::string& sql, std::set<uint64_t>& keys) {
  StorageResult<Statement> statement = database_.Prepare(sql);
  StorageResult<bool> row = true;
  while (statement && row && *row) {
    row = statement->Step();
    if (row && *row) keys.insert(static_cast<uint64_t>(statement->Int(0)));
  }
  if (statement && row) return true;
  const StorageError& error = statement ? row.error() : statement.error();
  if (!Damage(error)) return std::unexpected<Error>(error);
  return false;
}

Result<std::vector<uint64_t>> Salvage::Keys(const std::string& table, const std::string& key) {
  std::set<uint64_t> keys;
  std::string sql = "SELECT " + key + " FROM " + table + " NOT INDEXED ORDER BY " + key;
  Result<bool> whole = ReadKeys(sql, keys);
  if (whole && !*whole) {
    Find({.table = table, .what = "some of its pages cannot be read"});
    std::set<uint64_t> from_the_end;
    whole = ReadKeys(sql + " DESC", from_the_end);
    if (table == "retained") out_.retained_unreadable = true;
    if (table == "log") tail_unreadable_ = from_the_end.empty();
    keys.merge(from_the_end);
  }
  if (!whole) return std::unexpected(whole.error());
  return std::vector<uint64_t>(keys.begin(), keys.end());
}

template <typename Read, typename Bad>
Status Salvage::EachRow(const std::string& sql, const std::vector<uint64_t>& keys, const Read& read,
                        const Bad& bad) {
  if (keys.empty()) return {};
  StorageResult<Statement> statement = database_.Prepare(sql);
  if (!statement) return std::unexpected<Error>(statement.error());
  for (uint64_t key : keys) {
    Saw(key);
    statement->BindInt(1, static_cast<int64_t>(key));
    StorageResult<bool> row = statement->Step();
    if (!row && !Damage(row.error())) return std::unexpected<Error>(row.error());
    if (row && *row) {
      read(*statement);
    } else {
      bad(key, row ? std::string("it is not there") : "it cannot be read: " + row.error().message);
    }
    statement->Reset();
  }
  return {};
}

Status Salvage::ReadRetained() {
  Result<std::vector<uint64_t>> keys = Keys("retained", "sequence");
  if (!keys) return std::unexpected(keys.error());
  return EachRow(
      std::string(kSelectRetained) + " NOT INDEXED WHERE sequence = ?", *keys,
      [this](const Statement& row) { TakeRetained(row); },
      [this](uint64_t key, std::string what) { LoseRetained(key, {}, {}, std::move(what)); });
}

void Salvage::TakeRetained(const Statement& statement) {
  auto [row, checksum] = RetainedAt(statement);
  if (auto fault = FaultOf(row, checksum)) {
    return LoseRetained(row.cursor.sequence, std::string(row.user_id),
                        std::string(row.device_session_id), *fault);
  }
  out_.retained.push_back(row.cursor.sequence);
  retained_by_session_[SessionKey(row.user_id, row.device_session_id)] = row.cursor.sequence;
}

void Salvage::LoseRetained(uint64_t key, std::string user, std::string session, std::string what) {
  Find({.table = "retained", .row = key, .what = what});
  damaged_retained_[key] = {key, std::move(user), std::move(session), std::move(what)};
}

Status Salvage::ReadRows() {
  Result<std::vector<uint64_t>> keys = Keys("log", "first");
  if (!keys) return std::unexpected(keys.error());
  Status ok = EachRow(
      std::string(kSelectLog) + " WHERE first = ?", *keys,
      [this](const Statement& row) { TakeRow(row); },
      [this](uint64_t key, std::string what) { BadRow(key, nullptr, std::move(what)); });
  if (ok) EndRows();
  return ok;
}

void Salvage::TakeRow(const Statement& statement) {
  auto [row, checksum] = LogRowAt(statement);
  std::vector<LogSalvage::RescuedInvalidation> invalidations;
  auto fault = FaultOf(row, checksum, [&](const CommitEntry& entry) {
    if (entry.type == EntryType::kInvalidation)
      invalidations.push_back({entry.cursor, std::string(entry.entry)});
  });
  if (fault) return BadRow(row.first.sequence, &row, *fault);
  TakeGood(row);
  Rescue(std::move(invalidations));
}

void Salvage::BadRow(uint64_t key, const LogRow* row, std::string what) {
  LogFault fault{.table = "log", .row = key, .what = what};
  if (row != nullptr) {
    fault.first = row->first;
    fault.last = row->last;
    Saw(row->last.sequence);
    damaged_ends_[row->last.sequence] = row->last.time_ms & 0xffff'ffff'ffff;
  }
  Find(fault);
  if (hole_) ++hole_more_;
  if (!hole_) hole_ = fault.ToString();
}

// `up_to` has no sequence: to the end.
void Salvage::Lose(Cursor up_to) {
  std::string what = *hole_;
  if (hole_more_ > 0) what += ", and " + std::to_string(hole_more_) + " more rows";
  out_.lost.push_back({After(), up_to, up_to.sequence == 0, std::move(what)});
}

// The last good entry, or what stands before all of them.
Cursor Salvage::After() const {
  if (!runs_.empty()) return runs_.back().last;
  return meta_ ? meta_->floor : Cursor{};
}

uint64_t Salvage::MsOf(uint64_t sequence) const {
  auto end = damaged_ends_.find(sequence);
  return end == damaged_ends_.end() ? 0 : end->second;
}

void Salvage::TakeGood(const LogRow& row) {
  // Damaged rows up to the floor had left the ring: nothing is lost with them.
  bool left = meta_ && row.before <= meta_->floor.sequence;
  bool joins =
      runs_.empty() ? left || (!meta_ && !hole_) : row.before == runs_.back().last.sequence;
  if (!joins && !hole_) {
    hole_ = "rows are missing";
    Find({"log", row.first.sequence, row.first, row.last, "the rows before it are missing"});
  }
  if (!joins && !left) Lose({row.before, MsOf(row.before)});
  if (!joins || runs_.empty()) runs_.push_back({row.before, MsOf(row.before), {}, {}, 0});
  hole_.reset();
  hole_more_ = 0;
  Run& run = runs_.back();
  run.last = row.last;
  run.rows.push_back(row.first.sequence);
  run.entries += row.entries;
  Saw(row.last.sequence);
}

// An invalidation that the log has and `retained` has not, or not any more.
void Salvage::Rescue(std::vector<LogSalvage::RescuedInvalidation> found) {
  for (LogSalvage::RescuedInvalidation& one : found) {
    invalidations_seen_.insert(one.cursor.sequence);
    if (meta_ && one.cursor.sequence <= meta_->retained_floor) continue;
    EntryView view = *DecodePushEvent(EntryMessage(one.entry));
    std::string session = SessionKey(view.user_id, view.device_session_id);
    auto known = retained_by_session_.find(session);
    if (known != retained_by_session_.end() && known->second >= one.cursor.sequence) continue;
    if (!damaged_retained_.contains(one.cursor.sequence)) {
      Find({.table = "retained",
            .row = one.cursor.sequence,
            .what = "it is missing, but the log has it"});
    }
    rescued_[session] = std::move(one);
  }
}

void Salvage::EndRows() {
  bool short_of_floor =
      meta_ && !runs_.empty() && runs_.back().last.sequence < meta_->floor.sequence;
  if (short_of_floor && !hole_) {
    hole_ = "the rows up to the floor are missing";
    Find({.table = "log", .what = *hole_});
  }
  if (cut_short_ && !hole_) hole_ = "the end of the write-ahead log";
  if (tail_unreadable_ && !hole_) hole_ = "the pages of the newest rows cannot be read";
  if (hole_) Lose({});
}

void Salvage::Keep(const Run& run) {
  out_.rows = run.rows;
  out_.entries = run.entries;
  bool raise = !meta_ || run.before > meta_->floor.sequence;
  out_.meta.floor = raise ? Cursor{run.before, run.before_ms} : meta_->floor;
}

// Nothing can be joined on to: a new place above whatever was given out.
void Salvage::BeginAnew() {
  Cursor start = NewLogStart(now_ms_);
  start.sequence = std::max(start.sequence, highest_ + 1);
  out_.meta.floor = start;
}

LogSalvage Salvage::Take() {
  if (meta_) out_.meta = *meta_;
  bool open_end = !out_.lost.empty() && out_.lost.back().open_end;
  if (!open_end && !runs_.empty()) {
    Keep(runs_.back());
  } else if (open_end || !meta_) {
    BeginAnew();
  }
  uint64_t entries = 0;
  for (const Run& run : runs_) entries += run.entries;
  uint64_t rows = 0;
  for (const Run& run : runs_) rows += run.rows.size();
  out_.rows_let_go = rows - out_.rows.size();
  out_.entries_let_go = entries - out_.entries;
  for (auto& [session, one] : rescued_) out_.rescued.push_back(std::move(one));
  std::ranges::sort(out_.rescued, {}, [](const auto& one) { return one.cursor.sequence; });
  for (auto& [sequence, one] : damaged_retained_) {
    if (!invalidations_seen_.contains(sequence)) out_.lost_invalidations.push_back(std::move(one));
  }
  if (!meta_ || out_.loses_invalidations()) out_.meta.log_start = out_.meta.floor;
  return std::move(out_);
}

template <typename Write>
Status ForKeys(Database& from, std::string_view select, const std::string& key,
               const std::vector<uint64_t>& keys, const Write& write) {
  StorageResult<Statement> statement =
      from.Prepare(std::string(select) + " NOT INDEXED WHERE " + key + " = ?");
  if (!statement) return std::unexpected<Error>(statement.error());
  for (uint64_t one : keys) {
    statement->BindInt(1, static_cast<int64_t>(one));
    StorageResult<bool> row = statement->Step();
    if (!row) return std::unexpected<Error>(row.error());
    if (!*row) return Fail(Code::kInternal, "a row of the log is not there any more");
    if (StorageStatus ok = write(*statement); !ok) return std::unexpected<Error>(ok.error());
    statement->Reset();
  }
  return {};
}

}  // namespace

Result<LogSalvage> SalvageLog(Database& database, bool log_cut_short, uint64_t now_ms) {
  Salvage salvage(database, log_cut_short, now_ms);
  Status ok = salvage.ReadFile();
  if (ok) ok = salvage.ReadMeta();
  if (ok) ok = salvage.ReadRetained();
  if (ok) ok = salvage.ReadRows();
  if (!ok) return std::unexpected(ok.error());
  return salvage.Take();
}

Status WriteSalvage(Database& from, const LogSalvage& salvage, Database& to) {
  auto transaction = Transaction::Begin(to);
  if (!transaction) return std::unexpected<Error>(transaction.error());
  StorageStatus ok = CreateLogTables(to);
  if (!ok) return std::unexpected<Error>(ok.error());
  StorageResult<LogWriter> writer = LogWriter::Prepare(to);
  if (!writer) return std::unexpected<Error>(writer.error());
  if (ok = writer->WriteMeta(salvage.meta); !ok) return std::unexpected<Error>(ok.error());
  Status copied = ForKeys(from, kSelectLog, "first", salvage.rows, [&](const Statement& row) {
    return writer->WriteRow(LogRowAt(row).row);
  });
  if (!copied) return copied;
  copied = ForKeys(from, kSelectRetained, "sequence", salvage.retained, [&](const Statement& row) {
    RetainedRow retained = RetainedAt(row).row;
    return writer->WriteRetained({EntryType::kInvalidation, retained.cursor, retained.entry});
  });
  if (!copied) return copied;
  for (const LogSalvage::RescuedInvalidation& one : salvage.rescued) {
    ok = writer->WriteRetained({EntryType::kInvalidation, one.cursor, one.entry});
    if (!ok) return std::unexpected<Error>(ok.error());
  }
  if (ok = transaction->Commit(); !ok) return std::unexpected<Error>(ok.error());
  return {};
}

}  // namespace galaxy::push
