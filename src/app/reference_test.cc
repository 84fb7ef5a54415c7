#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/commands.h"
#include "base/file.h"

namespace galaxy::push {
namespace {

using ::testing::HasSubstr;

std::string ReferencePath(Command& command) {
  return std::string(GALAXY_SOURCE_DIR) + "/docs/reference/" + command.options().program() + ".md";
}

TEST(Reference, EveryCheckedInPageIsWhatTheTablesSay) {
  for (const auto& command : AllCommands()) {
    const std::string name = command->options().program();
    Result<std::string> page = ReadFile(ReferencePath(*command));
    ASSERT_TRUE(page) << name;
    EXPECT_EQ(*page, ReferencePage(*command))
        << "make it anew: galaxy-push check-config --reference " << name << " > docs/reference/"
        << name << ".md";
  }
}

TEST(Reference, EveryOptionHasASentenceAndADefaultWithinItsBounds) {
  for (const auto& command : AllCommands()) {
    for (const OptionTable::Entry& entry : command->options().entries()) {
      EXPECT_TRUE(entry.spec.text.ends_with('.')) << entry.spec.name;
      if (entry.spec.fallback.empty()) continue;
      EXPECT_TRUE(entry.assign(entry.spec.fallback)) << entry.spec.name;
    }
  }
}

TEST(Reference, HelpHasAnExampleForEveryCommand) {
  for (const auto& command : AllCommands()) {
    EXPECT_THAT(HelpPage(*command), HasSubstr("    galaxy-push " + command->options().program()));
  }
}

}  // namespace
}  // namespace galaxy::push
