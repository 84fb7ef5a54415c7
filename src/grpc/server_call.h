#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "event/message_splitter.h"
#include "grpc/server.h"
#include "net/loop.h"

namespace galaxy::push {

// GrpcServerCall over one exchange. Private to grpc/; GrpcRouter makes it.
//
//   Write() --> written_ --.
//                           Pull() --> exchange --> DATA
//   WriteFrom() source ----'
//
// Request messages that arrive while the handler has paused are kept whole in held_; their bytes
// are credited to the client's window only once they are handed over, so held_ is at most one
// window (and the message that was being received).
class ServerCall final : public GrpcServerCall, public BodySource {
 public:
  ServerCall(Exchange& exchange, size_t message_bytes_max);

  // Creates the handler and arms the deadline.
  void Begin(const GrpcMethod& method);
  // Ends the call for a reason that its handler is told: nothing queued is sent any more.
  void Terminate(const Error& error, Metadata trailers = {});

  // From the exchange.
  void OnBody(std::string_view bytes);
  void OnBodyEnd();
  void OnAborted(const Error& error);
  void OnProgress();
  void ExchangeGone();

  // GrpcServerCall
  bool open() const override { return !finished_; }
  Loop& loop() override { return loop_; }
  const Metadata& metadata() const override;
  std::string_view path() const override { return path_; }
  std::string_view peer_host() const override { return peer_host_; }
  const TlsPeer* tls_peer() const override { return tls_peer_.get(); }
  void SendMetadata(Metadata metadata) override;
  void Write(std::string_view message) override;
  void WriteFrom(BodySource* source) override;
  void Wake() override;
  using GrpcServerCall::Finish;
  void Finish(GrpcStatus status, std::string_view message, Metadata trailers) override;
  size_t QueuedBytes() const override;
  void PauseMessages() override { paused_ = true; }
  void ResumeMessages() override;

  // BodySource
  State Pull(size_t bytes_max, SliceList& out) override;

 private:
  size_t WrittenBytes() const { return written_.size() + ready_.size(); }
  bool TakeMessages(std::string_view bytes);
  void DeliverHeld();
  void DeliverHalfClose();
  void Credit(size_t bytes);
  void MessageFailed(const Error& error);
  void WaitForMessage();

  Loop& loop_;
  Exchange* exchange_;  // null once it ended
  std::unique_ptr<GrpcCallHandler> handler_;
  const std::string path_, peer_host_;
  const std::shared_ptr<const TlsPeer> tls_peer_;
  MessageSplitter splitter_;
  Timer deadline_;
  Timer message_timer_;  // for the first message, or the rest of one
  bool first_seen_ = false;

  std::string held_;
  size_t uncredited_ = 0;
  bool paused_ = false;
  bool delivering_ = false;
  bool half_closed_ = false;

  std::string written_;  // collects small messages
  Slice ready_;          // what is left of a batch that is being pulled
  BodySource* source_ = nullptr;
  std::optional<Metadata> end_;  // trailers that wait for what was written
  bool head_sent_ = false;
  bool finished_ = false;
};

// A response that ends before any metadata: HTTP 200 and the status in the head.
void RespondStatus(Exchange& exchange, GrpcStatus status, std::string_view message,
                   const Metadata& trailers = {});

}  // namespace galaxy::push
