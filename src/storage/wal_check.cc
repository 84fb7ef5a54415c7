#include "storage/wal_check.h"

#include <sqlite3.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"

// The layout: https://www.sqlite.org/fileformat2.html#walformat

namespace galaxy::push {
namespace {

constexpr size_t kHeaderBytes = 32;
constexpr size_t kFrameHeaderBytes = 24;

uint32_t Number(const unsigned char* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
}

struct Sum {
  uint32_t a = 0, b = 0;
  bool operator==(const Sum&) const = default;
};
Sum SumAt(const unsigned char* at) { return {Number(at), Number(at + 4)}; }

// The words are summed in the order of bytes of the machine that made the file.
Sum Add(Sum sum, std::span<const unsigned char> bytes, bool big_endian) {
  bool native = big_endian == (std::endian::native == std::endian::big);
  for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    uint32_t words[2];
    std::memcpy(words, bytes.data() + i, 8);
    if (!native) words[0] = __builtin_bswap32(words[0]);
    if (!native) words[1] = __builtin_bswap32(words[1]);
    sum.a += words[0] + sum.b;
    sum.b += words[1] + sum.a;
  }
  return sum;
}

// SQLite's system files transfer less than 128 KiB at a time, and of more silently a part.
constexpr size_t kTransferBytes = 64 * 1024;

// A file opened by SQLite's own means, whatever the VFS.
class RawFile {
 public:
  static StorageResult<RawFile> Open(const std::string& path, const std::string& vfs_name,
                                     int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_WAL) {
    sqlite3_vfs* vfs = sqlite3_vfs_find(vfs_name.empty() ? nullptr : vfs_name.c_str());
    CHECK(vfs != nullptr);
    RawFile file;
    file.room_ = std::make_unique<char[]>(static_cast<size_t>(vfs->szOsFile));
    // A VFS may look for parameters behind the name.
    file.name_ = std::make_unique<std::string>(path + std::string(4, '\0'));
    int code = vfs->xOpen(vfs, file.name_->c_str(), file.file(), flags, nullptr);
    if (code != SQLITE_OK) {
      int reason = vfs->xGetLastError != nullptr ? vfs->xGetLastError(vfs, 0, nullptr) : 0;
      bool missing = reason == ENOENT;
      return std::unexpected(StorageError{
          {missing ? Code::kNotFound : Code::kInternal, path + ": " + std::strerror(reason), {}},
          ClassifyFault(code, reason)});
    }
    return file;
  }
  RawFile(RawFile&&) = default;
  RawFile& operator=(RawFile&&) = delete;
  ~RawFile() {
    if (room_ && file()->pMethods != nullptr) file()->pMethods->xClose(file());
  }

  StorageResult<uint64_t> Size() {
    sqlite3_int64 bytes = 0;
    StorageStatus ok = Verdict(file()->pMethods->xFileSize(file(), &bytes));
    if (!ok) return std::unexpected(ok.error());
    return static_cast<uint64_t>(bytes);
  }
  StorageStatus Read(uint64_t offset, std::span<unsigned char> to) {
    return Verdict(file()->pMethods->xRead(file(), to.data(), static_cast<int>(to.size()),
                                           static_cast<sqlite3_int64>(offset)));
  }
  StorageStatus Write(uint64_t offset, std::span<const unsigned char> from) {
    return Verdict(file()->pMethods->xWrite(file(), from.data(), static_cast<int>(from.size()),
                                            static_cast<sqlite3_int64>(offset)));
  }
  StorageStatus Sync() { return Verdict(file()->pMethods->xSync(file(), SQLITE_SYNC_NORMAL)); }

 private:
  RawFile() = default;
  StorageStatus Verdict(int code) {
    if (code == SQLITE_OK) return {};
    int reason = 0;
    file()->pMethods->xFileControl(file(), SQLITE_FCNTL_LAST_ERRNO, &reason);
    return std::unexpected(StorageError{
        {Code::kInternal, std::string(name_->c_str()) + ": " + sqlite3_errstr(code), {}},
        ClassifyFault(code, reason)});
  }
  sqlite3_file* file() { return reinterpret_cast<sqlite3_file*>(room_.get()); }

