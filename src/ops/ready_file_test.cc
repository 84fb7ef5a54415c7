#include "ops/ready_file.h"

#include <gtest/gtest.h>

#include "base/file.h"

namespace galaxy::push {
namespace {

TEST(ReadyFile, IsThereFromWriteUntilTheEnd) {
  std::string path = testing::TempDir() + "/ready_file_test.json";
  {
    Result<ReadyFile> file = ReadyFile::Create(path);
    ASSERT_TRUE(file);
    EXPECT_FALSE(ReadFile(path));
    ASSERT_TRUE(file->Write(R"({"listen":"127.0.0.1:1"})"));
    EXPECT_EQ(*ReadFile(path), "{\"listen\":\"127.0.0.1:1\"}\n");
  }
  EXPECT_FALSE(ReadFile(path));
}

TEST(ReadyFile, ALeftoverOfAnEarlierProcessIsRemoved) {
  std::string path = testing::TempDir() + "/ready_file_stale.json";
  ASSERT_TRUE(WriteFileAtomic(path, "stale"));
  Result<ReadyFile> file = ReadyFile::Create(path);
  ASSERT_TRUE(file);
  EXPECT_FALSE(ReadFile(path));
}

TEST(ReadyFile, AnEmptyPathMeansNone) {
  Result<ReadyFile> file = ReadyFile::Create("");
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->Write("{}"));
}

TEST(ReadyFile, AFolderThatIsNotThereIsAnError) {
  Result<ReadyFile> file = ReadyFile::Create(testing::TempDir() + "/no/such/folder.json");
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->Write("{}"));
}

}  // namespace
}  // namespace galaxy::push
