// The contract stream's transport: framed messages from one shared block, through the server's
// WriteFrom(), a loopback socket and GrpcChannel, split on arrival. Both ends on this thread.
//
//   grpc_stream_bench [messages] [bytes each]
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "event/message_splitter.h"
#include "grpc/client.h"
#include "grpc/test_services.h"
#include "http/http2_test_server.h"

namespace galaxy::push {
namespace {

struct Counter final : GrpcClientHandler {
  void OnMetadata(const Metadata&) override {}
  void OnBytes(std::string_view bytes) override {
    splitter.Feed(bytes);
    std::string_view framed;
    while (*splitter.Next(framed)) ++messages;
  }
  void OnEnd(const GrpcEnd&) override { ended = true; }
  MessageSplitter splitter;
  uint64_t messages = 0;
  bool ended = false;
};

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void Measure(const char* count, const char* bytes) {
  Loop loop;
  GrpcRouter router(nullptr, {});
  TestServices services;
  services.AddTo(router);
  Http2TestServer server(loop, router);
  auto channel = GrpcChannel::New(loop, server.address(), {});
  Counter counter;
  auto call = channel->Start("/test.Echo/Stream", {}, 0, counter);
  call->Write(std::string(count) + " " + bytes);
  double cpu = CpuSeconds();
  auto start = std::chrono::steady_clock::now();
  while (!counter.ended) loop.Poll();
  double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  cpu = CpuSeconds() - cpu;
  double messages = static_cast<double>(counter.messages);
  std::printf("%.0f messages of %s bytes: %.2f million/s, %.3f us CPU each, both ends\n", messages,
              bytes, messages / wall / 1e6, cpu * 1e6 / messages);
}

}  // namespace
}  // namespace galaxy::push

int main(int argc, char** argv) {
  galaxy::push::Measure(argc > 1 ? argv[1] : "10000000", argc > 2 ? argv[2] : "328");
}
