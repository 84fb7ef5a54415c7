// Feeds any lines as what a backend says to a gateway's subscription: metadata, entries, ends. A
// backend is trusted with the log, not with the gateway's life: whatever it sends, the decisions
// keep their order, and a cursor that is processed never falls.

#include "gateway/feed.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace galaxy::push {
namespace {

std::string_view TakeUntil(char end, std::string_view& rest) {
  size_t at = std::min(rest.find(end), rest.size());
  std::string_view part = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return part;
}

// "m resume=gap start=… head=…": the parts of one line, with the short names spelt out.
Metadata MetadataOf(std::string_view line) {
  Metadata metadata;
  while (!line.empty()) {
    std::string_view part = TakeUntil(' ', line);
    std::string_view name = TakeUntil('=', part);
    metadata.Add("push-" + std::string(name), std::string(part));
  }
  return metadata;
}

class FeedFuzz {
 public:
  void Take(std::string_view line) {
    if (line.empty()) return;
    std::string_view rest = line.substr(std::min<size_t>(2, line.size()));
    switch (line[0]) {
      case 'm':
        return Open(MetadataOf(rest));
      case 'n':
        if (connected_ && !feed_.streaming()) feed_.OnNoMetadata(now_ms_);
        return;
      case 'e':
        return Entry(EntryType::kEvent, rest);
      case 'i':
        return Entry(EntryType::kInvalidation, rest);
      case 'x':
        return End(rest);
      case 'q':
        if (feed_.streaming() && feed_.OnQuiet()) processed_.clear();  // the barrier, as below
        return;
      default:
        now_ms_ += 1'000;
    }
  }

 private:
  void Connect() {
    if (connected_) return;
    connected_ = true;
    FeedRequest request = feed_.Connect(1'763'850'000'000 + now_ms_, now_ms_);
    CHECK(request.gateway_client_id == "gw-1" && request.cursor.size() <= 128);
  }
  void Open(const Metadata& metadata) {
    Connect();
    if (feed_.streaming()) return;
    FeedOpening opening = feed_.OnMetadata(metadata, now_ms_);
    CHECK(opening.ring != FeedOpening::Ring::kGap || !opening.gap_reason.empty());
    falls_ = opening.ring != FeedOpening::Ring::kKeep;
  }
  void Entry(EntryType type, std::string_view cursor) {
    if (!feed_.streaming()) return;
    EntryView entry{.type = type, .user_id = "ann", .cursor = cursor};
    auto step = feed_.OnEntry(entry, false);
    if (step) {
      CHECK(!(step->ignore && (step->append || step->deliver)));
      if (step->caught_up) processed_.clear();
    } else {
      CHECK(!step.error().message.empty());
      Retry(feed_.OnFault(now_ms_));
    }
    CheckProcessed();
  }
  void End(std::string_view rest) {
    if (!connected_) return;
    GrpcEnd end{.status = GrpcStatus::kUnavailable, .from_server = true};
    if (!rest.empty()) end.status = static_cast<GrpcStatus>(rest[0] % 17);
    end.trailers.Add("push-close-reason",
                     std::string(rest.substr(std::min<size_t>(1, rest.size()))));
    Retry(feed_.OnEnd(end, now_ms_));
  }
  void Retry(const FeedRetry& retry) {
    CHECK(!retry.cause.empty() && retry.delay_ms <= 10 * 60 * 1000);
    CHECK(!feed_.streaming());
    connected_ = false;
  }
  // docs/semantics.md 4.3. Behind a gap the log may be another one, and a cursor that came from a
  // backend that is not ours has no place among ours, whatever it looks like (1.5).
  void CheckProcessed() {
    if (std::exchange(falls_, false)) processed_.clear();
    std::string text = feed_.processed();
    if (feed_.foreign()) opaque_ = text;
    if (text == opaque_) text.clear();
    auto now = Cursor::Parse(text);
    auto before = Cursor::Parse(processed_);
    if (now && before) CHECK(*before <= *now);
    processed_ = text;
  }

  static GatewayConfig Config() {
    GatewayConfig config;
    config.id = "gw-1";
    return config;
  }
  const GatewayConfig config_ = Config();
  Feed feed_{config_, "", [](uint64_t bound) { return bound; }};
  bool connected_ = false;
  bool falls_ = false;
  uint64_t now_ms_ = 0;
  std::string processed_;
  std::string opaque_;  // the newest of a backend that is not ours
};

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  FeedFuzz fuzz;
  while (!rest.empty()) fuzz.Take(TakeUntil('\n', rest));
  return 0;
}
