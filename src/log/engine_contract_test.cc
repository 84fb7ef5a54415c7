#include "log/engine_contract.h"

#include "log/fake_engine.h"
#include "log/memory_engine.h"

namespace galaxy::push {
namespace {

EngineOpen MemoryStore() {
  return [] { return std::make_unique<MemoryEngine>(); };
}

EngineOpen FakeStore() {
  auto disk = std::make_shared<FakeDisk>();
  return [disk] { return std::make_unique<FakeEngine>(*disk); };
}

INSTANTIATE_TEST_SUITE_P(Engines, EngineContract,
                         testing::Values(EngineMaker{"memory", MemoryStore},
                                         EngineMaker{"fake", FakeStore}),
                         [](const auto& maker) { return maker.param.name; });

}  // namespace
}  // namespace galaxy::push
