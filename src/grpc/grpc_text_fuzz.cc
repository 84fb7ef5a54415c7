// Feeds any bytes to the textual forms of gRPC: what is written reads back the same (a timeout
// never longer), and what is read can be written.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "grpc/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string encoded = EncodeGrpcMessage(text);
  for (char c : encoded) CHECK(c >= 0x20 && c <= 0x7e);
  CHECK(DecodeGrpcMessage(encoded) == text);
  CHECK(DecodeGrpcMessage(text).size() <= size);
  CHECK(DecodeBinaryMetadata(EncodeBinaryMetadata(text)) == text);
  if (auto bytes = DecodeBinaryMetadata(text)) {
    CHECK(DecodeBinaryMetadata(EncodeBinaryMetadata(*bytes)) == bytes);
  }
  if (auto ms = ParseGrpcTimeout(text)) {
    auto again = ParseGrpcTimeout(FormatGrpcTimeout(*ms));
    CHECK(again && *again <= *ms);
  }
  GrpcStatus status = ParseGrpcStatus(text);
  CHECK(ParseGrpcStatus(std::to_string(static_cast<int>(status))) == status);
  (void)ClassifyContentType(text);
  return 0;
}
