#include "gateway/cursor_store.h"

#include <filesystem>

#include "base/file.h"
#include "base/ids.h"

namespace galaxy::push {
namespace {

// "<cursor>\n<gateway id>\n": a cursor of any kind has no line break.
std::string Parse(std::string_view text, std::string_view gateway_id) {
  size_t first = text.find('\n');
  if (first == std::string_view::npos || first > kCursorBytesMax) return {};
  std::string_view rest = text.substr(first + 1);
  if (rest.empty() || rest.back() != '\n') return {};
  rest.remove_suffix(1);
  return rest == gateway_id ? std::string(text.substr(0, first)) : std::string();
}

}  // namespace

Result<std::unique_ptr<CursorStore>> CursorStore::Open(const std::string& dir,
                                                       std::string gateway_id) {
  std::error_code failed;
  std::filesystem::create_directories(dir, failed);
  if (failed) {
    return Fail(Code::kInternal, "cannot make the folder " + dir + ": " + failed.message(), "data");
  }
  std::string path = dir + "/cursor";
  auto text = ReadFile(path, 4096);
  if (!text && text.error().code != Code::kNotFound) return std::unexpected(text.error());
  std::string cursor = text ? Parse(*text, gateway_id) : std::string();
  // Found out now and not with the first event: whether the folder can be written to.
  std::string body = cursor + "\n" + gateway_id + "\n";
  if (auto written = WriteFileAtomic(path, body); !written) return std::unexpected(written.error());
  return std::unique_ptr<CursorStore>(
      new CursorStore(std::move(path), std::move(gateway_id), std::move(cursor)));
}

CursorStore::CursorStore(std::string path, std::string gateway_id, std::string cursor)
    : path_(std::move(path)),
      gateway_id_(std::move(gateway_id)),
      cursor_(std::move(cursor)),
      writer_([this] { Write(); }) {}

CursorStore::~CursorStore() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  writer_.join();
}

void CursorStore::Save(std::string_view cursor) {
  {
    std::lock_guard lock(mutex_);
    waiting_.emplace(cursor);
  }
  changed_.notify_all();
}

void CursorStore::Flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !waiting_ && !writing_; });
}

uint64_t CursorStore::failures() const {
  std::lock_guard lock(mutex_);
  return failures_;
}

void CursorStore::Write() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return waiting_ || stopping_; });
    if (!waiting_) return;
    std::string body = *waiting_ + "\n" + gateway_id_ + "\n";
    waiting_.reset();
    writing_ = true;
    lock.unlock();
    bool written = WriteFileAtomic(path_, body).has_value();
    lock.lock();
    writing_ = false;
    if (!written) ++failures_;
    changed_.notify_all();
  }
}

}  // namespace galaxy::push