  std::unique_ptr<char[]> room_;
  std::unique_ptr<std::string> name_;
};

struct Header {
  uint32_t page_bytes = 0;
  bool big_endian = false;
  uint64_t salt = 0;
  Sum sum;
};

// Nothing when the header is not whole: SQLite will take such a log as empty, and it may be one
// that had just been begun.
bool ReadHeader(std::span<const unsigned char> bytes, Header& header) {
  uint32_t magic = Number(bytes.data());
  if ((magic & ~1u) != 0x377f0682) return false;
  header.big_endian = (magic & 1) != 0;
  header.page_bytes = Number(bytes.data() + 8);
  std::memcpy(&header.salt, bytes.data() + 16, 8);
  header.sum = SumAt(bytes.data() + 24);
  bool plausible = header.page_bytes >= 512 && header.page_bytes <= 65536 &&
                   std::has_single_bit(header.page_bytes);
  return plausible && Add({}, bytes.first(24), header.big_endian) == header.sum;
}

// Takes the frames in order.
class FrameReader {
 public:
  explicit FrameReader(const Header& header) : header_(header), before_(header.sum) {}

  void Take(std::span<const unsigned char> frame) {
    uint64_t salt = 0;
    std::memcpy(&salt, frame.data() + 8, 8);
    Sum stored = SumAt(frame.data() + 16);
    Sum sum = Add(before_, frame.first(8), header_.big_endian);
    sum = Add(sum, frame.subspan(kFrameHeaderBytes), header_.big_endian);
    // Judged by what the frame before it says of itself, so that a bad one spoils no other.
    bool whole = salt == header_.salt && sum == stored;
    bool commit = whole && Number(frame.data() + 4) != 0;
    before_ = stored;
    ++number_;
    if (!whole) intact_ = false;
    if (intact_) {
      if (commit) check_.frames_used = number_;
    } else if (whole && commit_before_) {
      proven_ = true;
    }
    if (!intact_ && whole) ++behind_;
    commit_before_ = !intact_ && commit;
  }
  WalCheck Result() const {
    WalCheck check = check_;
    if (proven_) check.frames_behind = behind_;
    return check;
  }

 private:
  const Header header_;
  Sum before_;
  WalCheck check_;
  uint64_t number_ = 0;
  uint64_t behind_ = 0;
  bool intact_ = true;
  bool commit_before_ = false;
  bool proven_ = false;
};

// 0: it is not there. A log, too, is opened as a database: SQLite's system files take the one for
// missing when the other is.
StorageResult<uint64_t> BytesOf(const std::string& path, const std::string& vfs) {
  StorageResult<RawFile> file =
      RawFile::Open(path, vfs, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB);
  if (file) return file->Size();
  if (file.error().code == Code::kNotFound) return 0;
  return std::unexpected(file.error());
}

}  // namespace

StorageResult<bool> WalHasLostItsFile(const std::string& path, const std::string& vfs) {
  // In this order, since a writer may be beginning both.
  StorageResult<uint64_t> log = BytesOf(path + "-wal", vfs);
  if (!log) return std::unexpected(log.error());
  if (*log == 0) return false;
  StorageResult<uint64_t> file = BytesOf(path, vfs);
  if (!file) return std::unexpected(file.error());
  return *file == 0;
}

StorageResult<WalCheck> CheckWal(const std::string& path, const std::string& vfs) {
  StorageResult<RawFile> file = RawFile::Open(path + "-wal", vfs);
  if (!file && file.error().code == Code::kNotFound) return WalCheck{};
  if (!file) return std::unexpected(file.error());
  StorageResult<uint64_t> size = file->Size();
  if (!size) return std::unexpected(size.error());
  if (*size < kHeaderBytes) return WalCheck{};
  std::vector<unsigned char> buffer(kHeaderBytes);
  if (StorageStatus ok = file->Read(0, buffer); !ok) return std::unexpected(ok.error());
  Header header;
  if (!ReadHeader(buffer, header)) return WalCheck{};
  buffer.resize(kFrameHeaderBytes + header.page_bytes);
  FrameReader reader(header);
  for (uint64_t at = kHeaderBytes; at + buffer.size() <= *size; at += buffer.size()) {
    if (StorageStatus ok = file->Read(at, buffer); !ok) return std::unexpected(ok.error());
    reader.Take(buffer);
  }
  return reader.Result();
}

StorageStatus RewriteWal(const std::string& path, const std::string& vfs) {
  StorageResult<RawFile> file =
      RawFile::Open(path + "-wal", vfs, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL);
  if (!file && file.error().code == Code::kNotFound) return {};
  if (!file) return std::unexpected(file.error());
  StorageResult<uint64_t> size = file->Size();
  if (!size) return std::unexpected(size.error());
  std::vector<unsigned char> buffer(kTransferBytes);
  for (uint64_t at = 0; at < *size; at += buffer.size()) {
    buffer.resize(std::min<uint64_t>(buffer.size(), *size - at));
    StorageStatus ok = file->Read(at, buffer);
    if (ok) ok = file->Write(at, buffer);
    if (!ok) return ok;
  }
  return file->Sync();
}

}  // namespace galaxy::push
