#include "log/engine_contract.h"

#include "log/fake_engine.h"
#include "log/memory_engine.h"
#include "log/sqlite_engine.h"
#include "storage/test_folder.h"

namespace galaxy::push {
namespace {

EngineOpen MemoryStore() {
  return [] { return std::make_unique<MemoryEngine>(); };
}

EngineOpen FakeStore() {
  auto disk = std::make_shared<FakeDisk>();
  return [disk] { return std::make_unique<FakeEngine>(*disk); };
}

EngineOpen SqliteStore() {
  auto folder = std::make_shared<TestFolder>();
  return [folder] {
    return std::make_unique<SqliteEngine>(SqliteEngine::Options{.dir = folder->path()});
  };
}

INSTANTIATE_TEST_SUITE_P(Engines, EngineContract,
                         testing::Values(EngineMaker{"memory", MemoryStore},
                                         EngineMaker{"fake", FakeStore},
                                         EngineMaker{"sqlite", SqliteStore}),
                         [](const auto& maker) { return maker.param.name; });

}  // namespace
}  // namespace galaxy::push
