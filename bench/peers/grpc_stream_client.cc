// A gRPC C++ client of SubscribePush that counts. Prints one JSON object.
//
//   grpc_stream_client callback|sync HOST:PORT ENTRIES
//
// callback: a generic callback reactor that reads ByteBuffers and looks into none. sync: the plain
// way, typed messages. The count goes as cursor, which tells grpc_stream_server where to end.

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include "galaxy/backend/push/v1/push.grpc.pb.h"

namespace {

using galaxy::backend::push::v1::GatewaySubscribeRequest;
using galaxy::backend::push::v1::Push;
using galaxy::backend::push::v1::PushEvent;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

class RawReader final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  RawReader(grpc::GenericStub& stub, const GatewaySubscribeRequest& request) {
    grpc::Slice slice(request.SerializeAsString());
    request_ = grpc::ByteBuffer(&slice, 1);
    stub.PrepareBidiStreamingCall(&context_, "/galaxy.backend.push.v1.Push/SubscribePush", {},
                                  this);
    StartWriteLast(&request_, {});
    StartRead(&message_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    ++entries;
    bytes += message_.Length();
    StartRead(&message_);
  }
  void OnDone(const grpc::Status&) override {
    std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_one();
  }
  void Await() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }
  uint64_t entries = 0, bytes = 0;

 private:
  grpc::ClientContext context_;
  grpc::ByteBuffer request_, message_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "grpc_stream_client callback|sync HOST:PORT ENTRIES\n");
    return 2;
  }
  uint64_t wanted = std::strtoull(argv[3], nullptr, 10);
  GatewaySubscribeRequest request;
  request.set_gateway_client_id("peer");
  request.set_cursor(argv[3]);
  auto channel = grpc::CreateChannel(argv[2], grpc::InsecureChannelCredentials());
  channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10));
  auto begin = std::chrono::steady_clock::now();
  double cpu_begin = CpuSeconds();
  uint64_t entries = 0, bytes = 0;
  if (std::strcmp(argv[1], "sync") == 0) {
    grpc::ClientContext context;
    auto reader = Push::NewStub(channel)->SubscribePush(&context, request);
    PushEvent event;
    while (reader->Read(&event)) {
      ++entries;
      bytes += event.client_event().payload().size();
    }
    reader->Finish();
  } else {
    grpc::GenericStub stub(channel);
    RawReader reader(stub, request);
    reader.Await();
    entries = reader.entries;
    bytes = reader.bytes;
  }
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("{\"entries\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n",
              static_cast<unsigned long long>(entries), static_cast<unsigned long long>(bytes),
              seconds, CpuSeconds() - cpu_begin);
  return entries == wanted ? 0 : 1;
}
