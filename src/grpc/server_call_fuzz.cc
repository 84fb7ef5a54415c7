// Feeds any bytes as the body of a gRPC request, cut as the first byte says, through the router to
// a handler that pauses now and then. What the handler sees must be what a plain parser finds in
// the whole input; every byte of a stream without an error is credited.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "grpc/server.h"
#include "grpc/test_exchange.h"

namespace galaxy::push {
namespace {

constexpr size_t kFuzzMessageBytesMax = 300;

struct FuzzSeen {
  std::vector<std::string> messages;
  bool half_closed = false;
  int cancelled = 0;
  GrpcServerCall* call = nullptr;
};

class FuzzCall final : public GrpcCallHandler {
 public:
  explicit FuzzCall(FuzzSeen& seen) : seen_(seen) {}
  void OnMessage(std::string_view message) override {
    CHECK(!seen_.half_closed && seen_.cancelled == 0);
    seen_.messages.emplace_back(message);
    if (seen_.messages.size() % 3 == 0) seen_.call->PauseMessages();
  }
  void OnHalfClose() override { seen_.half_closed = true; }
  void OnCancelled(const Error&) override { ++seen_.cancelled; }

 private:
  FuzzSeen& seen_;
};

// The status the call must end with, "none" when it goes on.
std::string ParsePlainly(std::string_view body, std::vector<std::string>& messages) {
  while (body.size() >= 5) {
    size_t size = 0;
    for (int i = 1; i < 5; ++i) size = size << 8 | static_cast<unsigned char>(body[i]);
    if (body[0] == 1) return "12";
    if (body[0] != 0) return "13";
    if (size > kFuzzMessageBytesMax) return "8";
    if (body.size() - 5 < size) return "13";
    messages.emplace_back(body.substr(5, size));
    body.remove_prefix(5 + size);
  }
  return body.empty() ? "none" : "13";
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  if (size == 0) return 0;
  size_t chunk = data[0] == 0 ? size : data[0];
  std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  std::vector<std::string> expected;
  std::string status = ParsePlainly(body, expected);

  Loop loop;
  FuzzSeen seen;
  GrpcRouter router(nullptr, {.message_bytes_max = kFuzzMessageBytesMax});
  router.Add("/p.S/M", [&](GrpcServerCall& call) {
    seen.call = &call;
    return std::make_unique<FuzzCall>(seen);
  });
  RequestHead head;
  head.method = "POST";
  head.path = "/p.S/M";
  head.version = 20;
  head.headers = {{"content-type", "application/grpc"}};
  auto exchange = std::make_shared<FakeExchange>(loop, head);
  router.OnRequest(*exchange);
  for (std::string_view rest = body; !rest.empty();) {
    std::string part(rest.substr(0, chunk));
    rest.remove_prefix(part.size());
    exchange->handler->OnBody(part);
    if (part.size() % 2 == 0) seen.call->ResumeMessages();
  }
  exchange->handler->OnBodyEnd();
  for (size_t i = 0; i <= expected.size(); ++i) seen.call->ResumeMessages();

  CHECK(exchange->status() == status);
  CHECK(seen.half_closed == (status == "none"));
  CHECK(seen.cancelled == (status == "none" ? 0 : 1));
  if (status == "none") {
    CHECK(seen.messages == expected);
    CHECK(exchange->consumed == body.size());
  } else {  // a paused handler may not have seen them all before the error
    CHECK(seen.messages.size() <= expected.size());
    CHECK(std::equal(seen.messages.begin(), seen.messages.end(), expected.begin()));
  }
  exchange->handler.reset();
  return 0;
}
