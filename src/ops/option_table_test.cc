#include "ops/option_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Fixture {
  Fixture() {
    table.HostPort({.name = "listen", .text = "Where to listen.", .fallback = "127.0.0.1:0"},
                   listen);
    table.SizeBytes({.name = "ring-bytes",
                     .text = "The ring's cap.",
                     .fallback = "256MiB",
                     .low = "1MiB",
                     .high = "64GiB"},
                    ring_bytes);
    table.DurationMs({.name = "window", .text = "Freshness.", .fallback = "5m", .low = "1s"},
                     window_ms);
    table.Text({.name = "engine",
                .text = "Where the log is kept.",
                .fallback = "memory",
                .choices = {"memory", "sqlite"}},
               engine);
    table.Text({.name = "token", .text = "Who we are.", .secret = true}, token);
    table.Flag({.name = "quiet", .text = "Say less."}, quiet);
    table.List({.name = "origins", .text = "Pages allowed."}, origins);
  }

  OptionTable table{"backend"};
  Address listen;
  uint64_t ring_bytes = 0;
  uint64_t window_ms = 0;
  std::string engine;
  std::string token;
  bool quiet = true;
  std::vector<std::string> origins;
};

OptionGiven Flag(std::string name, std::string value) {
  return {name, std::move(value), OptionOrigin::kFlag, "flag --" + name};
}

