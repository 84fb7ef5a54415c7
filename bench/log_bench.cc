// What an entry costs on its way through the log, without the network: prepare (publisher's
// thread), commit (log thread, memory engine), read (push), split and decode (gateway).
// Times are CPU times per entry of 352 bytes.

#include <benchmark/benchmark.h>

#include <string>

#include "event/message_splitter.h"
#include "event/wire.h"
#include "log/local_log.h"
#include "log/memory_engine.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kNowMs = 1'763'850'000'000;
constexpr size_t kBatchEntries = 1000;

LogBatch MakeBatch(const Log& log, uint64_t& number) {
  static const std::string payload = "{\"text\":\"" + std::string(145, 'x') + "\"}";
  LogBatch batch(log.hasher());
  for (size_t i = 0; i < kBatchEntries; ++i) {
    std::string id = std::to_string(++number);
    id.resize(36, '-');
    batch.AddEvent({.type = EntryType::kEvent,
                    .user_id = "user-123456",
                    .device_session_id = "0198c7e2-7c11-7d31-8d6b-1a2b3c4d5e6f",
                    .kind = "fleet.arrived",
                    .payload = payload,
                    .event_id = id,
                    .request_id = "req-12345678",
                    .trace_id = "0af7651916cd43dd8448eb211c80319c"});
  }
  return batch;
}

std::unique_ptr<LocalLog> OpenLog() {
  Log::Options options{.dedupe_keys_max = 1'000'000};
  return std::move(*LocalLog::Open(options, std::make_unique<MemoryEngine>(), kNowMs));
}

void Prepare(benchmark::State& state) {
  auto log = OpenLog();
  uint64_t number = 0;
  for (auto _ : state) benchmark::DoNotOptimize(MakeBatch(*log, number));
  state.SetItemsProcessed(static_cast<int64_t>(number));
}
BENCHMARK(Prepare);

void Commit(benchmark::State& state) {
  auto log = OpenLog();
  uint64_t number = 0;
  for (auto _ : state) {
    state.PauseTiming();
    LogBatch batch = MakeBatch(*log, number);
    state.ResumeTiming();
    if (!log->Submit(std::move(batch), [](auto) {})) state.SkipWithError("refused");
    log->CommitOnce(kNowMs);
  }
  state.SetItemsProcessed(static_cast<int64_t>(number));
}
BENCHMARK(Commit);

void FillRing(LocalLog& log, uint64_t entries) {
  for (uint64_t number = 0; number < entries;) {
    if (!log.Submit(MakeBatch(log, number), [](auto) {})) return;
    log.CommitOnce(kNowMs);
  }
}

void Read(benchmark::State& state) {
  auto log = OpenLog();
  FillRing(*log, 300'000);
  int64_t entries = 0;
  for (auto _ : state) {
    Ring::Position position = log->ring().Begin();
    for (;;) {
      Ring::Chunk chunk = log->ring().Read(position, 64 * 1024);
      if (chunk.state != Ring::State::kData) break;
      entries += chunk.entries;
    }
  }
  state.SetItemsProcessed(entries);
}
BENCHMARK(Read);

void SplitAndDecode(benchmark::State& state) {
  auto log = OpenLog();
  FillRing(*log, 300'000);
  int64_t entries = 0;
  for (auto _ : state) {
    Ring::Position position = log->ring().Begin();
    MessageSplitter splitter;
    std::string_view framed;
    for (;;) {
      Ring::Chunk chunk = log->ring().Read(position, 64 * 1024);
      if (chunk.state != Ring::State::kData) break;
      splitter.Feed(chunk.bytes.bytes);
      while (*splitter.Next(framed)) {
        auto view = DecodePushEvent(EntryMessage(framed));
        benchmark::DoNotOptimize(Cursor::Parse(view->cursor));
        ++entries;
      }
    }
  }
  state.SetItemsProcessed(entries);
}
BENCHMARK(SplitAndDecode);

void Find(benchmark::State& state) {
  auto log = OpenLog();
  FillRing(*log, 700'000);
  uint64_t start = log->ring().log_start().sequence;
  uint64_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(log->ring().Find({start + 1 + ++i * 7919 % 700'000, kNowMs}));
  }
}
BENCHMARK(Find);

}  // namespace
}  // namespace galaxy::push
