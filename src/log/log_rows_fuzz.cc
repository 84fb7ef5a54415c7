// Feeds any bytes as a row of a log file: its numbers and checksum as they are, and rightly
// computed for its entries. A row that is found good holds the entries it says, in order, byte for
// byte.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/check.h"
#include "event/message_splitter.h"
#include "event/wire.h"
#include "log/log_format.h"

namespace galaxy::push {
namespace {

constexpr size_t kNumbersBytes = 48;

void CheckLogRow(const LogRow& row) {
  std::string together;
  Cursor last{row.before, 0};
  uint64_t entries = 0;
  auto fault = FaultOf(row, AsBytes(ChecksumOf(row)), [&](const CommitEntry& entry) {
    CHECK(last < entry.cursor);
    last = entry.cursor;
    ++entries;
    together += entry.entry;
  });
  CHECK(std::string_view(row.bytes).starts_with(together));
  CHECK(!fault || !fault->empty());
  if (!fault) CHECK(entries == row.entries && last == row.last && together == row.bytes);

  RowChecksum wrong = ChecksumOf(row);
  wrong[0] = static_cast<char>(wrong[0] ^ 1);
  CHECK(FaultOf(row, AsBytes(wrong), [](const CommitEntry&) { CHECK(false); }));
}

// What a writer would have said about these entries.
LogRow RowFor(std::string_view bytes) {
  LogRow row{.bytes = bytes};
  MessageSplitter splitter;
  splitter.Feed(bytes);
  std::string_view framed;
  for (auto more = splitter.Next(framed); more && *more; more = splitter.Next(framed)) {
    auto view = DecodePushEvent(EntryMessage(framed));
    if (!view) break;
    row.last = Cursor::Parse(view->cursor).value_or(Cursor{});
    if (row.entries++ == 0) row.first = row.last;
  }
  row.before = row.first.sequence - std::min<uint64_t>(row.first.sequence, 1);
  return row;
}

void CheckRetainedRow(std::string_view entry) {
  RetainedRow row{.entry = entry};
  if (entry.size() > kGrpcPrefixBytes) {
    if (auto view = DecodePushEvent(EntryMessage(entry))) {
      row.cursor = Cursor::Parse(view->cursor).value_or(Cursor{});
      row.user_id = view->user_id;
      row.device_session_id = view->device_session_id;
    }
  }
  auto fault = FaultOf(row, AsBytes(ChecksumOf(row)));
  if (!fault) CHECK(DecodePushEvent(EntryMessage(entry))->type == EntryType::kInvalidation);
  CHECK(FaultOf(row, ""));
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  CheckLogRow(RowFor(bytes));
  CheckRetainedRow(bytes);
  if (size < kNumbersBytes) return 0;
  uint64_t numbers[6];
  std::memcpy(numbers, data, kNumbersBytes);
  CheckLogRow({.before = numbers[0],
               .first = {numbers[1], numbers[2]},
               .last = {numbers[3], numbers[4]},
               .entries = numbers[5],
               .bytes = bytes.substr(kNumbersBytes)});
  MetaRow meta{{numbers[0], numbers[1]}, {numbers[2], numbers[3]}, numbers[4]};
  (void)FaultOf(meta, AsBytes(ChecksumOf(meta)));
  return 0;
}
