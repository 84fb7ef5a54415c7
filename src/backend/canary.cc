#include "backend/canary.h"

#include <string>

#include "base/ids.h"

namespace galaxy::push {

Canary::Canary(Loop& loop, PublishIntake& intake, uint64_t interval_ms)
    : loop_(loop), intake_(intake), pacer_(interval_ms, loop.clock().MonoMs()), client_(this) {
  Schedule();
}

void Canary::Schedule() {
  std::optional<uint64_t> due = pacer_.DueMs();
  if (!due || stopped_) return;
  uint64_t now_ms = loop_.clock().MonoMs();
  timer_ = loop_.RunAfter(*due > now_ms ? *due - now_ms : 0, [this] { Run(); });
}

void Canary::Run() {
  if (pacer_.Take(loop_.clock().MonoMs())) Publish();
  Schedule();
}

void Canary::OnAccept() {
  if (stopped_) return;
  pacer_.OnAccept(loop_.clock().MonoMs());
  Run();  // mostly it is due at once
}

void Canary::Publish() {
  std::string event_id = NewUuidV7(loop_.clock().WallMs());
  intake_.Add(client_, {.type = EntryType::kEvent,
                        .user_id = kCanaryUser,
                        .kind = kCanaryKind,
                        .payload = "{}",
                        .event_id = event_id});
}

void Canary::OnResults(std::span<const Result<Ack>> results) {
  for (const Result<Ack>& result : results) ++(result ? published_ : failed_);
}

void Canary::Stop() {
  stopped_ = true;
  timer_.Cancel();
}

}  // namespace galaxy::push
