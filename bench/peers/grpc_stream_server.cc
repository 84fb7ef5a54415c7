// The contract's SubscribePush as gRPC C++ serves it: the peer of the contract stream. Prints its
// port. The request's cursor says how many messages to send; then the stream ends.
//
//   grpc_stream_server callback|sync MESSAGE_BYTES
//
// callback: a callback reactor that writes one pre-encoded ByteBuffer again and again, the cheapest
// that the library offers. sync: the plain way, a typed message that is encoded for each write.

#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "galaxy/backend/push/v1/push.grpc.pb.h"

namespace {

using galaxy::backend::push::v1::GatewaySubscribeRequest;
using galaxy::backend::push::v1::Push;
using galaxy::backend::push::v1::PushEvent;

// As load_driver publishes it and a backend of ours sends it.
PushEvent EventOf(size_t bytes) {
  PushEvent event;
  event.set_cursor("0000000000000001-019aada78016");
  auto& client = *event.mutable_client_event();
  client.set_user_id("user-000042");
  client.set_kind("fleet.arrived");
  client.set_event_id("s00-0012345-000000042");
  client.set_payload(std::string(128, 'x'));
  client.set_payload(std::string(128 + bytes - event.ByteSizeLong(), 'x'));
  return event;
}

uint64_t Count(const std::string& cursor) { return std::strtoull(cursor.c_str(), nullptr, 10); }

class RawWriter final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  RawWriter(const grpc::ByteBuffer& message, uint64_t count) : message_(message), left_(count) {
    Next();
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    Next();
  }
  void OnDone() override { delete this; }

 private:
  void Next() {
    if (left_ == 0) return Finish(grpc::Status::OK);
    --left_;
    StartWrite(&message_);
  }
  const grpc::ByteBuffer message_;
  uint64_t left_;
};

class CallbackService final : public Push::WithRawCallbackMethod_SubscribePush<Push::Service> {
 public:
  explicit CallbackService(const PushEvent& event) {
    grpc::Slice slice(event.SerializeAsString());
    message_ = grpc::ByteBuffer(&slice, 1);
  }
  grpc::ServerWriteReactor<grpc::ByteBuffer>* SubscribePush(grpc::CallbackServerContext*,
                                                            const grpc::ByteBuffer* raw) override {
    GatewaySubscribeRequest request;
    grpc::ByteBuffer copy(*raw);
    if (!grpc::SerializationTraits<GatewaySubscribeRequest>::Deserialize(&copy, &request).ok())
      return nullptr;
    return new RawWriter(message_, Count(request.cursor()));
  }

 private:
  grpc::ByteBuffer message_;
};

class SyncService final : public Push::Service {
 public:
  explicit SyncService(PushEvent event) : event_(std::move(event)) {}
  grpc::Status SubscribePush(grpc::ServerContext*, const GatewaySubscribeRequest* request,
                             grpc::ServerWriter<PushEvent>* writer) override {
    for (uint64_t left = Count(request->cursor()); left > 0; --left) {
      if (!writer->Write(event_)) return grpc::Status::CANCELLED;
    }
    return grpc::Status::OK;
  }

 private:
  const PushEvent event_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "grpc_stream_server callback|sync MESSAGE_BYTES\n");
    return 2;
  }
  PushEvent event = EventOf(std::strtoull(argv[2], nullptr, 10));
  std::unique_ptr<grpc::Service> service;
  if (std::strcmp(argv[1], "sync") == 0)
    service = std::make_unique<SyncService>(event);
  else
    service = std::make_unique<CallbackService>(event);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(service.get());
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) return 1;
  std::printf("%d\n", port);
  std::fflush(stdout);
  server->Wait();
}
