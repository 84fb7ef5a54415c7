// From the ring into the sessions' queues: live, in signed batches, and replayed.
#include <algorithm>

#include "base/check.h"
#include "base/ids.h"
#include "gateway/shard.h"

namespace galaxy::push {
namespace {

// A queue that reaches this is flushed before the turn ends.
constexpr size_t kFlushEarlyBytes = 256u << 10;
// Of a frame, beside the payload: about that much.
constexpr size_t kFrameBytes = 512;
// How many entries of a user's chain one pump of a replay looks at.
constexpr size_t kReplayLooksMax = 1024;
// Replays of one turn: a millisecond or two, so that a storm of them does not hold up live events.
constexpr uint64_t kReplayEventsMax = 512;
// A write takes so long that what it needs of the next sessions is in the processor's cache by
// then.
constexpr size_t kFetchAhead = 2;

void Fetch(const ClientSession* session) {
  if (session == nullptr) return;
  auto* at = reinterpret_cast<const char*>(session);
  for (size_t line = 0; line < sizeof(ClientSession); line += 64) __builtin_prefetch(at + line);
}

}  // namespace

void Shard::Append(std::string_view message, const EntryView& entry,
                   const std::optional<Cursor>& cursor, uint64_t mono_ms, bool deliver) {
  if (!pending_.empty()) {
    // What is collected is still read from the ring: sign it before it could leave.
    pending_span_bytes_ += message.size();
    if (pending_span_bytes_ + config_.ring_bytes_max / 4 > config_.ring_bytes_max) Commit();
  }
  if (!deliver && delivered_ == ring_.newest()) held_after_.assign(Head());
  bool replayable = entry.type == EntryType::kEvent && entry.user_id != kCanaryUser;
  uint64_t user_hash = replayable ? ring_.UserHash(entry.user_id) : 0;
  uint64_t ordinal =
      ring_.Append(message, entry.cursor, cursor ? cursor->sequence : 0, user_hash, mono_ms);
  if (!deliver) return;
  if (delivered_ + 1 == ordinal) return DeliverOne(ordinal, entry);
  Deliver();
}

void Shard::Deliver() {
  if (delivered_ + 1 < ring_.first()) {
    // The ring was too small for what was held back: a hole, so it is said (7.5).
    Gap("evicted", ring_.CursorAt(ring_.newest()), ring_.foreign());
    return;
  }
  while (delivered_ < ring_.newest()) {
    uint64_t ordinal = delivered_ + 1;
    if (ring_.UserHashAt(ordinal) == 0) {
      DeliverOne(ordinal, EntryView{});
    } else {
      DeliverOne(ordinal, ring_.View(ordinal));
    }
  }
  // What was held back may fill the ring, and the next Append() let it go: signed now.
  Commit();
}

void Shard::SkipDelivery() {
  Commit();
  delivered_ = ring_.newest();
}

void Shard::DeliverOne(uint64_t ordinal, const EntryView& entry) {
  delivered_ = ordinal;
  if (!waiting_.empty()) WantWork(Soon::kThisTurn);
  uint64_t user_hash = ring_.UserHashAt(ordinal);
  if (user_hash == 0) return;
  if (!HasLiveRecipient(entry, user_hash)) {
    ++stats_.events_unwanted;
    return;
  }
  if (pending_.empty()) pending_span_bytes_ = entry.payload.size();
  pending_.push_back(ordinal);
  if (pending_.size() >= config_.batch_size) Commit();
  WantWork(Soon::kThisTurn);
}

// Sessions that replay are passed over: they get to this entry in the ring.
bool Shard::HasLiveRecipient(const EntryView& event, uint64_t user_hash) const {
  const UserNode* node = index_.Find(event.user_id, user_hash);
  if (node == nullptr) return false;
  for (IndexedSession* at = node->first; at != nullptr; at = at->next_of_user()) {
    auto* session = static_cast<ClientSession*>(at);
    if (session->state_ == SessionState::kLive && at->IsMeantBy(event.device_session_id)) {
      return true;
    }
  }
  return false;
}

void Shard::Commit() {
  while (!pending_.empty()) CommitSome(std::min<size_t>(pending_.size(), config_.batch_size));
  pending_span_bytes_ = 0;
  if (flush_early_) FlushTouched();
}

namespace {

// Since the entry's publish time; 0 for an opaque cursor, and when our clock is behind.
uint64_t AgeMs(std::string_view cursor, uint64_t wall_ms) {
  auto parsed = Cursor::Parse(cursor);
  return parsed ? wall_ms - std::min(wall_ms, parsed->time_ms) : 0;
}

// Calls `use` for each live session that `event` is for.
template <typename Use>
void ForRecipients(const UserNode& node, std::string_view device_session_id, Use use) {
  for (IndexedSession* at = node.first; at != nullptr; at = at->next_of_user()) {
    auto* session = static_cast<ClientSession*>(at);
    if (session->state() == SessionState::kLive && at->IsMeantBy(device_session_id)) use(*session);
  }
}

}  // namespace

void Shard::CommitSome(size_t count) {
  std::vector<const UserNode*> nodes;
  std::vector<std::string_view> targets;
  std::vector<uint64_t> ages_ms;
  uint64_t wall_ms = clock_.WallMs();
  batch_.Clear();
  for (size_t i = 0; i < count; ++i) {
    EntryView event = ring_.View(pending_[i]);
    const UserNode* node = index_.Find(event.user_id, ring_.UserHashAt(pending_[i]));
    if (node == nullptr) continue;  // they left since
    EventBatch::EncodingMask encodings = 0;
    ForRecipients(*node, event.device_session_id,
                  [&](ClientSession& to) { encodings |= EventBatch::Bit(to.encoding()); });
    if (encodings == 0) continue;
    batch_.Add(event, encodings);
    nodes.push_back(node);
    targets.push_back(event.device_session_id);
    ages_ms.push_back(AgeMs(event.cursor, wall_ms));
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(count));
  if (batch_.size() == 0) return;
  if (!batch_.Seal(wall_ms)) {
    ++signing_failures_;
    return CloseRecipients(nodes);
  }
  ++stats_.batches_signed;
  uint64_t now_ms = clock_.MonoMs();
  for (size_t i = 0; i < nodes.size(); ++i) {
    uint64_t recipients = 0;
    ForRecipients(*nodes[i], targets[i], [&](ClientSession& to) {
      Enqueue(to, batch_.Frame(i, to.encoding()), now_ms);
      ++recipients;
    });
    stats_.events_delivered += recipients;
    if (!ring_.foreign()) stats_.delivery.ObserveMs(ages_ms[i], recipients);
  }
  batch_.Clear();
}

// Events that cannot be signed must not become a silent hole: who would have got one comes back
// with its cursor.
void Shard::CloseRecipients(const std::vector<const UserNode*>& nodes) {
  std::vector<SlotRef> victims;
  for (const UserNode* node : nodes) {
    ForRecipients(*node, "", [&](ClientSession& to) {
      victims.push_back({to.slot_, slots_[to.slot_].generation});
    });
  }
  batch_.Clear();
  for (SlotRef who : victims) {
    if (ClientSession* session = At(who)) Close(*session, {.code = Code::kUnavailable});
  }
}

void Shard::Enqueue(ClientSession& session, Slice frame, uint64_t now_ms) {
  session.queue_.Push(std::move(frame), now_ms);
  if (session.queue_.bytes() > kFlushEarlyBytes) flush_early_ = true;
  if (session.touched_ || session.slot_ == ClientSession::kNone) return;
  session.touched_ = true;
  touched_.push_back({session.slot_, slots_[session.slot_].generation});
  WantWork(Soon::kThisTurn);
}

void Shard::EnqueueFrame(ClientSession& session, std::string_view cursor,
                         const ControlFrame& frame) {
  std::string bytes;
  AppendFrame(bytes, session.encoding_, cursor, frame);
  Enqueue(session, Slice::Own(std::move(bytes)), clock_.MonoMs());
}

void Shard::MarkReplayReady(ClientSession& session) {
  if (session.replay_ready_) return;
  session.replay_ready_ = true;
  replay_ready_.push_back({session.slot_, slots_[session.slot_].generation});
  WantWork(Soon::kNextTurn);
}

void Shard::Drained(ClientSession& session) {
  if (session.state_ != SessionState::kReplaying) return;
  if (session.queue_.bytes() * 2 <= config_.replay_chunk_bytes) MarkReplayReady(session);
}

// One batch for each that can take it, in turn: a long replay does not keep the others waiting.
void Shard::PumpReplays() {
  uint64_t end = stats_.events_replayed + kReplayEventsMax;
  for (size_t left = replay_ready_.size(); left > 0; --left) {
    if (stats_.events_replayed >= end) return;
    ClientSession* session = At(replay_ready_.front());
    replay_ready_.pop_front();
    if (session == nullptr) continue;
    session->replay_ready_ = false;
    if (session->state_ == SessionState::kReplaying) PumpReplay(*session);
  }
}

void Shard::PumpReplay(ClientSession& session) {
  batch_.Clear();
  uint64_t got_to = std::max(session.replay_from_, session.replay_at_);
  if (session.replay_at_ != 0 ? session.replay_at_ < ring_.first() : got_to + 1 < ring_.first()) {
    // The ring has overtaken it. Closed, it comes back and learns of the gap.
    return Close(session, {.code = Code::kSlowConsumer});
  }
  bool done = CollectReplay(session);
  bool added = batch_.size() > 0;
  if (added) {
    if (!batch_.Seal(clock_.WallMs())) {
      ++signing_failures_;
      return Close(session, {.code = Code::kUnavailable});
    }
    ++stats_.batches_signed;
    stats_.events_replayed += batch_.size();
    uint64_t now_ms = clock_.MonoMs();
    for (size_t i = 0; i < batch_.size(); ++i)
      Enqueue(session, batch_.Frame(i, session.encoding_), now_ms);
    batch_.Clear();
  }
  if (done) return FinishReplay(session);
  // When nothing fitted, Drained() says when it may.
  bool room = session.queue_.bytes() * 2 <= config_.replay_chunk_bytes;
  if (session.queue_.empty() || (added && room)) MarkReplayReady(session);
}

bool Shard::CollectReplay(ClientSession& session) {
  const UserNode& user = *session.user();
  // 7.6: paced, also where the queue is smaller than a chunk.
  size_t bytes_max = std::min<size_t>(config_.replay_chunk_bytes, config_.queue_bytes_max / 2);
  size_t bytes = session.queue_.bytes();
  for (size_t looks = 0; looks < kReplayLooksMax; ++looks) {
    uint64_t next = session.replay_at_ != 0 ? ring_.NextOf(session.replay_at_)
                                            : ring_.FirstAfter(user.hash, session.replay_from_);
    if (next == 0 || next > delivered_) return true;
    if (batch_.size() >= config_.batch_size) return false;
    EntryView event = ring_.View(next);
    bool meant = event.user_id == user.id && session.IsMeantBy(event.device_session_id);
    size_t size = event.payload.size() + kFrameBytes;
    if (meant && bytes > 0 && bytes + size > bytes_max) return false;
    session.replay_at_ = next;
    if (!meant) continue;
    batch_.Add(event, EventBatch::Bit(session.encoding_));
    bytes += size;
  }
  return false;
}

void Shard::FinishReplay(ClientSession& session) {
  std::string_view head = Head();
  EnqueueFrame(session, head, CaughtUpFrame{head});
  session.state_ = SessionState::kLive;
}

void Shard::FlushTouched() {
  flush_early_ = false;
  std::vector<SlotRef> touched;
  touched.swap(touched_);
  for (size_t i = 0; i < touched.size(); ++i) {
    SlotRef who = touched[i];
    if (i + kFetchAhead < touched.size()) Fetch(slots_[touched[i + kFetchAhead].slot].session);
    ClientSession* session = At(who);
    if (session == nullptr) continue;
    session->touched_ = false;
    session->transport_.Flush();
    session = At(who);  // flushing may have ended it
    if (session == nullptr || session->queue_.empty()) continue;
    if (OverBound(*session)) {
      Close(*session, {.code = Code::kSlowConsumer, .retry_after_ms = config_.retry_after_ms});
    } else if (!session->behind_) {
      session->behind_ = true;
      behind_.push_back(who);
    }
  }
}

void Shard::Turn() {
  work_wanted_ = true;  // what comes up meanwhile is done below, or in the next turn
  CloseFoundRevoked();
  Commit();
  RetryWaiting();
  PumpReplays();
  FlushTouched();
  work_wanted_ = false;
  bool more =
      !replay_ready_.empty() || !found_revoked_.empty() || !touched_.empty() || !pending_.empty();
  if (more) WantWork(Soon::kNextTurn);
}

void Shard::WantWork(Soon soon) {
  if (work_wanted_) return;
  work_wanted_ = true;
  on_work_(soon);
}

}  // namespace galaxy::push
