#include "storage/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "base/check.h"
#include "base/file.h"
#include "storage/wal_check.h"

namespace galaxy::push {
namespace {

Code CodeOf(StorageFault fault, int system_errno) {
  switch (fault) {
    case StorageFault::kFull:
    case StorageFault::kBusy:
      return Code::kUnavailable;
    case StorageFault::kCannotOpen:
      return system_errno == ENOENT ? Code::kNotFound : Code::kInternal;
    default:
      return Code::kInternal;
  }
}

// Only the texts of these can be trusted to hold no content: they speak of SQL and schema.
bool TextIsOurs(int code) { return (code & 0xff) == SQLITE_ERROR; }

// SQLite keeps the errno of a failed call for the connection, but not when the call was part of a
// commit; then the file itself still knows it. The log first: a commit writes there.
int SystemErrno(sqlite3* db) {
  int reason = sqlite3_system_errno(db);
  for (int which : {SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER}) {
    sqlite3_file* file = nullptr;
    if (reason != 0 || sqlite3_file_control(db, "main", which, &file) != SQLITE_OK) continue;
    if (file == nullptr || file->pMethods == nullptr) continue;
    if (file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &reason) != SQLITE_OK)
      reason = 0;
  }
  return reason;
}

// `path` is used when the connection does not know one.
StorageError ErrorOf(sqlite3* db, int code, std::string_view path) {
  int primary = code & 0xff;
  bool system = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
  int reason = db != nullptr && system ? SystemErrno(db) : 0;
  StorageError error;
  error.fault = ClassifyFault(code, reason);
  error.code = CodeOf(error.fault, reason);
  error.message = std::string(path) + ": ";
  error.message += db != nullptr && TextIsOurs(code) ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  error.message += " (SQLite " + std::to_string(code);
  if (reason != 0) error.message += std::string(", ") + std::strerror(reason);
  error.message += ")";
  return error;
}

std::string_view PathOf(sqlite3* db) {
  const char* path = sqlite3_db_filename(db, "main");
  return path == nullptr || *path == '\0' ? std::string_view("database") : std::string_view(path);
}

std::unexpected<StorageError> Failed(sqlite3* db, int code) {
  return std::unexpected(ErrorOf(db, code, PathOf(db)));
}

std::unexpected<StorageError> Corrupt(std::string message) {
  return std::unexpected(
      StorageError{{Code::kInternal, std::move(message), {}}, StorageFault::kCorrupt});
}

StorageStatus RefuseLoneWal(const std::string& path, const std::string& vfs) {
  StorageResult<bool> lost = WalHasLostItsFile(path, vfs);
  if (!lost) return std::unexpected(lost.error());
  if (!*lost) return {};
  return Corrupt(path + " is missing or empty, but " + path +
                 "-wal holds what was committed last: bring back the file that belongs to it (to "
                 "give both up, move the -wal away)");
}

StorageStatus RefuseDamagedWal(const std::string& path, const std::string& vfs) {
  StorageResult<WalCheck> check = CheckWal(path, vfs);
  if (!check) return std::unexpected(check.error());
  if (!check->damaged()) return {};
  return Corrupt(path + "-wal is damaged behind page " + std::to_string(check->frames_used) + ": " +
                 std::to_string(check->frames_behind) +
                 " whole pages of committed transactions lie behind a bad one and would be "
                 "forgotten");
}

// Only when nothing is there: to close a file that another connection has open would let go its
// locks. Why it could not be made is SQLite's to say, which tries as well.
void MakePrivateFile(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
}

const char* SyncName(Database::Sync sync) {
  switch (sync) {
    case Database::Sync::kOff:
      return "OFF";
    case Database::Sync::kNormal:
      return "NORMAL";
    case Database::Sync::kFull:
      break;
  }
  return "FULL";
}

}  // namespace

StorageResult<Database> Database::Open(const std::string& path, const Options& options) {
  StorageStatus log;
  if (!options.scratch) log = RefuseLoneWal(path, options.vfs);
  if (log && !options.scratch && !options.read_only) log = RefuseDamagedWal(path, options.vfs);
  if (!log) return std::unexpected(log.error());
  if (options.create && !options.read_only && options.vfs.empty()) MakePrivateFile(path);
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (options.read_only) {
    flags |= SQLITE_OPEN_READONLY;
  } else {
    flags |= SQLITE_OPEN_READWRITE | (options.create ? SQLITE_OPEN_CREATE : 0);
  }
  sqlite3* db = nullptr;
  const char* vfs = options.vfs.empty() ? nullptr : options.vfs.c_str();
  int code = sqlite3_open_v2(path.c_str(), &db, flags, vfs);
  if (code != SQLITE_OK) {
    StorageError error = ErrorOf(db, code, path);
    sqlite3_close(db);
    return std::unexpected(error);
  }
  Database database(db);
  if (StorageStatus ok = database.Configure(options); !ok) return std::unexpected(ok.error());
  return database;
}

