// Frames in their protobuf form.
#include "client/received_frame.h"
#include "galaxy/gateway/v1/edge.pb.h"

namespace galaxy::push {
namespace {

namespace pb = ::galaxy::gateway::v1;

Result<ReceivedFrame> Read(const pb::Welcome& from) {
  ReceivedFrame::Welcome frame{.session = from.session(),
                               .user = from.user(),
                               .resume = from.resume(),
                               .reason = from.reason(),
                               .head = from.head(),
                               .heartbeat_ms = from.heartbeat_ms(),
                               .now_ms = from.now_ms(),
                               .token_expires_ms = from.token_expires_ms()};
  if (auto good = frame.Check(); !good) return std::unexpected(good.error());
  return ReceivedFrame{std::move(frame)};
}

Result<ReceivedFrame> Read(const pb::SignedEvent& from) {
  Result<SignedEvent> event = FromProtoEnvelope(from);
  if (!event) return std::unexpected(event.error());
  return ReceivedFrame{std::move(*event)};
}

}  // namespace

Result<ReceivedFrame> ReceivedFrame::ParseProto(std::string_view bytes) {
  pb::Frame frame;
  if (bytes.size() > kEnvelopeBytesMax ||
      !frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Fail(Code::kInvalidArgument, "the frame is no galaxy.gateway.v1.Frame, or too large");
  }
  switch (frame.frame_case()) {
    case pb::Frame::kWelcome:
      return Read(frame.welcome());
    case pb::Frame::kEvent:
      return Read(frame.event());
    case pb::Frame::kCaughtUp:
      return ReceivedFrame{CaughtUp{frame.caught_up().cursor()}};
    case pb::Frame::kPosition:
      return ReceivedFrame{Position{frame.position().cursor()}};
    case pb::Frame::kGap:
      return ReceivedFrame{Gap{frame.gap().reason(), frame.gap().head(), frame.gap().spread_ms()}};
    case pb::Frame::kRefreshed:
      return ReceivedFrame{Refreshed{frame.refreshed().token_expires_ms()}};
    case pb::Frame::kBye:
      return ReceivedFrame{Bye{frame.bye().code(), frame.bye().reason(), frame.bye().verdict(),
                               frame.bye().retry_after_ms(), frame.bye().url()}};
    case pb::Frame::FRAME_NOT_SET:
      break;
  }
  return ReceivedFrame{Unknown{}};
}

std::string HelloProto(std::string_view token, std::string_view cursor) {
  pb::ClientFrame frame;
  frame.mutable_hello()->set_token(std::string(token));
  frame.mutable_hello()->set_cursor(std::string(cursor));
  return frame.SerializeAsString();
}

std::string RefreshProto(std::string_view token) {
  pb::ClientFrame frame;
  frame.mutable_refresh()->set_token(std::string(token));
  return frame.SerializeAsString();
}

}  // namespace galaxy::push
