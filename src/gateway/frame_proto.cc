// The frames as galaxy.gateway.v1.Frame. Events do not come by here: AppendProtoEventFrame() writes
// them without message objects.
#include <algorithm>
#include <cstdint>

#include "galaxy/gateway/v1/edge.pb.h"
#include "gateway/frame.h"

namespace galaxy::push {
namespace {

namespace pb = ::galaxy::gateway::v1;

uint32_t Millis(uint64_t ms) { return static_cast<uint32_t>(std::min<uint64_t>(ms, ~uint32_t{0})); }

void Fill(const WelcomeFrame& frame, pb::Frame& out) {
  pb::Welcome& welcome = *out.mutable_welcome();
  welcome.set_session(std::string(frame.session));
  welcome.set_user(std::string(frame.user));
  welcome.set_resume(std::string(WelcomeResumeName(frame.resume)));
  if (frame.resume == WelcomeResume::kGap) welcome.set_reason(std::string(frame.reason));
  welcome.set_head(std::string(frame.head));
  welcome.set_heartbeat_ms(Millis(frame.heartbeat_ms));
  welcome.set_now_ms(frame.now_ms);
  welcome.set_token_expires_ms(frame.token_expires_ms);
}

void Fill(const CaughtUpFrame& frame, pb::Frame& out) {
  out.mutable_caught_up()->set_cursor(std::string(frame.cursor));
}

void Fill(const PositionFrame& frame, pb::Frame& out) {
  out.mutable_position()->set_cursor(std::string(frame.cursor));
}

void Fill(const GapFrame& frame, pb::Frame& out) {
  pb::Gap& gap = *out.mutable_gap();
  gap.set_reason(std::string(frame.reason));
  gap.set_head(std::string(frame.head));
  gap.set_spread_ms(Millis(frame.spread_ms));
}

void Fill(const RefreshedFrame& frame, pb::Frame& out) {
  out.mutable_refreshed()->set_token_expires_ms(frame.token_expires_ms);
}

void Fill(const Farewell& frame, pb::Frame& out) {
  const CodeInfo& info = Describe(frame.code);
  pb::Bye& bye = *out.mutable_bye();
  bye.set_code(info.close_code);
  bye.set_reason(std::string(frame.reason_text()));
  bye.set_verdict(std::string(VerdictName(info.verdict)));
  if (info.verdict == Verdict::kResume) bye.set_retry_after_ms(Millis(frame.retry_after_ms));
  bye.set_url(frame.url);
}

}  // namespace

std::string FrameProto(const ControlFrame& frame) {
  pb::Frame out;
  std::visit([&](const auto& one) { Fill(one, out); }, frame);
  return out.SerializeAsString();
}

}  // namespace galaxy::push
