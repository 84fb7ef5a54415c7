// Feeds any bytes to an HTTP/2 client as what its server sends. Nothing may crash or leak, and
// every request ends exactly once, or not at all once it was cancelled.

#include "http/client_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  if (size < 1) return 0;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  HttpClientFuzz fuzz(HttpClient::NewHttp2, input);
  fuzz.End();
  return 0;
}
