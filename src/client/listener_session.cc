#include "client/listener_session.h"

#include <utility>

namespace galaxy::push {

void ListenerSession::BeginConnection() {
  welcome_.reset();
  bye_.reset();
  clock_offset_ms_.reset();
  skew_reported_ = false;
  held_.clear();
}

ListenerSession::Next ListenerSession::Fault(Error error) {
  fault_ = std::move(error);
  return Next::kFault;
}

ListenerSession::Next ListenerSession::OnFrame(Result<ReceivedFrame> frame, uint64_t wall_ms) {
  if (!frame) return Fault(frame.error());
  if (!held_.empty()) {
    held_.push_back(std::move(*frame));
    return Next::kNeedKeys;
  }
  Next next = Handle(*frame, wall_ms, false);
  if (next == Next::kNeedKeys) held_.push_back(std::move(*frame));
  return next;
}

ListenerSession::Next ListenerSession::SetKeys(PublicKeys::Snapshot keys, uint64_t wall_ms) {
  keys_ = std::move(keys);
  if (verifier_) verifier_->SetKeys(keys_);
  while (!held_.empty()) {
    Next next = Handle(held_.front(), wall_ms, true);
    held_.pop_front();
    if (next != Next::kGoOn) return next;
  }
  return Next::kGoOn;
}

ListenerSession::Next ListenerSession::Handle(const ReceivedFrame& frame, uint64_t wall_ms,
                                              bool keys_are_fresh) {
  const auto& content = frame.content;
  if (auto* welcome = std::get_if<ReceivedFrame::Welcome>(&content))
    return HandleWelcome(*welcome, wall_ms);
  if (auto* bye = std::get_if<ReceivedFrame::Bye>(&content)) {
    bye_ = *bye;
    return Next::kEnded;
  }
  if (std::holds_alternative<ReceivedFrame::Unknown>(content)) return Next::kGoOn;
  if (!welcome_) return Fault({Code::kInvalidArgument, "a frame came before the welcome", {}});

  if (auto* event = std::get_if<SignedEvent>(&content))
    return HandleEvent(*event, wall_ms, keys_are_fresh);
  if (auto* gap = std::get_if<ReceivedFrame::Gap>(&content))
    return HandleGap(gap->reason, gap->head, gap->spread_ms);
  if (auto* position = std::get_if<ReceivedFrame::Position>(&content)) {
    MoveCursor(position->cursor);
  } else if (auto* caught_up = std::get_if<ReceivedFrame::CaughtUp>(&content)) {
    MoveCursor(caught_up->cursor);
    handler_.OnCaughtUp();
  } else if (auto* refreshed = std::get_if<ReceivedFrame::Refreshed>(&content)) {
    token_expires_ms_ = refreshed->token_expires_ms;
  }
  return Next::kGoOn;
}

ListenerSession::Next ListenerSession::HandleWelcome(const ReceivedFrame::Welcome& welcome,
                                                     uint64_t wall_ms) {
  if (welcome_) return Fault({Code::kInvalidArgument, "a second welcome came", {}});
  welcome_ = welcome;
  token_expires_ms_ = welcome.token_expires_ms;
  if (welcome.now_ms != 0)
    clock_offset_ms_ = static_cast<int64_t>(wall_ms) - static_cast<int64_t>(welcome.now_ms);
  EnvelopeReceiver receiver{plane_, welcome.user, welcome.session};
  if (verifier_) {
    verifier_->SetReceiver(std::move(receiver));
  } else {
    verifier_.emplace(std::move(receiver), keys_);
  }
  handler_.OnWelcome(welcome);
  if (welcome.resume == "gap") return HandleGap(welcome.reason, welcome.head, 0);
  if (welcome.resume == "fresh") {
    duplicates_.Clear();
    MoveCursor(welcome.head);
  }
  return Next::kGoOn;
}

ListenerSession::Next ListenerSession::HandleEvent(const SignedEvent& event, uint64_t wall_ms,
                                                   bool keys_are_fresh) {
  VerifyResult result = verifier_->Verify(event, {wall_ms, clock_offset_ms_});
  if (result.outcome == VerifyOutcome::kUnknownKid && !keys_are_fresh) return Next::kNeedKeys;
  if (!result.ok()) {
    handler_.OnUnverified(event, result);
    return Next::kGoOn;
  }
  if (result.outcome == VerifyOutcome::kClockSkew && !skew_reported_) {
    skew_reported_ = true;
    handler_.OnClockSkew(clock_offset_ms_.value_or(result.age_ms));
  }
  if (!duplicates_.SeenBefore(event.cursor, event.event_id)) handler_.OnEvent(event);
  MoveCursor(event.cursor);
  return Next::kGoOn;
}

ListenerSession::Next ListenerSession::HandleGap(std::string_view reason, const std::string& head,
                                                 uint64_t spread_ms) {
  duplicates_.Clear();
  handler_.OnGap(reason, head, spread_ms);
  MoveCursor(head);
  return Next::kGoOn;
}

void ListenerSession::MoveCursor(const std::string& cursor) {
  if (cursor.empty() || cursor == cursor_) return;
  cursor_ = cursor;
  handler_.OnCursor(cursor_);
}

}  // namespace galaxy::push
