// Feeds any bytes as the PEM files of a TLS server: certificate, key and CA at once. They load or
// they are refused with the file's name.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/fuzz_file.h"
#include "crypto/tls.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  static const FuzzFile file;
  file.Set(std::string_view(reinterpret_cast<const char*>(data), size));
  TlsOptions options{.certificate_file = file.path(), .key_file = file.path()};
  auto server = TlsContext::Server(options);
  CHECK(server || server.error().message.find(file.path()) != std::string::npos);
  auto client = TlsContext::Client({.ca_file = file.path()});
  CHECK(client || client.error().message.find(file.path()) != std::string::npos);
  return 0;
}
