#include "backend/resume.h"

#include "base/ids.h"

namespace galaxy::push {
namespace {

std::string_view GapReason(Ring::Match match) {
  switch (match) {
    case Ring::Match::kEvicted:
      return "evicted";
    case Ring::Match::kFuture:
      return "future";
    default:
      return "unknown";
  }
}

// Start and head are the same entry, read at once.
void StartAtHead(const Ring& ring, ResumeDecision& decision) {
  decision.position = ring.End();
  decision.start = decision.head = decision.position.after();
}

// 4.2, 4.4: nothing was replayed, so the retained invalidations stand in for what was missed.
// Where the cursor's place in this log is known, those after it are all there is to know.
void DecideGap(const Ring& ring, std::string_view reason, std::optional<Cursor> place,
               ResumeDecision& decision) {
  decision.resume = Resume::kGap;
  decision.reason = reason;
  decision.invalidations_complete = place.has_value();
  decision.retained_first = true;
  decision.retained_after = place.value_or(Cursor{});
  StartAtHead(ring, decision);
}

void DecideByCursor(const Ring& ring, std::string_view text, ResumeDecision& decision) {
  Result<Cursor> cursor = Cursor::Parse(text);
  if (!cursor) return DecideGap(ring, "malformed", std::nullopt, decision);
  Ring::Found found = ring.Find(*cursor);
  if (found.match != Ring::Match::kFound) {
    std::optional<Cursor> place;
    if (found.match == Ring::Match::kEvicted) place = *cursor;
    return DecideGap(ring, GapReason(found.match), place, decision);
  }
  decision.resume = Resume::kResumed;
  decision.start = *cursor;
  decision.position = std::move(found.position);
  decision.head = ring.head();
}

// 4.10: only ever back. The head stays what it was.
void MoveBackTo(const Ring& ring, uint64_t since_ms, ResumeDecision& decision) {
  Ring::Position since = ring.FindSince(since_ms);
  if (!(since.after() < decision.start)) return;
  decision.start = since.after();
  decision.position = std::move(since);
}

}  // namespace

std::string_view ResumeName(Resume resume) {
  switch (resume) {
    case Resume::kFresh:
      return "fresh";
    case Resume::kResumed:
      return "resumed";
    case Resume::kGap:
      return "gap";
  }
  return "";
}

Status CheckSubscribeRequest(const SubscribeRequest& request) {
  if (request.gateway_client_id.empty()) {
    return Fail(Code::kInvalidArgument, "gateway_client_id is empty", "gateway_client_id");
  }
  if (Status checked = CheckId("gateway_client_id", request.gateway_client_id); !checked) {
    return checked;
  }
  if (request.cursor.size() > kCursorBytesMax) {
    return Fail(Code::kInvalidArgument,
                "cursor has " + std::to_string(request.cursor.size()) + " bytes, the limit is " +
                    std::to_string(kCursorBytesMax),
                "cursor");
  }
  return {};
}

ResumeDecision DecideResume(const Ring& ring, const SubscribeRequest& request) {
  ResumeDecision decision{.partitions = request.partitions};
  if (request.cursor.empty()) {
    StartAtHead(ring, decision);
  } else {
    DecideByCursor(ring, request.cursor, decision);
  }
  if (request.since_ms) MoveBackTo(ring, *request.since_ms, decision);
  if (request.invalidations_all) {
    decision.retained_first = true;
    decision.retained_after = Cursor{};
  }
  return decision;
}

}  // namespace galaxy::push
