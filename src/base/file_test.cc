#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

namespace galaxy::push {
namespace {

class Files : public testing::Test {
 protected:
  Files() {
    std::string name = testing::TempDir() + "galaxy-file-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~Files() override { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  size_t Count() const {
    size_t n = 0;
    for (auto& entry : std::filesystem::directory_iterator(folder_)) n += entry.exists() ? 1 : 0;
    return n;
  }
  std::string folder_;
};

TEST_F(Files, ReplacesWholeAndLeavesNothingBeside) {
  ASSERT_TRUE(WriteFileAtomic(Path("a"), "one"));
  ASSERT_TRUE(WriteFileAtomic(Path("a"), "two"));
  EXPECT_EQ(ReadFile(Path("a")).value(), "two");
  EXPECT_EQ(Count(), 1u);
}

// semantics.md 10.5
TEST_F(Files, SecretsAreForTheirOwnerOnly) {
  ASSERT_TRUE(WriteFileAtomic(Path("key"), "secret"));
  struct stat info{};
  ASSERT_EQ(stat(Path("key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(Files, CreationNeverReplaces) {
  ASSERT_TRUE(WriteFileAtomic(Path("a"), "one", 0600, WhenFileExists::kFail));
  Status second = WriteFileAtomic(Path("a"), "two", 0600, WhenFileExists::kFail);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kAlreadyExists);
  EXPECT_EQ(ReadFile(Path("a")).value(), "one");
  EXPECT_EQ(Count(), 1u);
}

TEST_F(Files, MissingTooLargeAndUnwritableAreToldApart) {
  EXPECT_EQ(ReadFile(Path("none")).error().code, Code::kNotFound);
  ASSERT_TRUE(WriteFileAtomic(Path("a"), std::string(101, 'x')));
  EXPECT_EQ(ReadFile(Path("a"), 100).error().code, Code::kTooLarge);
  EXPECT_EQ(WriteFileAtomic(Path("no/folder"), "x").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace galaxy::push
