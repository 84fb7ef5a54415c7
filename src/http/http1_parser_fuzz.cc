// Feeds any bytes to the HTTP/1.1 parsers, whole and cut in two: they must not crash, and where the
// cut is must not matter.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "http/http1_parser.h"

namespace galaxy::push {
namespace {

struct Outcome : Http1Parser::BodySink {
  void OnParsedBody(std::string_view bytes) override { body += bytes; }
  std::string body, head;
  bool refused = false, done = false;
};

void FeedAll(Http1Parser& parser, Outcome& outcome, std::string_view bytes, size_t cut) {
  std::string waiting;
  for (std::string_view piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
    waiting += piece;
    for (;;) {
      auto used = parser.Feed(waiting);
      if (!used) {
        outcome.refused = true;
        return;
      }
      CHECK(*used <= waiting.size());
      waiting.erase(0, *used);
      if (*used == 0) break;
    }
  }
  outcome.done = parser.done();
  if (!parser.done()) (void)parser.End();
}

void Run(Outcome& outcome, std::string_view bytes, size_t cut, bool request) {
  HttpLimits limits{.header_bytes_max = 512, .header_count_max = 8};
  auto parser = request ? Http1Parser::ForRequest(limits, outcome)
                        : Http1Parser::ForResponse(limits, outcome, false);
  FeedAll(*parser, outcome, bytes, cut);
  if (outcome.refused || !parser->head_done()) return;
  if (request) {
    RequestHead head = parser->TakeRequest();
    CHECK(!head.method.empty() && !head.path.empty());
    CHECK(head.headers.Count("content-length") == 0 ||
          head.headers.Count("transfer-encoding") == 0);
    outcome.head = head.method + " " + head.path + "?" + head.query + " " + head.authority;
  } else {
    outcome.head = std::to_string(parser->TakeResponse().status);
  }
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  if (size < 1) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  size_t cut = bytes.empty() ? 0 : data[0] % (bytes.size() + 1);
  for (bool request : {true, false}) {
    Outcome whole, halves;
    Run(whole, bytes, bytes.size(), request);
    Run(halves, bytes, cut, request);
    CHECK(whole.refused == halves.refused);
    CHECK(whole.done == halves.done);
    CHECK(whole.head == halves.head);
    if (!whole.refused) CHECK(whole.body == halves.body);
  }
  return 0;
}
