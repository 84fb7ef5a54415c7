// A client for servers in other languages (testdata/peer_server.py): runs one call of each kind and
// exits with 0 when all ended as they should.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "event/message_splitter.h"
#include "grpc/client.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

struct Answer final : GrpcClientHandler {
  explicit Answer(Loop& l) : loop(l) {}
  void OnMetadata(const Metadata& fields) override { metadata = fields; }
  void OnBytes(std::string_view bytes) override {
    splitter.Feed(bytes);
    std::string_view framed;
    while (*splitter.Next(framed)) {
      ++count;
      last = framed.substr(kGrpcPrefixBytes);
    }
  }
  void OnEnd(const GrpcEnd& e) override {
    end = e;
    loop.Stop();
  }
  Loop& loop;
  MessageSplitter splitter;
  Metadata metadata;
  GrpcEnd end;
  std::string last;
  size_t count = 0;
};

struct Expected {
  const char* method;
  std::string message;
  uint64_t deadline_ms;
  GrpcStatus status;
  size_t count;
  std::string last;
};

bool Run(Loop& loop, GrpcChannel& channel, const Expected& expected) {
  Answer answer(loop);
  auto call = channel.Start(std::string("/test.Echo/") + expected.method, {{"x-ask", "hello"}},
                            expected.deadline_ms, answer);
  call->Write(expected.message);
  call->HalfClose();
  loop.Run();
  bool ok = answer.end.status == expected.status && answer.count == expected.count &&
            answer.last == expected.last;
  std::printf("%s %s: status %d, \"%s\", %zu messages\n", ok ? "ok  " : "FAIL", expected.method,
              static_cast<int>(answer.end.status), answer.end.message.c_str(), answer.count);
  return ok;
}

}  // namespace
}  // namespace galaxy::push

int main(int argc, char** argv) {
  using namespace galaxy::push;
  Loop loop;
  auto port = static_cast<uint16_t>(std::atoi(argc > 1 ? argv[1] : "0"));
  auto channel = GrpcChannel::New(loop, {"127.0.0.1", port}, {});
  const std::string large(2'000'000, 'x');
  bool ok = true;
  for (const Expected& expected : {
           Expected{"Unary", "hi", 0, GrpcStatus::kOk, 1, "hi"},
           Expected{"Unary", large, 0, GrpcStatus::kOk, 1, large},
           Expected{"Stream", "20000 328", 0, GrpcStatus::kOk, 20000, std::string(328, 'e')},
           Expected{"Fail", "x", 0, GrpcStatus::kFailedPrecondition, 0, ""},
           Expected{"Hang", "x", 300, GrpcStatus::kDeadlineExceeded, 0, ""},
           Expected{"Nothing", "x", 0, GrpcStatus::kUnimplemented, 0, ""},
       }) {
    ok = Run(loop, *channel, expected) && ok;
  }
  return ok ? 0 : 1;
}