TEST(OptionTable, DefaultsAreTakenWhenNothingIsGiven) {
  Fixture f;
  ASSERT_TRUE(f.table.Resolve({}));
  EXPECT_EQ(f.ring_bytes, 268'435'456u);
  EXPECT_EQ(f.window_ms, 300'000u);
  EXPECT_EQ(f.listen, (Address{"127.0.0.1", 0}));
  EXPECT_FALSE(f.quiet);
}

TEST(OptionTable, AFlagWinsOverTheEnvironmentAndThatOverTheFile) {
  const OptionGiven file = {"window", "1m", OptionOrigin::kFile, "galaxy.toml line 1"};
  const OptionGiven environment = {"window", "2m", OptionOrigin::kEnvironment, "environment"};
  Fixture f;
  ASSERT_TRUE(f.table.Resolve({file}));
  EXPECT_EQ(f.window_ms, 60'000u);
  ASSERT_TRUE(f.table.Resolve({environment, file}));
  EXPECT_EQ(f.window_ms, 120'000u);
  ASSERT_TRUE(f.table.Resolve({environment, Flag("window", "3m"), file}));
  EXPECT_EQ(f.window_ms, 180'000u);
}

TEST(OptionTable, AnUnknownKeyIsRefusedWithItsSource) {
  Fixture f;
  Status ok = f.table.Resolve({{"windw", "1m", OptionOrigin::kFile, "galaxy.toml line 3"}});
  ASSERT_FALSE(ok);
  EXPECT_EQ(ok.error().field, "windw");
  EXPECT_THAT(ok.error().message, HasSubstr("unknown option windw, from galaxy.toml line 3"));
}

TEST(OptionTable, AValueOutOfBoundsIsRefusedWithOptionLimitAndSource) {
  Fixture f;
  Status ok = f.table.Resolve({Flag("ring-bytes", "65GiB")});
  ASSERT_FALSE(ok);
  EXPECT_EQ(ok.error().message,
            "option ring-bytes, from flag --ring-bytes: 65GiB is over the limit of 64GiB");
  ok = f.table.Resolve({Flag("ring-bytes", "4KiB")});
  ASSERT_FALSE(ok);
  EXPECT_THAT(ok.error().message, HasSubstr("under the limit of 1MiB"));
}

TEST(OptionTable, BoundsThemselvesAreAllowed) {
  Fixture f;
  EXPECT_TRUE(f.table.Resolve({Flag("ring-bytes", "64GiB")}));
  EXPECT_TRUE(f.table.Resolve({Flag("ring-bytes", "1MiB")}));
  EXPECT_FALSE(f.table.Resolve({Flag("ring-bytes", "68719476737")}));
  EXPECT_FALSE(f.table.Resolve({Flag("ring-bytes", "1048575")}));
}

TEST(OptionTable, MalformedValuesAreRefused) {
  const std::pair<const char*, const char*> bad[] = {{"window", "5"},       {"engine", "mysql"},
                                                     {"listen", "nowhere"}, {"quiet", "yes"},
                                                     {"origins", ","},      {"ring-bytes", "x"}};
  for (auto [name, value] : bad) {
    Fixture f;
    EXPECT_FALSE(f.table.Resolve({Flag(name, value)})) << name;
  }
}

TEST(OptionTable, ARequiredOptionIsNamedWithTheWaysToGiveIt) {
  OptionTable table("gateway");
  std::string id;
  table.Text({.name = "gateway-id", .text = "Who we are.", .required = true}, id);
  Status ok = table.Resolve({});
  ASSERT_FALSE(ok);
  EXPECT_THAT(ok.error().message, HasSubstr("--gateway-id"));
  EXPECT_THAT(ok.error().message, HasSubstr("GALAXY_PUSH_GATEWAY_ID"));
}

TEST(OptionTable, AnEmptyValueIsAValue) {
  OptionTable table("gateway");
  std::string session = "x";
  table.Text({.name = "session", .text = "Which device.", .fallback = "phone"}, session);
  ASSERT_TRUE(table.Resolve({Flag("session", "")}));
  EXPECT_EQ(session, "");
}

TEST(OptionTable, ListsAreSplitAtCommas) {
  Fixture f;
  ASSERT_TRUE(f.table.Resolve({Flag("origins", "https://a,https://b")}));
  EXPECT_EQ(f.origins, (std::vector<std::string>{"https://a", "https://b"}));
}

TEST(OptionTable, AddressesAreAListOfHostAndPortEachOnce) {
  OptionTable table("gateway");
  std::vector<Address> backends;
  table.HostPorts({.name = "backend", .text = "Where.", .required = true}, backends);
  ASSERT_TRUE(table.Resolve({Flag("backend", "b.example:7400,[::1]:7401")}));
  EXPECT_EQ(backends, (std::vector<Address>{{"b.example", 7400}, {"::1", 7401}}));
  std::string many = "a:0";
  for (int i = 1; i < 65; ++i) many += ",a:" + std::to_string(i);
  for (const auto& [value, why] : std::vector<std::pair<std::string, std::string>>{
           {"a:1,b", "\"b\""},
           {"a:1,,b:2", "empty item"},
           {"a:1,b:2,a:1", "\"a:1\" is there twice"},
           {"", "no address"},
           {many, "65 addresses are over the limit of 64"}}) {
    Status ok = table.Resolve({Flag("backend", value)});
    ASSERT_FALSE(ok) << value;
    EXPECT_THAT(ok.error().message, HasSubstr("option backend"));
    EXPECT_THAT(ok.error().message, HasSubstr(why));
  }
  EXPECT_EQ(backends.size(), 2u);
}

// semantics.md 10.5
TEST(OptionTable, ASecretIsNeverPrinted) {
  Fixture f;
  ASSERT_TRUE(f.table.Resolve({Flag("token", "s3cret")}));
  EXPECT_THAT(f.table.Effective(), Not(HasSubstr("s3cret")));
  EXPECT_THAT(f.table.Effective(), HasSubstr("token is set"));
}

// semantics.md 10.5
TEST(OptionTable, ASecretIsNeverQuoted) {
  OptionTable table{"backend"};
  std::string token;
  table.Text({.name = "token", .text = "Who we are.", .choices = {"a", "b"}, .secret = true},
             token);
  Status status = table.Resolve({Flag("token", "s3cret")});
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, Not(HasSubstr("s3cret")));
  EXPECT_THAT(status.error().message, HasSubstr("option token"));
}

TEST(OptionTable, TheEffectiveConfigurationNamesEachOrigin) {
  Fixture f;
  ASSERT_TRUE(f.table.Resolve({Flag("window", "3m")}));
  EXPECT_THAT(f.table.Effective(), HasSubstr("window = \"3m\""));
  EXPECT_THAT(f.table.Effective(), HasSubstr("# flag --window\n"));
  EXPECT_THAT(f.table.Effective(), HasSubstr("# default\n"));
}

TEST(OptionTable, TheEffectiveConfigurationIsAFileThatSaysTheSame) {
  Fixture f;
  std::string plane;
  f.table.Text({.name = "plane", .text = "P.", .fallback = "p"}, plane);
  uint64_t streams = 0;
  f.table.Count({.name = "streams", .text = "S.", .fallback = "1"}, streams);
  ASSERT_TRUE(f.table.Resolve({Flag("plane", "")}));
  EXPECT_THAT(f.table.Effective(), HasSubstr("plane = \"\""));  // not the default
  ASSERT_TRUE(f.table.Resolve({Flag("plane", "a\x7f\"")}));
  EXPECT_THAT(f.table.Effective(), HasSubstr("plane = \"a\\u007f\\\"\""));
  ASSERT_TRUE(f.table.Resolve({Flag("streams", "007")}));
  EXPECT_THAT(f.table.Effective(), HasSubstr("streams = 7 "));  // no zeros before it in TOML
}

TEST(OptionTable, TheEnvironmentIsReadByUpperCaseNames) {
  Fixture f;
  auto given = f.table.FromEnvironment({{"GALAXY_PUSH_RING_BYTES", "2MiB"}, {"PATH", "/bin"}});
  ASSERT_EQ(given.size(), 1u);
  ASSERT_TRUE(f.table.Resolve(given));
  EXPECT_EQ(f.ring_bytes, 2u << 20);
}

TEST(OptionTable, AMisspeltVariableIsRefusedUnlessAContainerPlatformSetsIt) {
  Fixture f;
  EXPECT_TRUE(CheckEnvironment({{"GALAXY_PUSH_WINDOW", "1m"},
                                {"GALAXY_PUSH_PORT_8080_TCP", "x"},
                                {"GALAXY_PUSH_SERVICE_HOST", "10.0.0.1"},
                                {"HOME", "/"}},
                               {&f.table}));
  Status ok = CheckEnvironment({{"GALAXY_PUSH_WINDWO", "1m"}}, {&f.table});
  ASSERT_FALSE(ok);
  EXPECT_THAT(ok.error().message, HasSubstr("GALAXY_PUSH_WINDWO"));
}

TEST(OptionTable, HelpAndReferenceNameEveryOptionWithItsLimits) {
  Fixture f;
  for (const OptionTable::Entry& entry : f.table.entries()) {
    EXPECT_THAT(f.table.Help(), HasSubstr("--" + entry.spec.name));
    EXPECT_THAT(f.table.Reference(), HasSubstr("`--" + entry.spec.name + "`"));
  }
  EXPECT_THAT(f.table.Help(), HasSubstr("default 256MiB; 1MiB to 64GiB"));
}

}  // namespace
}  // namespace galaxy::push
