// Feeds lines of any bytes as frames of a gateway: to the parser, and to a client's session that
// knows a key nobody signs with. Nothing may be handed on as verified, and after its end or fault a
// session says so.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "client/listener_session.h"
#include "client/received_frame.h"
#include "envelope/keys.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kNowMs = 1'763'850'000'000;

struct NothingVerified final : ListenerHandler {
  void OnEvent(const SignedEvent&) override { CHECK(false); }
  void OnUnverified(const SignedEvent&, const VerifyResult& result) override {
    CHECK(!result.ok());
  }
  void OnGap(std::string_view, std::string_view, uint64_t) override {}
  void OnWelcome(const ReceivedFrame::Welcome& welcome) override {
    CHECK(welcome.resume == "fresh" || welcome.resume == "resumed" || welcome.resume == "gap");
  }
  void OnClockSkew(int64_t) override {}
  void OnCursor(std::string_view cursor) override { CHECK(!cursor.empty()); }
};

PublicKeys::Snapshot Keys() {
  auto keys = SigningKeys::FromKeys({SigningKey::Generate(0)}).value();
  return PublicKeys::Parse(keys->public_jwks()).value();
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  using Next = ListenerSession::Next;
  static const PublicKeys::Snapshot keys = Keys();
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  NothingVerified handler;
  ListenerSession session("plane", "", handler);
  CHECK(session.SetKeys(keys, kNowMs) == Next::kGoOn);
  session.BeginConnection();
  while (!rest.empty()) {
    size_t line = std::min(rest.find('\n'), rest.size());
    std::string_view text = rest.substr(0, line);
    rest.remove_prefix(std::min(line + 1, rest.size()));
    bool good = ReceivedFrame::Parse(text).has_value();
    Next next = session.OnFrame(text, kNowMs);
    if (next == Next::kNeedKeys) next = session.SetKeys(keys, kNowMs);
    CHECK(next != Next::kNeedKeys);
    CHECK(good || next == Next::kFault);
    if (next == Next::kEnded) CHECK(session.bye().has_value());
    if (next == Next::kFault) CHECK(!session.fault().message.empty());
    if (next != Next::kGoOn) break;
  }
  return 0;
}
