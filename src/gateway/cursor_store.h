#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"

namespace galaxy::push {

// When the processed cursor is due to be written: at most every `interval_ms` or `entries`
// entries, whichever comes first (docs/semantics.md 7.2).
class SaveThrottle {
 public:
  SaveThrottle(uint64_t interval_ms, uint64_t entries)
      : interval_ms_(interval_ms), entries_(entries) {}
  void Count(uint64_t entries) { waiting_ += entries; }
  bool Due(uint64_t mono_ms) const {
    return waiting_ > 0 && (waiting_ >= entries_ || mono_ms >= saved_ms_ + interval_ms_);
  }
  void Saved(uint64_t mono_ms) {
    waiting_ = 0;
    saved_ms_ = mono_ms;
  }

 private:
  uint64_t interval_ms_;
  uint64_t entries_;
  uint64_t waiting_ = 0;
  uint64_t saved_ms_ = 0;
};

// CursorStore keeps the processed cursor of a gateway in DIR/cursor: a line with the cursor, one
// with the gateway_client_id. A file of another gateway_client_id counts as none.
//
//   Threads   Save() and Flush() from one thread. Writing (temporary file, fsync, rename, fsync of
//             the folder) is done by a thread of its own, since a disk may take milliseconds; of
//             several saves that wait only the newest is written.
//   Lifetime  Destroying it writes what waits.
//   Errors    Open() when the folder cannot be used. A failed write is counted, the next one tries
//             again; an older cursor only means that entries come twice.
class CursorStore {
 public:
  static Result<std::unique_ptr<CursorStore>> Open(const std::string& dir, std::string gateway_id);
  ~CursorStore();

  // What was persisted when it was opened; empty when nothing was.
  const std::string& cursor() const { return cursor_; }
  void Save(std::string_view cursor);
  // Returns when what was saved is on disk, or could not be written.
  void Flush();
  uint64_t failures() const;

 private:
  CursorStore(std::string path, std::string gateway_id, std::string cursor);
  void Write();

  const std::string path_;
  const std::string gateway_id_;
  const std::string cursor_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::string> waiting_;
  bool writing_ = false;
  bool stopping_ = false;
  uint64_t failures_ = 0;
  std::thread writer_;
};

}  // namespace galaxy::push
