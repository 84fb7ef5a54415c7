#include "ops/logger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

namespace galaxy::push {
namespace {

std::string Written(std::FILE* file) {
  std::string text(static_cast<size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  EXPECT_EQ(std::fread(text.data(), 1, text.size(), file), text.size());
  return text;
}

std::string Line(std::initializer_list<LogField> fields) {
  return FormatLogLine("Refused.", {fields.begin(), fields.end()});
}

TEST(Logger, ALineIsTimeLevelSentenceFields) {
  std::FILE* file = std::tmpfile();
  Logger log(LogLevel::kInfo, file);
  log.Info("Gateway connected.", {{"id", "gw-1"}, {"lag_entries", 3}});
  EXPECT_THAT(Written(file),
              testing::MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9:.]+Z info  Gateway connected. "
                                    "id=gw-1 lag_entries=3\n"));
  std::fclose(file);
}

TEST(Logger, LinesBelowTheLevelAreNotWritten) {
  std::FILE* file = std::tmpfile();
  Logger log(LogLevel::kWarn, file);
  log.Info("Not this.");
  log.Warn("This.");
  std::string text = Written(file);
  EXPECT_THAT(text, testing::HasSubstr("This."));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("Not this.")));
  std::fclose(file);
}

TEST(Logger, AValueCannotForgeALineOrAField) {
  EXPECT_EQ(Line({{"reason", "x\nERROR y"}}), "Refused. reason=\"x\\x0aERROR y\"");
  EXPECT_EQ(Line({{"reason", "a b=c \"q\""}}), "Refused. reason=\"a b=c \\\"q\\\"\"");
  EXPECT_EQ(Line({{"reason", ""}}), "Refused. reason=\"\"");
}

TEST(Logger, LevelsAreReadByName) {
  EXPECT_EQ(ParseLogLevel("warn"), LogLevel::kWarn);
  EXPECT_FALSE(ParseLogLevel("loud"));
}

}  // namespace
}  // namespace galaxy::push