StorageStatus Database::Configure(const Options& options) {
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_timeout(db_, static_cast<int>(options.busy_timeout_ms));
  // First, since the others look at the file, and who has looked keeps a -shm file.
  std::string sql = options.exclusive ? "PRAGMA locking_mode=EXCLUSIVE;" : "";
  sql += "PRAGMA trusted_schema=OFF;PRAGMA temp_store=MEMORY;PRAGMA cache_size=-" +
         std::to_string(options.cache_bytes / 1024) + ";";
  if (!options.read_only) sql += "PRAGMA page_size=" + std::to_string(options.page_bytes) + ";";
  if (StorageStatus ok = Exec(sql); !ok) return ok;
  // The first look at the file: whether it is a database at all.
  if (options.read_only) return Exec("SELECT 1 FROM sqlite_schema LIMIT 1");
  if (options.scratch) return Exec("PRAGMA journal_mode=OFF;PRAGMA synchronous=OFF");
  if (StorageStatus ok = ExpectWal("PRAGMA journal_mode=WAL"); !ok) return ok;
  sql = std::string("PRAGMA synchronous=") + SyncName(options.sync) +
        ";PRAGMA wal_autocheckpoint=" + std::to_string(options.checkpoint_pages);
  // The first look makes the log's file, when there is none.
  sql += ";SELECT 1 FROM sqlite_schema LIMIT 1";
  if (StorageStatus ok = Exec(sql); !ok) return ok;
  // Asked again: while somebody reads a file that is still empty, the change is put off in silence.
  if (StorageStatus ok = ExpectWal("PRAGMA journal_mode"); !ok) return ok;
  if (StorageStatus ok = SettleLog(options); !ok) return ok;
  return SyncNames(options);
}

StorageStatus Database::ExpectWal(const char* sql) {
  auto mode = Prepare(sql);
  if (!mode) return std::unexpected(mode.error());
  auto row = mode->Step();
  if (!row) return std::unexpected(row.error());
  if (*row && mode->Text(0) == "wal") return {};
  return std::unexpected(
      StorageError{{Code::kInternal, path() + ": the file cannot have a write-ahead log now", {}},
                   StorageFault::kCannotOpen});
}

StorageStatus Database::SettleLog(const Options& options) {
  // The write lock: nobody adds to the log, moves it into the file, or begins it anew.
  auto lock = Transaction::Begin(*this);
  if (!lock) return std::unexpected(lock.error());
  return RewriteWal(path(), options.vfs);
}

// SQLite syncs the folder when it has made the log's file itself, not when a reader had.
StorageStatus Database::SyncNames(const Options& options) {
  if (options.vfs.empty()) {
    std::string file = path();
    Status synced = SyncPath(file.substr(0, file.rfind('/') + 1));
    if (synced) return {};
    return std::unexpected(StorageError{synced.error(), StorageFault::kIo});
  }
  int code = sqlite3_file_control(db_, "main", kSyncFolderControl, nullptr);
  if (code == SQLITE_OK || code == SQLITE_NOTFOUND) return {};
  return Failed(db_, code);
}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(db_, other.db_);
  return *this;
}

Database::~Database() {
  // Busy: a Statement outlives its Database.
  CHECK(sqlite3_close(db_) == SQLITE_OK);
}

StorageStatus Database::Exec(const std::string& sql) {
  int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return Failed(db_, code);
  return {};
}

StorageResult<Statement> Database::Prepare(std::string_view sql) {
  CHECK(sql.size() < INT_MAX);
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return Failed(db_, code);
  return Statement(statement);
}

StorageResult<int64_t> Database::QueryInt(std::string_view sql) {
  auto statement = Prepare(sql);
  if (!statement) return std::unexpected(statement.error());
  auto row = statement->Step();
  if (!row) return std::unexpected(row.error());
  return *row ? statement->Int(0) : 0;
}

