#include "app/demo_traffic.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "app/demo_page.h"

namespace galaxy::push {
namespace {

TEST(DemoGame, EventsAreOfTheFourKindsWithTheirPayloads) {
  const std::map<std::string, std::vector<std::string>> members = {
      {"game.turn.ready", {"turn", "deadline_s"}},
      {"game.fleet.arrived", {"fleet", "system", "ships"}},
      {"game.battle.report", {"system", "opponent", "winner", "losses"}},
      {"game.chat.message", {"from", "text"}},
  };
  std::mt19937_64 random(7);
  DemoGame game(2000, [&] { return random(); });
  std::map<std::string, int> seen;
  for (int i = 0; i < 1000; ++i) {
    DemoEvent event = game.Next();
    ++seen[event.kind];
    ASSERT_TRUE(members.contains(event.kind));
    nlohmann::json payload = nlohmann::json::parse(event.payload);
    ASSERT_EQ(payload.size(), members.at(event.kind).size());
    for (const std::string& name : members.at(event.kind)) ASSERT_TRUE(payload.contains(name));
  }
  EXPECT_EQ(seen.size(), members.size());
}

TEST(DemoGame, SomeEventsAreForOneDeviceOnly) {
  std::mt19937_64 random(7);
  DemoGame game(2000, [&] { return random(); });
  std::map<std::string, int> sessions;
  for (int i = 0; i < 1000; ++i) ++sessions[game.Next().session];
  EXPECT_EQ(sessions.size(), 1 + std::size(kDemoDevices));
}

TEST(DemoGame, PausesVaryAroundTheMean) {
  std::mt19937_64 random(7);
  DemoGame game(2000, [&] { return random(); });
  for (int i = 0; i < 1000; ++i) {
    uint64_t pause_ms = game.PauseMs();
    EXPECT_GE(pause_ms, 1000u);
    EXPECT_LE(pause_ms, 3000u);
  }
}

}  // namespace
}  // namespace galaxy::push
