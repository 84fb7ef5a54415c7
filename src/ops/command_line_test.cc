#include "ops/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "ops/exit_code.h"

namespace galaxy::push {
namespace {

using ::testing::HasSubstr;

class FakeCommand final : public Command {
 public:
  explicit FakeCommand(std::string name) : table_(std::move(name)) {
    table_.DurationMs(
        {.name = "window", .text = "Freshness.", .fallback = "5m", .low = "1s", .high = "1h"},
        window_ms);
    table_.Text({.name = "file", .text = "Input.", .positional = true}, file);
    table_.Flag({.name = "quiet", .text = "Say less."}, quiet);
    table_.List({.name = "origins", .text = "Pages allowed."}, origins);
  }
  OptionTable& options() override { return table_; }
  std::string_view summary() const override { return "A command for tests"; }
  std::string_view details() const override { return "    galaxy-push fake --window 5m\n"; }
  int Run() override {
    ++runs;
    return 7;
  }

  uint64_t window_ms = 0;
  std::string file;
  bool quiet = false;
  std::vector<std::string> origins;
  int runs = 0;

 private:
  OptionTable table_;
};

struct Fixture {
  Fixture() {
    commands.push_back(std::make_unique<FakeCommand>("fake"));
    commands.push_back(std::make_unique<FakeCommand>("other"));
  }
  int Run(std::vector<std::string> arguments, std::map<std::string, std::string> environment = {}) {
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    int code = RunProgram("0.1.0", arguments, environment, commands);
    error = testing::internal::GetCapturedStderr();
    output = testing::internal::GetCapturedStdout();
    return code;
  }
  FakeCommand& fake() { return static_cast<FakeCommand&>(*commands[0]); }

