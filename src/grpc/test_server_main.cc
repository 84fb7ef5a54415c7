// A server for peers in other languages: prints its port, serves until standard input ends.
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "grpc/health.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection.h"
#include "grpc/test_services.h"
#include "http/http2_test_server.h"

int main() {
  using namespace galaxy::push;
  Loop loop;
  GrpcRouter router(nullptr, {});
  TestServices services;
  services.AddTo(router);
  GrpcHealth health;
  health.AddTo(router);
  health.Set("test.Echo", GrpcHealth::Status::kServing);
  router.Add("/test.Echo/SetHealth", [&health](GrpcServerCall& call) {
    health.Set("test.Echo", GrpcHealth::Status::kNotServing);
    call.Finish(GrpcStatus::kOk, "");
    return nullptr;
  });
  GrpcReflection reflection;
  reflection.Add(*grpc::health::v1::HealthCheckRequest::descriptor()->file());
  reflection.AddTo(router);
  Http2TestServer server(loop, router);
  std::printf("%d\n", server.address().port);
  std::fflush(stdout);
  std::thread input([&loop, &server] {
    char byte = 0;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
      if (byte == 'd') loop.Post([&server] { server.Drain(); });
    }
    loop.Stop();
  });
  loop.Run();
  input.join();
}
