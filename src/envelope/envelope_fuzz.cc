// libFuzzer target: whatever the bytes, parsing an envelope or a key file ends in a value or an
// error, and nothing verifies that was not signed.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/ids.h"
#include "envelope/encode.h"
#include "envelope/signed_event.h"
#include "envelope/strict_json.h"
#include "envelope/verifier.h"

namespace galaxy::push {
namespace {

void Try(const Result<SignedEvent>& event) {
  static const SigningKeys::Snapshot keys =
      SigningKeys::FromKeys({SigningKey::Generate(0)}).value();
  static Verifier verifier({}, PublicKeys::Parse(keys->public_jwks()).value());
  if (!event) {
    CHECK(!event.error().message.empty());
    return;
  }
  CHECK(!verifier.Verify(*event, {event->proof.signed_at_ms, {}}).ok());
}

// What the escaper writes, another parser reads back.
void TryEscaper(std::string_view text) {
  if (!IsValidUtf8(text)) return;
  std::string out;
  AppendJsonString(out, text);
  CHECK(nlohmann::json::parse(out).get<std::string>() == text);
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Try(ParseJsonEnvelope(bytes));
  Try(ParseJsonEventFrame(bytes));
  Try(ParseProtoEnvelope(bytes));
  TryEscaper(bytes);
  (void)SigningKeys::Parse(bytes);
  (void)PublicKeys::Parse(bytes);
  return 0;
}
