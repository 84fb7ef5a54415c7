#include "log/log_contract.h"

#include "log/fake_engine.h"
#include "log/fake_shared_stream.h"
#include "log/local_log.h"
#include "log/memory_engine.h"
#include "log/shared_log.h"
#include "log/sqlite_engine.h"
#include "storage/test_folder.h"

namespace galaxy::push {
namespace {

Result<std::unique_ptr<Log>> OpenLocal(const Log::Options& options,
                                       std::unique_ptr<Engine> engine) {
  auto log = LocalLog::Open(options, std::move(engine), Clock::Real().WallMs());
  if (!log) return std::unexpected(log.error());
  return std::unique_ptr<Log>(std::move(*log));
}

LogOpen MemoryStore() {
  return [](const Log::Options& options) {
    return OpenLocal(options, std::make_unique<MemoryEngine>());
  };
}

LogOpen FakeDiskStore() {
  auto disk = std::make_shared<FakeDisk>();
  return [disk](const Log::Options& options) {
    return OpenLocal(options, std::make_unique<FakeEngine>(*disk));
  };
}

LogOpen SqliteStore() {
  auto folder = std::make_shared<TestFolder>();
  return [folder](const Log::Options& options) {
    return OpenLocal(options,
                     std::make_unique<SqliteEngine>(SqliteEngine::Options{.dir = folder->path()}));
  };
}

LogOpen FakeStreamStore() {
  auto store = std::make_shared<FakeStore>();
  store->created_ms = store->now_ms = Clock::Real().WallMs();
  return [store](const Log::Options& options) -> Result<std::unique_ptr<Log>> {
    auto log =
        SharedLog::Open(options, {}, std::make_unique<FakeSharedStream>(*store), Clock::Real());
    if (!log) return std::unexpected(log.error());
    return std::unique_ptr<Log>(std::move(*log));
  };
}

INSTANTIATE_TEST_SUITE_P(Engines, LogContract,
                         testing::Values(LogMaker{"memory", false, MemoryStore},
                                         LogMaker{"fake", true, FakeDiskStore},
                                         LogMaker{"sqlite", true, SqliteStore},
                                         LogMaker{"fake_stream", true, FakeStreamStore}),
                         [](const auto& maker) { return maker.param.name; });

}  // namespace
}  // namespace galaxy::push
