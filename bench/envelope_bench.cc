// What one event costs on one core: signing by batch size, encoding, verifying; and a token.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "auth/jwt.h"
#include "auth/mint.h"
#include "envelope/encode.h"
#include "envelope/signed_event.h"
#include "envelope/signer.h"
#include "envelope/verifier.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kNowMs = 1'763'850'000'123;
constexpr std::string_view kIssuer = "https://push.example";

// An event as the game sends it: 170 bytes of payload, every field but request_id filled.
constexpr EventFields kEvent = {
    "0197a3c4-d210-7abc-8def-0123456789ab",
    "0197a3c4-d210-7abc-8def-0123456789ac",
    "game.turn.ready",
    "route-0197a3c4d210-42",
    "",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "0197a3c4d210002a-0197a3c4d210",
    R"({"game":"andromeda-7","turn":42,"deadline":"2025-11-22T22:20:00Z","fleets":[{"id":17,"at":"sol"},)"
    R"({"id":23,"at":"vega"}],"note":"Ход готов: 3 новых сражения"})"};

struct Setup {
  SigningKeys::Snapshot keys = SigningKeys::FromKeys({SigningKey::Generate(0)}).value();
  Signer signer{std::string(kIssuer), keys};
  std::vector<EventFields> Events(int64_t n) const {
    return std::vector<EventFields>(static_cast<size_t>(n), kEvent);
  }
};

void SignBatch(benchmark::State& state) {
  Setup setup;
  auto events = setup.Events(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(setup.signer.SignBatch(events, kNowMs));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(SignBatch)->Arg(1)->Arg(8)->Arg(64)->Arg(256);

template <auto Append>
void SignAndEncode(benchmark::State& state) {
  Setup setup;
  auto events = setup.Events(state.range(0));
  std::string out;
  for (auto _ : state) {
    const BatchProof* batch = setup.signer.SignBatch(events, kNowMs).value();
    out.clear();
    for (uint32_t i = 0; i < batch->size(); ++i) Append(out, kIssuer, events[i], batch->Of(i));
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["bytes_per_event"] =
      static_cast<double>(out.size()) / static_cast<double>(state.range(0));
}
BENCHMARK(SignAndEncode<AppendJsonEventFrame>)->Name("SignAndEncodeJson")->Arg(64);
BENCHMARK(SignAndEncode<AppendProtoEventFrame>)->Name("SignAndEncodeProto")->Arg(64);

void LeafHashOnly(benchmark::State& state) {
  Salt salt{};
  for (auto _ : state) benchmark::DoNotOptimize(LeafHash(kEvent, kIssuer, salt));
}
BENCHMARK(LeafHashOnly);

void BuildTree(benchmark::State& state) {
  std::vector<Hash> leaves(64, Sha256Of("leaf"));
  MerkleTree tree;
  for (auto _ : state) {
    tree.Build(leaves);
    benchmark::DoNotOptimize(tree.root());
  }
  state.SetItemsProcessed(state.iterations() * 64);
}
BENCHMARK(BuildTree);

void ParseAndVerifyJson(benchmark::State& state) {
  Setup setup;
  auto events = setup.Events(64);
  const BatchProof* batch = setup.signer.SignBatch(events, kNowMs).value();
  std::vector<std::string> lines(64);
  for (uint32_t i = 0; i < 64; ++i) AppendJsonEnvelope(lines[i], kIssuer, kEvent, batch->Of(i));
  auto trusted = PublicKeys::Parse(setup.keys->public_jwks()).value();
  for (auto _ : state) {
    Verifier verifier({std::string(kIssuer), "", ""}, trusted);
    for (const std::string& line : lines) {
      benchmark::DoNotOptimize(verifier.Verify(ParseJsonEnvelope(line).value(), {kNowMs, {}}));
    }
  }
  state.SetItemsProcessed(state.iterations() * 64);
}
BENCHMARK(ParseAndVerifyJson);

void VerifyToken(benchmark::State& state) {
  TokenKey key = TokenKey::Generate(static_cast<TokenAlg>(state.range(0)));
  TokenVerifierOptions options;
  options.issuers = {{"iss", "aud", Jwks::Parse(key.ToPublicJwks()).value()}};
  TokenVerifier verifier = TokenVerifier::Create(std::move(options)).value();
  uint64_t now_s = kNowMs / 1000;
  std::string token = MintToken({"iss", "aud", "u-1", "s-1", now_s, now_s + 600, {}}, key);
  for (auto _ : state) benchmark::DoNotOptimize(verifier.Verify(token, kNowMs));
  state.SetLabel(std::string(TokenAlgName(key.alg())));
}
BENCHMARK(VerifyToken)->DenseRange(0, 3);

}  // namespace
}  // namespace galaxy::push
