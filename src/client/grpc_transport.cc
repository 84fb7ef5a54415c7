#include <utility>

#include "client/listener_transport.h"
#include "event/message_splitter.h"
#include "event/wire.h"
#include "galaxy/gateway/v1/edge.pb.h"
#include "grpc/client.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

constexpr std::string_view kPath = "/galaxy.gateway.v1.Edge/Subscribe";

// One Subscribe call on a channel of its own.
class GrpcTransport final : public ListenerTransport, GrpcClientHandler {
 public:
  GrpcTransport(Loop& loop, const Target& target, ListenerTransportHandler& handler)
      : handler_(handler), splitter_(kEnvelopeBytesMax) {
    HttpClientLimits limits;
    limits.connect_timeout_ms = target.timeout_ms;
    if (target.url.tls()) limits.socket.tls = target.tls;
    channel_ = GrpcChannel::New(loop, target.url.address, limits);
    timeout_ = loop.RunAfter(target.timeout_ms, [this] { Lost("no answer in time"); });
    call_ = channel_->Start(kPath, {{"authorization", "Bearer " + target.token}}, 0, *this);
    gateway::v1::SubscribeRequest request;
    request.set_cursor(target.cursor);
    call_->Write(request.SerializeAsString());
    call_->HalfClose();
  }

  void PauseReading() override { call_->PauseReading(); }
  void ResumeReading() override { call_->ResumeReading(); }

 private:
  void OnMetadata(const Metadata&) override {
    timeout_.Cancel();
    if (!over_) handler_.OnOpen();
  }
  void OnBytes(std::string_view bytes) override {
    if (over_) return;
    handler_.OnAlive();
    splitter_.Feed(bytes);
    std::string_view framed;
    for (;;) {
      Result<bool> more = splitter_.Next(framed);
      if (!more) {
        over_ = true;
        return handler_.OnFrame(std::unexpected(more.error()));
      }
      if (!*more) return;
      handler_.OnFrame(ReceivedFrame::ParseProto(EntryMessage(framed)));
    }
  }
  void OnEnd(const GrpcEnd& end) override { End(EndOfStatus(end)); }

  void Lost(std::string_view why) { End(EndOfClose(1006, why)); }
  void End(const ConnectionEnd& end) {
    if (std::exchange(over_, true)) return;
    timeout_.Cancel();
    handler_.OnEnd(end);
  }

  ListenerTransportHandler& handler_;
  MessageSplitter splitter_;
  Timer timeout_;
  bool over_ = false;
  std::unique_ptr<GrpcChannel> channel_;
  std::unique_ptr<GrpcClientCall> call_;  // last: its end stops the callbacks
};

}  // namespace

std::unique_ptr<ListenerTransport> ConnectGrpc(Loop& loop, const ListenerTransport::Target& target,
                                               ListenerTransportHandler& handler) {
  return std::make_unique<GrpcTransport>(loop, target, handler);
}

}  // namespace galaxy::push
