#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "event/message_splitter.h"
#include "event/wire.h"
#include "log/local_log.h"
#include "log/memory_engine.h"

namespace galaxy::push {

// A log for tests, with virtual time, that commits at once.
struct LogFixture {
  static constexpr uint64_t kStartMs = 1'763'850'000'000;

  explicit LogFixture(Log::Options options = {})
      : LogFixture(std::make_unique<MemoryEngine>(), kStartMs, options) {}
  LogFixture(std::unique_ptr<Engine> engine, uint64_t start_ms, Log::Options options = {})
      : now_ms(start_ms), log(std::move(*LocalLog::Open(options, std::move(engine), start_ms))) {}

  Cursor Commit(const EntryView& entry) {
    Cursor cursor;
    LogBatch batch(log->hasher());
    entry.type == EntryType::kEvent ? batch.AddEvent(entry) : batch.AddInvalidation(entry);
    CHECK(log->Submit(std::move(batch),
                      [&cursor](const LogBatch& done) { cursor = done.results()[0]->cursor; }));
    CHECK(log->CommitOnce(now_ms));
    return cursor;
  }
  Cursor Event(std::string_view user, size_t payload_bytes = 2) {
    return Commit({.type = EntryType::kEvent,
                   .user_id = user,
                   .kind = "chat",
                   .payload = std::string(payload_bytes, 'p')});
  }
  Cursor Invalidation(std::string_view user) {
    return Commit({.type = EntryType::kInvalidation, .user_id = user, .reason = "out"});
  }
  const Ring& ring() const { return log->ring(); }
  const Retained& retained() const { return log->retained(); }

  uint64_t now_ms;
  std::unique_ptr<LocalLog> log;
};

// "ann" for an event, "!ann" for an invalidation, of each entry in a stream's bytes; the last part
// "…" when it ends within an entry.
inline std::vector<std::string> UsersIn(std::string_view stream) {
  std::vector<std::string> users;
  MessageSplitter splitter;
  splitter.Feed(stream);
  std::string_view framed;
  while (*splitter.Next(framed)) {
    EntryView view = *DecodePushEvent(EntryMessage(framed));
    users.push_back((view.type == EntryType::kInvalidation ? "!" : "") + std::string(view.user_id));
  }
  if (splitter.pending() > 0) users.push_back("…");
  return users;
}

// The order that every stream must have (docs/semantics.md 4.3).
inline bool CursorsRise(std::string_view stream) {
  MessageSplitter splitter;
  splitter.Feed(stream);
  std::string_view framed;
  std::string last;
  while (*splitter.Next(framed)) {
    std::string cursor(DecodePushEvent(EntryMessage(framed))->cursor);
    if (cursor <= last) return false;
    last = cursor;
  }
  return true;
}

}  // namespace galaxy::push