  std::vector<std::unique_ptr<Command>> commands;
  std::string error;
  std::string output;
};

std::string WriteConfig(const std::string& text) {
  std::string path = testing::TempDir() + "/command_line_" +
                     testing::UnitTest::GetInstance()->current_test_info()->name() + ".toml";
  EXPECT_TRUE(WriteFileAtomic(path, text));
  return path;
}

TEST(CommandLine, FlagsFillTheTableAndTheCommandRuns) {
  Fixture f;
  EXPECT_EQ(f.Run({"fake", "--window", "2m", "--quiet", "in.ndjson"}), 7);
  EXPECT_EQ(f.fake().window_ms, 120'000u);
  EXPECT_TRUE(f.fake().quiet);
  EXPECT_EQ(f.fake().file, "in.ndjson");
}

TEST(CommandLine, AFlagMayBeGivenAsNameEqualsValue) {
  Fixture f;
  EXPECT_EQ(f.Run({"fake", "--window=2m", "--quiet=false"}), 7);
  EXPECT_EQ(f.fake().window_ms, 120'000u);
  EXPECT_FALSE(f.fake().quiet);
}

TEST(CommandLine, AListMayBeGivenInPieces) {
  Fixture f;
  EXPECT_EQ(f.Run({"fake", "--origins", "a,b", "--origins=c", "--quiet"}), 7);
  EXPECT_EQ(f.fake().origins, (std::vector<std::string>{"a", "b", "c"}));
  Fixture empty;
  EXPECT_EQ(empty.Run({"fake", "--origins", "a", "--origins", "", "--origins", "b"}), kExitUsage);
  EXPECT_THAT(empty.error, HasSubstr("origins"));
}

TEST(CommandLine, WrongFlagsEndWithTheUsageStatusAndStartNothing) {
  for (std::vector<std::string> arguments :
       std::vector<std::vector<std::string>>{{"fake", "--windw", "2m"},
                                             {"fake", "--window", "2h"},
                                             {"fake", "--window", "1m", "--window", "2m"},
                                             {"fake", "a", "b"},
                                             {"fake", "--window"},
                                             {"nothing"},
                                             {}}) {
    Fixture f;
    EXPECT_EQ(f.Run(arguments), kExitUsage);
    EXPECT_EQ(f.fake().runs, 0);
    EXPECT_NE(f.error, "");
  }
}

TEST(CommandLine, PrecedenceIsFlagEnvironmentFile) {
  Fixture f;
  std::string path = WriteConfig("window = \"10s\"\norigins = [\"a\", \"b\"]\n");
  EXPECT_EQ(f.Run({"fake", "--config", path}), 7);
  EXPECT_EQ(f.fake().window_ms, 10'000u);
  EXPECT_EQ(f.fake().origins, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(f.Run({"fake", "--config", path}, {{"GALAXY_PUSH_WINDOW", "20s"}}), 7);
  EXPECT_EQ(f.fake().window_ms, 20'000u);
  EXPECT_EQ(f.Run({"fake", "--window", "30s", "--config", path}, {{"GALAXY_PUSH_WINDOW", "20s"}}),
            7);
  EXPECT_EQ(f.fake().window_ms, 30'000u);
}

TEST(CommandLine, TheEnvironmentCanNameTheFile) {
  Fixture f;
  EXPECT_EQ(f.Run({"fake"}, {{"GALAXY_PUSH_CONFIG", WriteConfig("window = \"10s\"\n")}}), 7);
  EXPECT_EQ(f.fake().window_ms, 10'000u);
}

TEST(CommandLine, AFileServesSeveralProgramsByTables) {
  Fixture f;
  std::string path = WriteConfig("[fake]\nwindow = \"10s\"\n[other]\nwindow = \"20s\"\n");
  EXPECT_EQ(f.Run({"fake", "--config", path}), 7);
  EXPECT_EQ(f.fake().window_ms, 10'000u);
}

TEST(CommandLine, FaultsInAFileAreNamedWithTheirLine) {
  const std::pair<const char*, const char*> bad[] = {
      {"window = \"10s\"\nwindwo = \"1m\"\n", "windwo, from"},
      {"window = \n", "line 1"},
      {"window = 1.5\n", "option window, from"},
      {"\nwindow = \"2h\"\n", "line 2: 2h is over the limit of 1h"},
      {"[nobody]\nx = 1\n", "unknown table [nobody]"},
      {"window = \"1m\"\n[fake]\nwindow = \"2m\"\n", "top of the file too"},
      {"config = \"x\"\n", "cannot name another file"},
  };
  for (auto [text, message] : bad) {
    Fixture f;
    EXPECT_EQ(f.Run({"fake", "--config", WriteConfig(text)}), kExitUsage) << text;
    EXPECT_THAT(f.error, HasSubstr(message));
  }
}

TEST(CommandLine, AnUnknownEnvironmentVariableOfOursIsRefused) {
  Fixture f;
  EXPECT_EQ(f.Run({"fake"}, {{"GALAXY_PUSH_WINDWO", "1m"}}), kExitUsage);
  EXPECT_THAT(f.error, HasSubstr("GALAXY_PUSH_WINDWO"));
}

TEST(CommandLine, CheckConfigPrintsAFileThatConfigTakes) {
  Fixture f;
  ASSERT_EQ(f.Run({"check-config", "fake", "--window", "42s"}), kExitOk);
  EXPECT_THAT(f.output, HasSubstr("window = \"42s\""));
  EXPECT_THAT(f.output, HasSubstr("# flag --window"));
  EXPECT_EQ(f.fake().runs, 0);
  std::string printed = f.output;
  Fixture second;
  EXPECT_EQ(second.Run({"fake", "--config", WriteConfig(printed)}), 7);
  EXPECT_EQ(second.fake().window_ms, 42'000u);
}

TEST(CommandLine, CheckConfigRefusesWhatTheProgramWouldRefuse) {
  Fixture f;
  EXPECT_EQ(f.Run({"check-config", "fake", "--window", "2h"}), kExitUsage);
}

TEST(CommandLine, HelpListsEveryCommandAndOption) {
  Fixture f;
  EXPECT_EQ(f.Run({"--help"}), kExitOk);
  EXPECT_THAT(f.output, HasSubstr("other"));
  for (std::vector<std::string> arguments : std::vector<std::vector<std::string>>{
           {"fake", "--help"}, {"help", "fake"}, {"fake", "-h"}}) {
    EXPECT_EQ(f.Run(arguments), kExitOk);
    EXPECT_THAT(f.output, HasSubstr("--window DURATION"));
    EXPECT_THAT(f.output, HasSubstr("default 5m; 1s to 1h"));
  }
  EXPECT_EQ(f.fake().runs, 0);
}

}  // namespace
}  // namespace galaxy::push
