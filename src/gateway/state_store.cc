#include "gateway/state_store.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/ids.h"

namespace galaxy::push {
namespace {

constexpr std::string_view kFileName = "/gateway.db";
constexpr int64_t kApplicationId = 0x47504757;  // "GPGW"
constexpr int64_t kFormatVersion = 1;
constexpr size_t kKeyBytes = 16;

constexpr const char* kSchema =
    "CREATE TABLE state(one INTEGER PRIMARY KEY CHECK(one = 1), plane TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, secret BLOB NOT NULL, gateway_id TEXT NOT NULL,"
    " cursor TEXT NOT NULL, saved_ms INTEGER NOT NULL, unknown_ms INTEGER NOT NULL,"
    " revoked_count INTEGER NOT NULL, revoked_sum INTEGER NOT NULL, checksum BLOB NOT NULL) STRICT;"
    "CREATE TABLE revoked(key BLOB PRIMARY KEY, time_s INTEGER NOT NULL, reason TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID;";

using KeyBytes = std::array<char, kKeyBytes>;

// Little-endian, the low half first, on every machine that siphash.h compiles for.
KeyBytes ToBytes(const Bits128& bits) {
  KeyBytes bytes;
  std::memcpy(bytes.data(), &bits.low, 8);
  std::memcpy(bytes.data() + 8, &bits.high, 8);
  return bytes;
}

std::string_view View(const KeyBytes& bytes) { return {bytes.data(), bytes.size()}; }

std::optional<Bits128> FromBytes(std::string_view bytes) {
  if (bytes.size() != kKeyBytes) return std::nullopt;
  Bits128 bits;
  std::memcpy(&bits.low, bytes.data(), 8);
  std::memcpy(&bits.high, bytes.data() + 8, 8);
  return bits;
}

void AddNumber(SipHasher& hasher, uint64_t number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  hasher.AddField({bytes, sizeof bytes});
}

// What a person is told who has to do something about it (docs/formats/gateway.md, Damage).
Error Damaged(const std::string& path, std::string_view why) {
  return {Code::kInternal,
          "the gateway's state is damaged: " + path + " (" + std::string(why) +
              "); move that file and its -wal away and start again: without state a gateway asks "
              "the backend for every invalidation",
          "data"};
}

// In key order, the order of the table and of the disk, and each key once, with its last entry.
void PutInKeyOrder(std::vector<RevokedEntry>& entries) {
  auto less = [](const RevokedEntry& a, const RevokedEntry& b) {
    return ToBytes(a.key) < ToBytes(b.key);
  };
  auto same = [](const RevokedEntry& a, const RevokedEntry& b) { return a.key == b.key; };
  std::reverse(entries.begin(), entries.end());
  std::stable_sort(entries.begin(), entries.end(), less);
  entries.erase(std::unique(entries.begin(), entries.end(), same), entries.end());
}

}  // namespace

// The row of table `state`, without what StateStore holds by itself.
struct StateStore::Progress {
  std::string plane;
  std::string gateway_id;
  std::string cursor;
  uint64_t saved_ms = 0;
  uint64_t unknown_ms = 0;
  Rows rows;
};

StateStore::StateStore(Options options, std::optional<FolderLock> lock, Database database)
    : options_(std::move(options)), lock_(std::move(lock)), database_(std::move(database)) {}

Result<StateStore::Opened> StateStore::Open(const Options& options) {
  std::optional<FolderLock> lock;
  std::string path = options.folder + std::string(kFileName);
  if (options.vfs.empty()) {
    if (Status made = MakeFolder(options.folder); !made) return std::unexpected(made.error());
    auto locked = FolderLock::Acquire(options.folder);
    if (!locked) return std::unexpected(locked.error());
    lock = std::move(*locked);
  }
  auto database = Database::Open(path, {.vfs = options.vfs, .exclusive = true});
  if (!database && database.error().fault == StorageFault::kCorrupt) {
    return std::unexpected(Damaged(path, database.error().message));
  }
  if (!database) return std::unexpected(database.error());
  Opened opened{.store = nullptr, .revoked = RevokedSet(options.revoked_keep_s), .cursor = {}};
  opened.store.reset(new StateStore(options, std::move(lock), std::move(*database)));
  if (Status begun = opened.store->Begin(opened); !begun) return std::unexpected(begun.error());
  return opened;
}

Status StateStore::Begin(Opened& opened) {
  auto first = IsNew();
  if (!first) return std::unexpected(first.error());
  opened.first = *first;
  Progress progress{.plane = options_.plane, .gateway_id = options_.gateway_id};
  if (*first) {
    if (StorageStatus created = Create(); !created) return std::unexpected(created.error());
  } else {
    auto read = ReadProgress();
    if (!read) return std::unexpected(read.error());
    progress = std::move(*read);
  }
  if (progress.plane != options_.plane) return std::unexpected(OtherPlane(progress.plane));
  opened.revoked = RevokedSet(options_.revoked_keep_s, secret_);
  if (Status read = ReadRevoked(progress.rows, opened.revoked); !read) return read;
  // A cursor may mean something to its own subscription only (docs/semantics.md 1.5).
  if (progress.gateway_id == options_.gateway_id) opened.cursor = progress.cursor;
  opened.unknown_ms = progress.unknown_ms;
  // Found out now and not with the first event: whether the file can be written. Space may return.
  StateChange nothing{.cursor = opened.cursor,
                      .revoked = {},
                      .unknown_ms = progress.unknown_ms,
                      .now_ms = options_.now_ms};
  StorageStatus written = Write(nothing);
  if (!written && written.error().fault != StorageFault::kFull) {
    return std::unexpected(Explain(written.error()));
  }
  return {};
}

Result<bool> StateStore::IsNew() {
  int64_t found[3];
  constexpr std::string_view kQueries[3] = {"PRAGMA application_id", "PRAGMA user_version",
                                            "SELECT count(*) FROM sqlite_schema"};
  for (int i = 0; i < 3; ++i) {
    auto number = database_.QueryInt(kQueries[i]);
    if (!number) return std::unexpected(Explain(number.error()));
    found[i] = *number;
  }
  auto [application, version, tables] = found;
  if (application == 0 && version == 0 && tables == 0) return true;
  if (application != kApplicationId) {
    return Fail(Code::kInternal, path() + " is a database, but not a gateway's state", "data");
  }
  if (version > kFormatVersion) {
    return Fail(Code::kInternal,
                path() + " was written by a newer program (format " + std::to_string(version) +
                    ", this one knows " + std::to_string(kFormatVersion) + ")",
                "data");
  }
  if (version != kFormatVersion) return std::unexpected(Damaged(path(), "no format version"));
  return false;
}

// In one transaction, so that after a crash the file is empty or whole.
StorageStatus StateStore::Create() {
  secret_ = Bits128::Random();
  created_ms_ = options_.now_ms;
  auto transaction = Transaction::Begin(database_);
  if (!transaction) return std::unexpected(transaction.error());
  std::string sql = std::string(kSchema) +
                    "PRAGMA application_id=" + std::to_string(kApplicationId) +
                    ";PRAGMA user_version=" + std::to_string(kFormatVersion);
  if (StorageStatus made = database_.Exec(sql); !made) return made;
  StorageStatus written =
      WriteProgress({.plane = options_.plane, .gateway_id = options_.gateway_id, .cursor = {}});
  if (!written) return written;
  return transaction->Commit();
}

Result<StateStore::Progress> StateStore::ReadProgress() {
  auto query = database_.Prepare(
      "SELECT plane, created_ms, secret, gateway_id, cursor, saved_ms, unknown_ms,"
      " revoked_count, revoked_sum, checksum FROM state");
  if (!query) return std::unexpected(Explain(query.error()));
  auto row = query->Step();
  if (!row) return std::unexpected(Explain(row.error()));
  if (!*row) return std::unexpected(Damaged(path(), "its state row is missing"));
  auto number = [&](int column) { return static_cast<uint64_t>(query->Int(column)); };
  created_ms_ = number(1);
  auto secret = FromBytes(query->Blob(2));
  auto checksum = FromBytes(query->Blob(9));
  Progress progress{.plane = std::string(query->Text(0)),
                    .gateway_id = std::string(query->Text(3)),
                    .cursor = std::string(query->Text(4)),
                    .saved_ms = number(5),
                    .unknown_ms = number(6),
                    .rows = {.count = number(7), .sum = number(8)}};
  secret_ = secret.value_or(Bits128{});
  if (!secret || checksum != Checksum(progress)) {
    return std::unexpected(Damaged(path(), "the checksum of its state row is wrong"));
  }
  return progress;
}

Status StateStore::ReadRevoked(const Rows& expected, RevokedSet& into) {
  auto query = database_.Prepare("SELECT key, time_s, reason FROM revoked");
  if (!query) return std::unexpected(Explain(query.error()));
  Rows rows;
  RevokedEntry entry;
  for (;;) {
    auto row = query->Step();
    if (!row) return std::unexpected(Explain(row.error()));
    if (!*row) break;
    auto key = FromBytes(query->Blob(0));
    int64_t time_s = query->Int(1);
    if (!key || time_s != static_cast<uint32_t>(time_s)) {
      return std::unexpected(Damaged(path(), "an entry of the revoked set is malformed"));
    }
    entry = {*key, static_cast<uint32_t>(time_s), std::string(query->Text(2))};
    rows.Add(EntrySum(entry));
    into.Restore(entry);
  }
  if (rows != expected) {
    return std::unexpected(Damaged(
        path(), "the revoked set has " + std::to_string(rows.count) + " entries and is not the " +
                    std::to_string(expected.count) + " that were written"));
  }
  rows_ = rows;
  return {};
}

StorageStatus StateStore::Write(StateChange& change) {
  PutInKeyOrder(change.revoked);
  Rows rows = rows_;
  auto transaction = Transaction::Begin(database_);
  if (!transaction) return std::unexpected(transaction.error());
  if (StorageStatus done = Forget(change.forget_before_s, rows); !done) return done;
  if (StorageStatus done = Put(change.revoked, rows); !done) return done;
  StorageStatus done = WriteProgress({.plane = options_.plane,
                                      .gateway_id = options_.gateway_id,
                                      .cursor = change.cursor,
                                      .saved_ms = change.now_ms,
                                      .unknown_ms = change.unknown_ms,
                                      .rows = rows});
  if (done) done = transaction->Commit();
  if (done) rows_ = rows;
  return done;
}

StorageStatus StateStore::Forget(uint32_t before_s, Rows& rows) {
  if (before_s == 0) return {};
  auto query = database_.Prepare("SELECT key, time_s, reason FROM revoked WHERE time_s < ?1");
  if (!query) return std::unexpected(query.error());
  query->BindInt(1, before_s);
  for (;;) {
    auto row = query->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    rows.Remove(EntrySum({FromBytes(query->Blob(0)).value_or(Bits128{}),
                          static_cast<uint32_t>(query->Int(1)), std::string(query->Text(2))}));
  }
  auto forget = database_.Prepare("DELETE FROM revoked WHERE time_s < ?1");
  if (!forget) return std::unexpected(forget.error());
  forget->BindInt(1, before_s);
  return forget->Run();
}

StorageStatus StateStore::Put(const std::vector<RevokedEntry>& entries, Rows& rows) {
  if (entries.empty()) return {};
  auto find = database_.Prepare("SELECT time_s, reason FROM revoked WHERE key = ?1");
  if (!find) return std::unexpected(find.error());
  auto put = database_.Prepare("REPLACE INTO revoked(key, time_s, reason) VALUES(?1, ?2, ?3)");
  if (!put) return std::unexpected(put.error());
  for (const RevokedEntry& entry : entries) {
    KeyBytes key = ToBytes(entry.key);
    find->BindBlob(1, View(key));
    auto row = find->Step();
    if (!row) return std::unexpected(row.error());
    if (*row) {
      rows.Remove(
          EntrySum({entry.key, static_cast<uint32_t>(find->Int(0)), std::string(find->Text(1))}));
    }
    find->Reset();
    put->BindBlob(1, View(key));
    put->BindInt(2, entry.time_s);
    put->BindText(3, entry.reason);
    if (StorageStatus done = put->Run(); !done) return done;
    rows.Add(EntrySum(entry));
  }
  return {};
}

StorageStatus StateStore::WriteProgress(const Progress& progress) {
  auto put = database_.Prepare(
      "REPLACE INTO state(one, plane, created_ms, secret, gateway_id, cursor, saved_ms, unknown_ms,"
      " revoked_count, revoked_sum, checksum) VALUES(1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
  if (!put) return std::unexpected(put.error());
  auto number = [&](int index, uint64_t value) {
    put->BindInt(index, static_cast<int64_t>(value));
  };
  KeyBytes secret = ToBytes(secret_);
  KeyBytes checksum = ToBytes(Checksum(progress));
  put->BindText(1, progress.plane);
  number(2, created_ms_);
  put->BindBlob(3, View(secret));
  put->BindText(4, progress.gateway_id);
  put->BindText(5, progress.cursor);
  number(6, progress.saved_ms);
  number(7, progress.unknown_ms);
  number(8, progress.rows.count);
  number(9, progress.rows.sum);
  put->BindBlob(10, View(checksum));
  return put->Run();
}

uint64_t StateStore::EntrySum(const RevokedEntry& entry) const {
  KeyBytes key = ToBytes(entry.key);
  SipHasher hasher(secret_);
  hasher.AddField(View(key));
  AddNumber(hasher, entry.time_s);
  hasher.AddField(entry.reason);
  return hasher.Finish().low;
}

Bits128 StateStore::Checksum(const Progress& progress) const {
  SipHasher hasher(secret_);
  hasher.AddField(progress.plane);
  AddNumber(hasher, created_ms_);
  hasher.AddField(progress.gateway_id);
  hasher.AddField(progress.cursor);
  AddNumber(hasher, progress.saved_ms);
  AddNumber(hasher, progress.unknown_ms);
  AddNumber(hasher, progress.rows.count);
  AddNumber(hasher, progress.rows.sum);
  return hasher.Finish();
}

Error StateStore::Explain(const StorageError& error) const {
  if (error.fault == StorageFault::kCorrupt) return Damaged(path(), error.message);
  return error;
}

// Not taken over: who is revoked there is somebody else here, for as long as a session can last.
Error StateStore::OtherPlane(std::string_view plane) const {
  return {Code::kInvalidArgument,
          path() + " is the state of plane " + std::string(plane) + ", this gateway is of plane " +
              options_.plane + "; give it a folder of its own",
          "plane"};
}

std::string StateStore::path() const { return options_.folder + std::string(kFileName); }

}  // namespace galaxy::push
