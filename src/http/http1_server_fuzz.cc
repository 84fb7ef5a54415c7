// Feeds any bytes to an HTTP/1.1 server connection: requests one behind the other, bodies,
// upgrades. The first byte chooses how the input is cut.

#include "http/server_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  static const HttpLimits limits{.header_bytes_max = 512, .header_count_max = 8};
  FuzzServerConnection(input, data[0] == 0 ? size : data[0],
                       [](Loop& loop, std::unique_ptr<Connection> connection,
                          RequestHandler& handler, HttpStats& stats, OnConnectionGone on_gone) {
                         return NewHttp1ServerConnection(loop, std::move(connection), "", limits,
                                                         handler, stats, std::move(on_gone));
                       });
  return 0;
}
