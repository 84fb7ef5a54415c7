#include "storage/folder_lock.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "storage/test_folder.h"

namespace galaxy::push {
namespace {

// A process that holds the lock until it is killed.
class Holder {
 public:
  explicit Holder(const std::string& folder) {
    int pipe_fds[2];
    EXPECT_EQ(pipe(pipe_fds), 0);
    pid_ = fork();
    if (pid_ == 0) {
      auto lock = FolderLock::Acquire(folder);
      char held = lock ? 'y' : 'n';
      if (write(pipe_fds[1], &held, 1) != 1) _exit(1);
      for (;;) pause();
    }
    char held = 0;
    EXPECT_EQ(read(pipe_fds[0], &held, 1), 1);
    EXPECT_EQ(held, 'y');
    close(pipe_fds[0]);
    close(pipe_fds[1]);
  }
  ~Holder() { Kill(); }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

TEST(FolderLock, RefusesASecondProcessAndNamesTheFirst) {
  TestFolder folder;
  Holder holder(folder.path());
  auto second = FolderLock::Acquire(folder.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kAlreadyExists);
  EXPECT_EQ(second.error().field, "data");
  EXPECT_EQ(second.error().message,
            folder.path() + " is in use by process " + std::to_string(holder.pid()));
}

TEST(FolderLock, DiesWithItsProcess) {
  TestFolder folder;
  Holder holder(folder.path());
  holder.Kill();
  EXPECT_TRUE(FolderLock::Acquire(folder.path()));
}

TEST(FolderLock, RefusesASecondHolderInTheSameProcess) {
  TestFolder folder;
  auto first = FolderLock::Acquire(folder.path());
  ASSERT_TRUE(first);
  EXPECT_FALSE(FolderLock::Acquire(folder.path()));
  FolderLock moved = std::move(*first);
  EXPECT_FALSE(FolderLock::Acquire(folder.path()));
}

TEST(FolderLock, IsGivenBackAtTheEnd) {
  TestFolder folder;
  {
    ASSERT_TRUE(FolderLock::Acquire(folder.path()));
  }
  EXPECT_TRUE(FolderLock::Acquire(folder.path()));
}

TEST(FolderLock, TellsWhoHasItWithoutTakingIt) {
  TestFolder folder;
  EXPECT_EQ(FolderLock::Holder(folder.path()).value(), std::nullopt);
  {
    Holder holder(folder.path());
    EXPECT_EQ(FolderLock::Holder(folder.path()).value(), holder.pid());
  }
  EXPECT_EQ(FolderLock::Holder(folder.path()).value(), std::nullopt);
}

TEST(FolderLock, ADeadHoldersNumberIsNotTakenForALivingOne) {
  TestFolder folder;
  {
    Holder holder(folder.path());
  }
  auto lock = FolderLock::Acquire(folder.path());
  EXPECT_EQ(FolderLock::Holder(folder.path()).value(), getpid());
}

TEST(FolderLock, IsNotInheritedByAProgramThatIsStarted) {
  TestFolder folder;
  auto lock = FolderLock::Acquire(folder.path());
  ASSERT_TRUE(lock);
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDIN_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    execl("/bin/cat", "cat", nullptr);
    _exit(1);
  }
  close(ends[1]);
  // Until exec the child has the description, too; the program that answers is behind it.
  char byte = 'x';
  ASSERT_EQ(write(ends[0], &byte, 1), 1);
  ASSERT_EQ(read(ends[0], &byte, 1), 1);
  {
    FolderLock gone = std::move(*lock);
  }
  EXPECT_TRUE(FolderLock::Acquire(folder.path()));
  close(ends[0]);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
}

TEST(FolderLock, AMissingFolderIsAnError) {
  TestFolder folder;
  auto lock = FolderLock::Acquire(folder.File("none"));
  ASSERT_FALSE(lock);
  EXPECT_EQ(lock.error().code, Code::kInternal);
}

TEST(MakeFolder, IsForThisUserOnlyAndMakesItsParents) {
  TestFolder folder;
  std::string path = folder.File("a/b/data/");
  ASSERT_TRUE(MakeFolder(path));
  struct stat info{};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  EXPECT_TRUE(MakeFolder(path));
}

TEST(MakeFolder, LeavesAnExistingOneAsItIs) {
  TestFolder folder;
  std::string path = folder.File("data");
  ASSERT_EQ(mkdir(path.c_str(), 0755), 0);
  ASSERT_EQ(chmod(path.c_str(), 0755), 0);
  ASSERT_TRUE(MakeFolder(path));
  struct stat info{};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0755u);
}

TEST(MakeFolder, SaysWhatIsInTheWay) {
  TestFolder folder;
  {
    std::ofstream(folder.File("file")) << "x";
  }
  Status made = MakeFolder(folder.File("file"));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().field, "data");
  EXPECT_FALSE(MakeFolder(folder.File("file/data")));
}

}  // namespace
}  // namespace galaxy::push
