#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/siphash.h"
#include "gateway/revoked_set.h"
#include "storage/database.h"
#include "storage/folder_lock.h"

namespace galaxy::push {

// What a gateway knows and must not forget; written as one transaction. Every revocation that was
// applied up to `cursor` is in this change or in one before it (docs/semantics.md 7.2).
struct StateChange {
  std::string cursor;                 // processed; empty: none yet
  std::vector<RevokedEntry> revoked;  // entered since the last change; of equals the last counts
  uint32_t forget_before_s = 0;       // entries of a time before this leave
  uint64_t unknown_ms = 0;  // when invalidations may have been lost for good (9.3); 0: never
  uint64_t now_ms = 0;      // wall clock
};

// StateStore keeps a gateway's state in DIR/gateway.db (docs/formats/gateway.md): who it is, the
// processed cursor, and the revoked set that is complete up to that cursor.
//
//   Ownership  Holds the folder's lock: a second process on the same DIR is refused.
//   Threads    One call at a time, from any thread.
//   Limits     None of its own: about 50 bytes an entry of the revoked set.
//   Errors     Open(): the folder is used by another process or not usable, the file is damaged, of
//              a newer program, or of another plane; the message names the way out. Write():
//              nothing of the change is in the file; StorageFault says whether it may be tried
//              again.
//   Cost       Write(): one fsync, and two look-ups an entry. Open() reads the whole set: under a
//              second per million entries.
//
// Damage that SQLite cannot see (a bit of a row, a page that was never written) shows by a keyed
// sum over all entries, which is written with the cursor and compared at Open().
class StateStore {
 public:
  struct Options {
    std::string folder;
    std::string gateway_id;
    std::string plane;
    uint64_t revoked_keep_s = 0;
    uint64_t now_ms = 0;  // wall clock
    std::string vfs;      // empty: the system's files; else of a simulated disk, without a lock
  };
  struct Opened;
  static Result<Opened> Open(const Options& options);

  // Puts the change's entries in key order, each once.
  StorageStatus Write(StateChange& change);

 private:
  struct Progress;
  // The revoked set in the file: how many, and the sum of what EntrySum() gives for each.
  struct Rows {
    uint64_t count = 0;
    uint64_t sum = 0;
    void Add(uint64_t entry) { ++count, sum += entry; }
    void Remove(uint64_t entry) { --count, sum -= entry; }
    bool operator==(const Rows&) const = default;
  };
  StateStore(Options options, std::optional<FolderLock> lock, Database database);

  Status Begin(Opened& opened);
  Result<bool> IsNew();
  StorageStatus Create();
  Result<Progress> ReadProgress();
  Status ReadRevoked(const Rows& expected, RevokedSet& into);
  StorageStatus Forget(uint32_t before_s, Rows& rows);
  StorageStatus Put(const std::vector<RevokedEntry>& entries, Rows& rows);
  StorageStatus WriteProgress(const Progress& progress);
  uint64_t EntrySum(const RevokedEntry& entry) const;
  Bits128 Checksum(const Progress& progress) const;
  Error Explain(const StorageError& error) const;
  Error OtherPlane(std::string_view plane) const;
  std::string path() const;

  const Options options_;
  std::optional<FolderLock> lock_;  // let go after the database is closed
  Database database_;
  Bits128 secret_;
  uint64_t created_ms_ = 0;
  Rows rows_;
};

// What a restart begins with.
struct StateStore::Opened {
  std::unique_ptr<StateStore> store;
  RevokedSet revoked;
  std::string cursor;       // empty: none, or that of another gateway id
  uint64_t unknown_ms = 0;  // of the last StateChange
  bool first = false;       // nothing was there
};

}  // namespace galaxy::push
