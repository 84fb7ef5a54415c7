#include "net/resolver.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "net/loop.h"
#include "net/sim_network.h"

namespace galaxy::push {
namespace {

using Found = std::optional<Result<std::vector<Address>>>;

std::unique_ptr<Resolver> Ask(Loop& loop, const Address& address, Found& found) {
  return Resolver::Start(loop, address, 1'000, [&](auto result) { found = std::move(result); });
}

TEST(Resolver, AnAddressIsItselfAndNeverToldFromWithinTheCall) {
  for (const char* host : {"192.0.2.7", "2001:db8::7"}) {
    Loop loop;
    Found found;
    auto resolver = Ask(loop, {host, 7}, found);
    EXPECT_FALSE(found);
    loop.Poll();
    ASSERT_TRUE(found && *found);
    EXPECT_EQ(**found, (std::vector<Address>{{host, 7}}));
  }
}

TEST(Resolver, LocalhostIsBothLoopbacks) {
  Loop loop;
  Found found;
  auto resolver = Ask(loop, {"localhost", 7}, found);
  loop.Poll();
  ASSERT_TRUE(found && *found);
  EXPECT_EQ(**found, (std::vector<Address>{{"127.0.0.1", 7}, {"::1", 7}}));
}

TEST(Resolver, OneThatIsDestroyedSaysNothing) {
  Loop loop;
  Found found;
  Ask(loop, {"localhost", 7}, found).reset();
  loop.Poll();
  EXPECT_FALSE(found);
}

TEST(Resolver, ANameOfTheSimulatedNetworkIsWhatWasSetLast) {
  SimNetwork net(1);
  SimNode& node = net.AddNode("a");
  net.AddNode("b");
  auto look = [&](const std::string& name) {
    Found found;
    auto resolver = Ask(node.loop(), {name, 7}, found);
    net.RunFor(1);
    EXPECT_TRUE(found);
    return found ? *found : std::vector<Address>{};
  };
  EXPECT_EQ(*look("b"), (std::vector<Address>{{"10.0.0.2", 7}}));
  EXPECT_EQ(look("backends").error().code, Code::kUnavailable);
  net.SetName("backends", {"10.0.0.1", "10.0.0.2"});
  EXPECT_EQ(*look("backends"), (std::vector<Address>{{"10.0.0.1", 7}, {"10.0.0.2", 7}}));
  net.SetName("backends", {});
  EXPECT_FALSE(look("backends"));
}

}  // namespace
}  // namespace galaxy::push
