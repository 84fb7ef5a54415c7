// Feeds any bytes to a gRPC channel as what its server sends over HTTP/2. Each call ends exactly
// once, and hears nothing after its end. The first byte says how the input is cut.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/check.h"
#include "grpc/client.h"
#include "http/http2_test_peer.h"
#include "net/fake_network.h"

namespace galaxy::push {
namespace {

struct FuzzedCall final : GrpcClientHandler {
  void OnMetadata(const Metadata&) override {
    CHECK(!ended && !metadata);
    metadata = true;
  }
  void OnBytes(std::string_view) override { CHECK(!ended && metadata); }
  void OnEnd(const GrpcEnd& end) override {
    CHECK(!ended);
    CHECK(end.status != GrpcStatus::kOk || end.from_server);
    ended = true;
  }
  bool metadata = false, ended = false;
};

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  if (size < 1) return 0;
  size_t chunk = data[0] == 0 ? size : data[0];
  std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  FakeClock clock;
  auto socket = std::make_shared<FakeSocket>();
  FakeNetwork network([&] { return std::make_unique<FakeConnection>(socket); });
  Loop loop(clock, &network);
  auto channel = GrpcChannel::New(loop, {"server", 80}, {});
  FuzzedCall handlers[2];
  std::unique_ptr<GrpcClientCall> calls[2];
  for (int i = 0; i < 2; ++i) {
    calls[i] = channel->Start("/p.S/M", {{"k-bin", "AAE"}}, i == 0 ? 0 : 1000, handlers[i]);
    calls[i]->Write("message");
    if (i == 0) calls[i]->HalfClose();
  }
  loop.Poll();
  while (!input.empty() && socket->handler != nullptr && !socket->closed && !socket->reset) {
    std::string part(input.substr(0, chunk));
    input.remove_prefix(part.size());
    socket->handler->OnBytes(part);
    loop.Poll();
  }
  clock.Advance(1'010);  // the deadline of the second
  loop.Poll();
  if (socket->handler != nullptr) socket->handler->OnClosed({Code::kUnavailable, "gone", {}});
  loop.Poll();
  for (auto& handler : handlers) CHECK(handler.ended);
  for (auto& call : calls) call.reset();
  channel.reset();
  loop.Poll();
  return 0;
}