StorageResult<Database::CheckpointState> Database::Checkpoint(CheckpointMode mode) {
  static_assert(SQLITE_CHECKPOINT_PASSIVE == static_cast<int>(CheckpointMode::kPassive));
  static_assert(SQLITE_CHECKPOINT_TRUNCATE == static_cast<int>(CheckpointMode::kTruncate));
  CheckpointState state;
  int code = sqlite3_wal_checkpoint_v2(db_, "main", static_cast<int>(mode), &state.log_pages,
                                       &state.done_pages);
  if (code != SQLITE_OK) return Failed(db_, code);
  return state;
}

StorageResult<std::vector<std::string>> Database::IntegrityFaults() {
  std::vector<std::string> faults;
  auto check = Prepare("PRAGMA integrity_check(100)");
  if (!check) return std::unexpected(check.error());
  for (;;) {
    auto row = check->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return faults;
    if (check->Text(0) != "ok") faults.emplace_back(check->Text(0));
  }
}

int64_t Database::Changes() const { return sqlite3_changes64(db_); }
bool Database::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }
std::string Database::path() const { return std::string(PathOf(db_)); }

StorageError Database::ErrorFor(int sqlite_code) const {
  return ErrorOf(db_, sqlite_code, PathOf(db_));
}
StorageError Database::LastError() const { return ErrorFor(sqlite3_extended_errcode(db_)); }

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(statement_, other.statement_);
  std::swap(bind_error_, other.bind_error_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::BindInt(int index, int64_t value) {
  CHECK(sqlite3_bind_int64(statement_, index, value) == SQLITE_OK);
}

void Statement::BindText(int index, std::string_view text) {
  // A null pointer would bind NULL; an empty text is a text.
  const char* data = text.data() != nullptr ? text.data() : "";
  int code = sqlite3_bind_text64(statement_, index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  CHECK(code != SQLITE_RANGE && code != SQLITE_MISUSE);
  if (code != SQLITE_OK) bind_error_ = code;
}

void Statement::BindBlob(int index, std::string_view bytes) {
  // A null pointer would bind NULL; an empty blob is a blob.
  const char* data = bytes.data() != nullptr ? bytes.data() : "";
  int code = sqlite3_bind_blob64(statement_, index, data, bytes.size(), SQLITE_STATIC);
  CHECK(code != SQLITE_RANGE && code != SQLITE_MISUSE);
  if (code != SQLITE_OK) bind_error_ = code;
}

void Statement::BindNull(int index) { CHECK(sqlite3_bind_null(statement_, index) == SQLITE_OK); }

StorageResult<bool> Statement::Step() {
  sqlite3* db = sqlite3_db_handle(statement_);
  if (bind_error_ != 0) return Failed(db, bind_error_);
  int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(statement_);
    return false;
  }
  // Before the reset, which may touch what the connection remembers.
  StorageError error = ErrorOf(db, code, PathOf(db));
  sqlite3_reset(statement_);
  return std::unexpected(error);
}

StorageStatus Statement::Run() {
  for (;;) {
    auto row = Step();
    if (row && *row) continue;
    Reset();
    if (!row) return std::unexpected(row.error());
    return {};
  }
}

void Statement::Reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  bind_error_ = 0;
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }

std::string_view Statement::Text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  int bytes = sqlite3_column_bytes(statement_, column);
  return {reinterpret_cast<const char*>(text), static_cast<size_t>(bytes)};
}

std::string_view Statement::Blob(int column) const {
  const void* blob = sqlite3_column_blob(statement_, column);
  int bytes = sqlite3_column_bytes(statement_, column);
  return {static_cast<const char*>(blob), static_cast<size_t>(bytes)};
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

StorageResult<Transaction> Transaction::Begin(Database& database, Kind kind) {
  StorageStatus begun = database.Exec(kind == Kind::kWrite ? "BEGIN IMMEDIATE" : "BEGIN");
  if (!begun) return std::unexpected(begun.error());
  return Transaction(database);
}

Transaction::~Transaction() { Rollback(); }

StorageStatus Transaction::Commit() {
  StorageStatus committed = database_->Exec("COMMIT");
  if (!committed) Rollback();
  database_ = nullptr;
  return committed;
}

void Transaction::Rollback() {
  if (database_ == nullptr) return;
  // Several failures have SQLite roll back by itself. A rollback that fails leaves nothing behind:
  // the log has no commit record.
  if (database_->in_transaction()) (void)database_->Exec("ROLLBACK");
  database_ = nullptr;
}

}  // namespace galaxy::push
