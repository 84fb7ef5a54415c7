// Feeds any bytes as the file of --issuers. What is taken is what a verifier of tokens takes.

#include "auth/issuers_file.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  auto settings = ParseIssuers(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!settings) {
    CHECK(!settings.error().message.empty());
    return 0;
  }
  CHECK(!settings->empty() && settings->size() <= 64);
  for (const IssuerSetting& setting : *settings) CHECK(!setting.jwks.empty());
  CHECK(TokenVerifier::Create({.issuers = IssuersWithoutKeys(*settings)}));
  return 0;
}
