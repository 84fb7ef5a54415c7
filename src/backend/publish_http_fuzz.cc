// Feeds any bytes as a body to the endpoints that take JSON, forms and tokens: events,
// invalidations, logout tokens, security events. The first byte says to which, and in what pieces.
// Every request is answered exactly once, with a body that is JSON where it says so, and what is
// refused leaves the log as it was.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "auth/mint.h"
#include "backend/log_fixture.h"
#include "backend/publish_service.h"
#include "backend/revocation_http.h"
#include "base/check.h"
#include "envelope/strict_json.h"
#include "grpc/test_exchange.h"
#include "net/fake_network.h"

namespace galaxy::push {
namespace {

RevocationTokens NobodysTokens() {
  TokenKey key = TokenKey::Generate(TokenAlg::kEdDsa);  // its secret is gone at once
  return RevocationTokens::Create({.issuers = {{.issuer = "idp",
                                                .audience = "galaxy",
                                                .keys = *Jwks::Parse(key.ToPublicJwks())}}})
      .value();
}

struct BodiesFuzz {
  using Standard = RevocationEndpoints::Standard;
  static constexpr std::array<std::string_view, 6> kTypes = {"application/json",
                                                             "application/x-ndjson",
                                                             "application/json",
                                                             "application/x-ndjson",
                                                             "application/x-www-form-urlencoded",
                                                             "application/secevent+jwt"};

  void Start(size_t endpoint, Exchange& exchange) {
    if (endpoint < 2) return service.OnHttpEvents(exchange);
    if (endpoint < 4) return service.OnHttpInvalidations(exchange);
    revocations.OnRequest(exchange,
                          endpoint == 4 ? Standard::kBackChannelLogout : Standard::kSecurityEvent);
  }
  uint64_t entries() const { return fixture.log->Stats().entries; }

  FakeClock clock;
  FakeNetwork network;
  Loop loop{clock, &network};
  LogFixture fixture{Log::Options{.ring = {.bytes_max = 1 << 20}, .dedupe_keys_max = 1000}};
  PublishIntake intake{loop, *fixture.log};
  PublishService service{intake, clock, {}};
  RevocationTokens tokens = NobodysTokens();
  RevocationEndpoints revocations{intake, tokens, clock};
};

void CheckAnswer(const FakeExchange& exchange) {
  CHECK(exchange.responded && exchange.head.status >= 200 && exchange.head.status <= 599);
  std::string_view type = exchange.head.headers.Get("content-type").value_or("");
  if (type.ends_with("json") && !type.ends_with("ndjson")) {
    CHECK(nlohmann::json::accept(exchange.body));
  }
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  if (size < 1) return 0;
  static BodiesFuzz fuzz;
  const size_t endpoint = data[0] % BodiesFuzz::kTypes.size();
  const size_t chunk = std::max<size_t>(data[0] / BodiesFuzz::kTypes.size(), 1) * 8;
  std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  uint64_t before = fuzz.entries();
  RequestHead head{.method = "POST", .path = "/v1/bodies", .headers = {}};
  head.headers.Add("content-type", std::string(BodiesFuzz::kTypes[endpoint]));
  auto exchange = std::make_shared<FakeExchange>(fuzz.loop, std::move(head));
  fuzz.Start(endpoint, *exchange);
  while (!rest.empty() && exchange->handler != nullptr) {
    std::string part(rest.substr(0, chunk));
    rest.remove_prefix(part.size());
    exchange->handler->OnBody(part);
  }
  if (exchange->handler != nullptr) exchange->handler->OnBodyEnd();
  fuzz.loop.Poll();
  (void)fuzz.fixture.log->CommitOnce(fuzz.fixture.now_ms);
  fuzz.loop.Poll();
  CheckAnswer(*exchange);
  if (exchange->head.status >= 300) CHECK(fuzz.entries() == before);
  exchange->handler.reset();
  return 0;
}
