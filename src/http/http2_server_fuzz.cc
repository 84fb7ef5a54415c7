// Feeds any bytes, after the preface and SETTINGS, to an HTTP/2 server connection whose handlers do
// what the request's path says. Nothing may crash or leak, every exchange that was handed out ends
// exactly once, and nothing is pulled beyond what was allowed. The first byte chooses how the input
// is cut.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "http/http2_test_peer.h"
#include "http/server_connection.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

struct Http2FuzzCounts {
  int begun = 0;
  int destroyed = 0;
};

class Http2FuzzHandler final : public ExchangeHandler, public BodySource {
 public:
  Http2FuzzHandler(Exchange& exchange, Http2FuzzCounts& counts)
      : exchange_(exchange), counts_(counts) {
    ++counts_.begun;
  }
  ~Http2FuzzHandler() override { ++counts_.destroyed; }
  void OnBody(std::string_view bytes) override {
    CHECK(!aborted_ && !ended_);
    exchange_.Consumed(bytes.size());
    left_ += bytes.size();
    exchange_.Wake();
    if (!bytes.empty() && bytes[0] == 'f') exchange_.Finish({{"x-end", "1"}});
    if (!bytes.empty() && bytes[0] == 'r') exchange_.Reset(2);
  }
  void OnBodyEnd() override {
    CHECK(!aborted_ && !ended_);
    ended_ = true;
    exchange_.Wake();
  }
  void OnAborted(const Error&) override {
    CHECK(!aborted_);
    aborted_ = true;
  }
  State Pull(size_t bytes_max, SliceList& out) override {
    CHECK(!aborted_ && bytes_max > 0);
    size_t size = std::min({bytes_max, left_, kBlock.size()});
    if (size > 0) out.push_back(Slice::Static(kBlock.substr(0, size)));
    left_ -= size;
    if (left_ > 0) return State::kMore;
    return ended_ ? State::kEnd : State::kWait;
  }

 private:
  static constexpr std::string_view kBlock = "0123456789abcdef0123456789abcdef";
  Exchange& exchange_;
  Http2FuzzCounts& counts_;
  size_t left_ = 0;
  bool ended_ = false;
  bool aborted_ = false;
};

class Http2FuzzServer final : public RequestHandler {
 public:
  explicit Http2FuzzServer(Http2FuzzCounts& counts) : counts_(counts) {}
  void OnRequest(Exchange& exchange) override {
    CHECK(exchange.open());
    const std::string& path = exchange.request().path;
    if (path == "/reset") return exchange.Reset(8);
    if (path == "/now") return exchange.Respond({}, "now");
    auto handler = std::make_unique<Http2FuzzHandler>(exchange, counts_);
    exchange.SendHead({}, handler.get());
    exchange.SetHandler(std::move(handler));
  }

 private:
  Http2FuzzCounts& counts_;
};

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  if (size == 0) return 0;
  size_t chunk = data[0] == 0 ? size : data[0];
  std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  FakeClock clock;
  Loop loop(clock);
  Http2FuzzCounts counts;
  Http2FuzzServer handler(counts);
  HttpLimits limits;
  HttpStats stats;
  int gone = 0;
  auto socket = std::make_shared<FakeSocket>();
  auto server =
      NewHttp2ServerConnection(loop, std::make_unique<FakeConnection>(socket),
                               std::string(h2::kPreface) + h2::Frame(h2::kSettings, 0, 0, ""),
                               limits, handler, stats, [&](ServerConnection*) { ++gone; });
  loop.Poll();
  while (!input.empty() && gone == 0 && socket->handler != nullptr) {
    std::string part(input.substr(0, chunk));
    input.remove_prefix(part.size());
    socket->handler->OnBytes(part);
    if (part.size() % 3 != 0) loop.Poll();
  }
  loop.Poll();
  clock.Advance(20'020);
  loop.Poll();
  server.reset();
  loop.Poll();
  CHECK(gone <= 1);
  CHECK(counts.begun == counts.destroyed);
  return 0;
}
