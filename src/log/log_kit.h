#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event/wire.h"
#include "log/log.h"

namespace galaxy::push {

// What tests of logs do with one.
using AckResults = std::vector<Result<Ack>>;
// Filled when the batch is answered.
using AckBox = std::shared_ptr<std::optional<AckResults>>;

inline EntryView TestEvent(std::string_view id, std::string_view user = "ann",
                           std::string_view payload = "{}") {
  return {.type = EntryType::kEvent,
          .user_id = user,
          .kind = "chat",
          .payload = payload,
          .event_id = id};
}
inline EntryView TestInvalidation(std::string_view user, std::string_view session = "") {
  return {.type = EntryType::kInvalidation, .user_id = user, .device_session_id = session};
}

inline AckBox SubmitAll(Log& log, const std::vector<EntryView>& views, uint64_t as_of_ms = 0) {
  auto box = std::make_shared<std::optional<AckResults>>();
  LogBatch batch(log.hasher());
  for (const EntryView& view : views) {
    view.type == EntryType::kEvent ? batch.AddEvent(view) : batch.AddInvalidation(view, as_of_ms);
  }
  EXPECT_TRUE(log.Submit(std::move(batch), [box, &log](const LogBatch& done) {
    // semantics.md 2.1: what is acknowledged is in the ring.
    for (const Result<Ack>& result : done.results()) {
      if (!result) continue;
      EXPECT_LE(result->cursor, log.ring().head());
    }
    *box = AckResults(done.results().begin(), done.results().end());
  }));
  return box;
}

// "cursor user/event" of each entry of the ring.
inline std::vector<std::string> RingContents(const Log& log) {
  std::vector<std::string> contents;
  Ring::Position position = log.ring().Begin();
  for (;;) {
    Ring::Item item = log.ring().Next(position);
    if (item.state != Ring::State::kData) return contents;
    EntryView view = *DecodePushEvent(EntryMessage(item.entry));
    EXPECT_EQ(view.cursor, item.cursor.Format());
    contents.push_back(item.cursor.Format() + " " + std::string(view.user_id) + "/" +
                       std::string(view.event_id));
  }
}

}  // namespace galaxy::push
