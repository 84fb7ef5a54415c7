#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/storage_error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace galaxy::push {

class Statement;

// A VFS that is not the operating system's is asked by this file control to make the names in the
// folder durable.
inline constexpr int kSyncFolderControl = 0x4750'5359;

// Database is one connection to one SQLite file in WAL mode. What a transaction committed with
// Sync::kFull survives the process and the power.
//
//   Failed syncs  A sync that fails may leave pages that reads still show and that never reach the
//             disk, also not by the next sync. The process that saw it ends (kIo), but the page
//             cache outlives it: the next one would find such a log whole, build on it, and lose
//             all of it with the power. So Open() for writing first writes the log again where it
//             is, and syncs that. One process at a time may open for writing.
//   Damaged logs  SQLite forgets silently what lies behind a bad frame of the log. Open() for
//             writing looks before (CheckWal) and refuses, kCorrupt, where that had been committed.
//             It deletes the log of a file that is missing or empty: no Open() lets it.
//
//   Threads   One at a time, with its statements. Several connections to one file, also from other
//             processes, may read while one writes.
//   Lifetime  Outlives its Statements and Transactions.
//   Errors    StorageFault says what may be done about it. Open() on a file that is no database
//             fails with kCorrupt.
class Database {
 public:
  enum class Sync { kOff, kNormal, kFull };
  struct Options {
    std::string vfs;     // empty: the operating system's files
    bool create = true;  // else a missing file is kCannotOpen, code kNotFound
    bool read_only = false;
    uint32_t page_bytes = 4096;  // of a new file
    Sync sync = Sync::kFull;
    // SQLite moves the log into the file by itself when a commit leaves it this long; 0: never, the
    // owner calls Checkpoint().
    uint32_t checkpoint_pages = 1000;
    int64_t cache_bytes = 2 << 20;
    // How long a call may wait for another connection's lock.
    uint32_t busy_timeout_ms = 0;
    // The only connection, of any process: keeps the wal-index in memory instead of a -shm file.
    bool exclusive = false;
    // A file that is thrown away when anything goes wrong: no journal, no log, no sync by itself.
    bool scratch = false;
  };

  // A file that is made is its owner's alone (0600), also in a folder that is not, and SQLite gives
  // those beside it the same mode: secrets and what was published lie there.
  static StorageResult<Database> Open(const std::string& path, const Options& options);
  Database(Database&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Database& operator=(Database&& other) noexcept;
  ~Database();

  // Runs statements that yield no rows that anybody wants.
  StorageStatus Exec(const std::string& sql);
  StorageResult<Statement> Prepare(std::string_view sql);
  // The first column of the first row, 0 when there is none: for pragmas and counts.
  StorageResult<int64_t> QueryInt(std::string_view sql);

  enum class CheckpointMode { kPassive, kFull, kRestart, kTruncate };
  struct CheckpointState {
    int log_pages = 0;   // in the -wal file
    int done_pages = 0;  // of those, in the database file
  };
  // Moves the log into the database file. kPassive waits for nobody and does what it can.
  StorageResult<CheckpointState> Checkpoint(CheckpointMode mode);

  // What SQLite finds wrong with the file: pages, order, indexes; not what rows say. Empty:
  // nothing. Reads the whole file. At most 100 findings.
  StorageResult<std::vector<std::string>> IntegrityFaults();

  int64_t Changes() const;      // rows of the last insert, update or delete
  bool in_transaction() const;  // between BEGIN and the end
  std::string path() const;     // as SQLite resolved it
  // For src/storage only.
  sqlite3* handle() { return db_; }
  StorageError ErrorFor(int sqlite_code) const;
  StorageError LastError() const;

 private:
  explicit Database(sqlite3* db) : db_(db) {}
  StorageStatus Configure(const Options& options);
  StorageStatus ExpectWal(const char* sql);
  StorageStatus SettleLog(const Options& options);
  StorageStatus SyncNames(const Options& options);

  sqlite3* db_;
};

// A prepared statement. Binding does not copy: the bytes stay where they are until Reset() or the
// end of the statement. Parameters count from 1, columns from 0, as in SQLite.
class Statement {
 public:
  Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  void BindInt(int index, int64_t value);
  void BindText(int index, std::string_view text);
  void BindBlob(int index, std::string_view bytes);
  void BindNull(int index);

  // True: a row is there. False: done. After false or an error the statement stands at its
  // beginning again, with its parameters still bound.
  StorageResult<bool> Step();
  // For statements without rows: steps to the end, then Reset().
  StorageStatus Run();
  // Back to the beginning, parameters unbound.
  void Reset();

  // Of the current row; views live until the next Step(), Run() or Reset().
  int64_t Int(int column) const;
  std::string_view Text(int column) const;
  std::string_view Blob(int column) const;
  bool IsNull(int column) const;

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  sqlite3_stmt* statement_;
  int bind_error_ = 0;  // told by Step()
};

// One transaction. Ends with Commit(), or is rolled back.
class Transaction {
 public:
  enum class Kind {
    kWrite,  // takes the write lock at once (BEGIN IMMEDIATE)
    kRead,   // sees one state from its first read on, whatever others commit
  };
  static StorageResult<Transaction> Begin(Database& database, Kind kind = Kind::kWrite);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // When it fails the transaction has been rolled back.
  StorageStatus Commit();
  void Rollback();

 private:
  explicit Transaction(Database& database) : database_(&database) {}

  Database* database_;
};

}  // namespace galaxy::push
