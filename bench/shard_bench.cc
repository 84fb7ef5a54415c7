// What a gateway spends on a delivery before the socket: sign, encode, queue, hand over.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "envelope/signer.h"
#include "event/wire.h"
#include "gateway/shard.h"

namespace galaxy::push {
namespace {

// A socket that takes everything.
class Sink final : public SessionTransport {
 public:
  explicit Sink(Shard& shard) : session(shard, *this, Encoding::kWebSocketJson, {}) {}
  void Flush() override {
    iovec buffers[64];
    while (size_t n = session.Peek(buffers)) {
      size_t bytes = 0;
      for (size_t i = 0; i < n; ++i) bytes += buffers[i].iov_len;
      taken += bytes;
      session.Consume(bytes);
    }
  }
  void End(const Farewell&) override {}
  void Reset(const Farewell&) override {}
  uint64_t taken = 0;
  ClientSession session;
};

struct Plane {
  Plane(size_t users, size_t sessions_each)
      : keys(SigningKeys::FromKeys({SigningKey::Generate(0)}).value()),
        shard(config, Signer("https://push.example", keys), Clock::Real(), [](Shard::Soon) {}) {
    shard.SetVouching(true);
    shard.ResetRing(Cursor{1, 1}.Format(), false);
    for (size_t u = 0; u < users; ++u) {
      for (size_t s = 0; s < sessions_each; ++s) {
        sinks.push_back(std::make_unique<Sink>(shard));
        ClientIdentity who{.user_id = User(u), .session_id = "s" + std::to_string(s)};
        who.expires_ms = Clock::Real().WallMs() + 3'600'000;
        if (!shard.Admit(sinks.back()->session, who, "")) std::abort();
      }
    }
    shard.Turn();
  }
  ~Plane() { sinks.clear(); }
  static std::string User(size_t u) { return "user-" + std::to_string(u); }

  // As it comes from the backend.
  void Event(size_t user) {
    Cursor place{++sequence, Clock::Real().WallMs()};
    std::string cursor = place.Format();
    EntryView entry{.type = EntryType::kEvent,
                    .user_id = names[user],
                    .kind = "fleet.arrived",
                    .payload = payload,
                    .event_id = "0197a3c4-d210-7abc-8def-0123456789ab",
                    .cursor = cursor};
    framed.clear();
    AppendEntryVerbatim(entry, framed);
    shard.Append(EntryMessage(framed), *DecodePushEvent(EntryMessage(framed)), place, 0, true);
  }

  GatewayConfig config;
  SigningKeys::Snapshot keys;
  Shard shard;
  std::vector<std::unique_ptr<Sink>> sinks;
  std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (size_t u = 0; u < 10'000; ++u) all.push_back(User(u));
    return all;
  }();
  uint64_t sequence = 1;
  std::string payload = "{\"x\":\"" + std::string(248, 'x') + "\"}";
  std::string framed;
};

// Each event for one of 10,000 sessions; so many a turn.
void Unicast(benchmark::State& state) {
  Plane plane(10'000, 1);
  size_t user = 0;
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) plane.Event(user++ % 10'000);
    plane.shard.Turn();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Unicast)->Arg(1)->Arg(8)->Arg(64)->Arg(256);

// One user with 1,000 sessions.
void FanOut(benchmark::State& state) {
  Plane plane(1, 1'000);
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) plane.Event(0);
    plane.shard.Turn();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) * 1'000);
}
BENCHMARK(FanOut)->Arg(1)->Arg(8)->Arg(64);

}  // namespace
}  // namespace galaxy::push
