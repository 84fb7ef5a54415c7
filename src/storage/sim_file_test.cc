#include "storage/sim_file.h"

#include <gtest/gtest.h>

#include <set>

namespace galaxy::push {
namespace {

constexpr SimFile::CrashStyle kLoseAll{.loss = 1, .tear = false};

TEST(SimFile, ShowsWritesAtOnceAndKeepsWhatWasSynced) {
  SimRandom random(1);
  SimFile file("f");
  file.Write(0, "synced");
  file.Sync();
  file.Write(0, "UN");
  file.Write(6, " not");
  EXPECT_EQ(file.content(), "UNnced not");
  EXPECT_EQ(file.pending(), 2u);
  file.Crash(kLoseAll, random);
  EXPECT_EQ(file.content().substr(0, 6), "synced");
  EXPECT_EQ(file.pending(), 0u);
}

TEST(SimFile, AFailedSyncLosesChangesThatTheNextSyncDoesNotBringBack) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SimRandom random(seed);
    SimFile file("f");
    file.Write(0, "old");
    file.Sync();
    file.Write(0, "new");
    file.FailSync(random);
    EXPECT_EQ(file.content(), "new");
    file.Sync();
    EXPECT_EQ(file.content(), "new");
    file.Crash(kLoseAll, random);
    seen.insert(file.content());
  }
  EXPECT_EQ(seen, (std::set<std::string>{"old", "new"}));
}

TEST(SimFile, TearsAtSectorsOnly) {
  bool torn = false;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimRandom random(seed);
    SimFile file("f");
    file.Write(0, std::string(4096, 'a'));
    file.Sync();
    file.Write(100, std::string(2000, 'b'));
    SimFile::CrashCount count = file.Crash({.loss = 0, .tear = true}, random);
    torn |= count.torn > 0;
    const std::string& content = file.content();
    ASSERT_EQ(content.size(), 4096u);
    EXPECT_EQ(content.substr(0, 100), std::string(100, 'a'));
    EXPECT_EQ(content.substr(2100), std::string(1996, 'a'));
    for (size_t at : {100, 512, 1024, 1536, 2048}) {
      size_t end = std::min<size_t>(2100, (at / 512 + 1) * 512);
      EXPECT_EQ(content.substr(at, end - at), std::string(end - at, content[at]));
    }
  }
  EXPECT_TRUE(torn);
}

TEST(SimFile, InOrderNothingIsThereAfterTheFirstThatIsMissing) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimRandom random(seed);
    SimFile file("f");
    file.Write(0, std::string(10, '-'));
    file.Sync();
    for (size_t i = 0; i < 10; ++i) file.Write(i, "x");
    file.Crash({.in_order = true, .tear = false}, random);
    EXPECT_EQ(file.content().find("-x"), std::string::npos) << file.content();
  }
}

TEST(SimFile, OutOfOrderALaterChangeMayBeThereWithoutAnEarlierOne) {
  bool seen = false;
  for (uint64_t seed = 0; seed < 20 && !seen; ++seed) {
    SimRandom random(seed);
    SimFile file("f");
    file.Write(0, std::string(10, '-'));
    file.Sync();
    for (size_t i = 0; i < 10; ++i) file.Write(i, "x");
    file.Crash({.loss = 0.5, .tear = false}, random);
    seen = file.content().find("-x") != std::string::npos;
  }
  EXPECT_TRUE(seen);
}

TEST(SimFile, ATruncationMayBeLostToo) {
  std::set<uint64_t> sizes;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SimRandom random(seed);
    SimFile file("f");
    file.Write(0, std::string(100, 'a'));
    file.Sync();
    file.Truncate(10);
    EXPECT_EQ(file.size(), 10u);
    file.Crash({.loss = 0.5, .tear = false}, random);
    sizes.insert(file.size());
  }
  EXPECT_EQ(sizes, (std::set<uint64_t>{10, 100}));
}

}  // namespace
}  // namespace galaxy::push
