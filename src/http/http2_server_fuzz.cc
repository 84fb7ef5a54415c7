// Feeds any bytes, after the preface and SETTINGS, to an HTTP/2 server connection. The first byte
// chooses how the input is cut.

#include "http/server_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  static const HttpLimits limits;
  FuzzServerConnection(input, data[0] == 0 ? size : data[0],
                       [](Loop& loop, std::unique_ptr<Connection> connection,
                          RequestHandler& handler, HttpStats& stats, OnConnectionGone on_gone) {
                         return NewHttp2ServerConnection(
                             loop, std::move(connection),
                             std::string(h2::kPreface) + h2::Frame(h2::kSettings, 0, 0, ""), limits,
                             handler, stats, std::move(on_gone));
                       });
  return 0;
}
