#include "gateway/state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "storage/sim_disk.h"
#include "storage/test_folder.h"

namespace galaxy::push {
namespace {

using testing::HasSubstr;

constexpr uint64_t kKeep = 1'000'000;

class StateStoreTest : public testing::Test {
 protected:
  Result<StateStore::Opened> TryOpen() {
    return StateStore::Open({.folder = folder_.path(),
                             .gateway_id = id_,
                             .plane = plane_,
                             .revoked_keep_s = kKeep,
                             .now_ms = 1'763'850'000'000,
                             .vfs = vfs_});
  }
  StateStore::Opened Open() {
    auto opened = TryOpen();
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  static void Write(StateStore& store, StateChange change) {
    auto written = store.Write(change);
    EXPECT_TRUE(written) << written.error().message;
  }
  // Behind the store's back, as a fault of the disk would.
  void Damage(const std::string& sql) {
    auto database = Database::Open(folder_.File("gateway.db"), {});
    ASSERT_TRUE(database) << database.error().message;
    auto done = database->Exec(sql);
    ASSERT_TRUE(done) << done.error().message;
  }
  std::string AllBytes() {
    std::string all;
    for (auto& file : std::filesystem::directory_iterator(folder_.path())) {
      std::ostringstream text;
      text << std::ifstream(file.path(), std::ios::binary).rdbuf();
      all += text.str();
    }
    return all;
  }

  TestFolder folder_;
  std::string id_ = "gw-1";
  std::string plane_ = "galaxy";
  std::string vfs_;
};

TEST_F(StateStoreTest, RemembersCursorRevocationsAndDoubt) {  // semantics.md 7.2, 8.7
  {
    auto opened = Open();
    EXPECT_TRUE(opened.first);
    EXPECT_EQ(opened.cursor, "");
    opened.revoked.Enter("u", "s1", 100, "stolen");
    opened.revoked.Enter("v", "", 200, "password");
    Write(*opened.store, {.cursor = "c1", .revoked = opened.revoked.TakeNews(), .unknown_ms = 77});
  }
  auto again = Open();
  EXPECT_FALSE(again.first);
  EXPECT_EQ(again.cursor, "c1");
  EXPECT_EQ(again.unknown_ms, 77u);
  auto named = again.revoked.Find("u", "s1", 5'000);
  ASSERT_TRUE(named);
  EXPECT_EQ(named->code, Code::kSessionRevoked);
  EXPECT_EQ(named->reason, "stolen");
  EXPECT_EQ(again.revoked.Find("v", "any", 200)->code, Code::kUserRevoked);
  EXPECT_FALSE(again.revoked.Find("v", "any", 201)) << "a later sign-in is good (8.5)";
  EXPECT_FALSE(again.revoked.Find("u", "s2", 0));
  EXPECT_EQ(again.revoked.news(), 0u) << "it is on disk already";
}

TEST_F(StateStoreTest, RestoredSetJudgesExactlyAsBefore) {  // semantics.md 8.5, 8.7
  uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  SimDisk disk(seed);
  vfs_ = disk.vfs();
  auto opened = std::make_unique<StateStore::Opened>(Open());
  RevokedSet model(kKeep);  // never restarted
  uint64_t expired_s = 0;
  auto name = [&](const char* what, uint32_t of) { return what + std::to_string(random() % of); };
  for (int step = 0; step < 3'000; ++step) {
    uint32_t action = random() % 100;
    if (action < 80) {
      std::string user = name("u", 40), session = random() % 4 == 0 ? "" : name("s", 10);
      std::string reason = action < 5 ? std::string(300, 'r') : name("why", 9);
      uint32_t time_s = 2'000'000 + random() % 1000;
      opened->revoked.Enter(user, session, time_s, reason);
      model.Enter(user, session, time_s, reason);
    } else if (action < 95) {
      Write(*opened->store,
            {.cursor = std::to_string(step), .revoked = opened->revoked.TakeNews()});
    } else if (action < 97) {
      uint64_t now_s = expired_s =
          std::max<uint64_t>(expired_s, kKeep + 2'000'000 + random() % 400);
      opened->revoked.Expire(now_s);
      model.Expire(now_s);
      Write(*opened->store, {.cursor = std::to_string(step),
                             .revoked = opened->revoked.TakeNews(),
                             .forget_before_s = model.ForgottenBefore(now_s)});
    } else {
      Write(*opened->store, {.cursor = "end", .revoked = opened->revoked.TakeNews()});
      opened.reset();
      opened = std::make_unique<StateStore::Opened>(Open());
      // What was due to be forgotten may be on disk for an hour more.
      opened->revoked.Expire(expired_s);
      model.Expire(expired_s);
      ASSERT_EQ(opened->revoked.size(), model.size()) << "step " << step;
    }
    std::string user = name("u", 40), session = name("s", 10);
    uint32_t began_s = 2'000'000 + random() % 1000;
    auto found = opened->revoked.Find(user, session, began_s);
    auto expected = model.Find(user, session, began_s);
    ASSERT_EQ(found.has_value(), expected.has_value()) << "step " << step;
    if (!found) continue;
    ASSERT_EQ(found->code, expected->code) << "step " << step;
    ASSERT_EQ(found->reason, expected->reason) << "step " << step;
  }
}

TEST_F(StateStoreTest, NoIdLiesOnDisk) {  // docs/formats/gateway.md
  auto opened = Open();
  opened.revoked.Enter("user-with-a-name", "session-with-a-name", 1, "a-reason");
  Write(*opened.store, {.cursor = "c", .revoked = opened.revoked.TakeNews()});
  std::string bytes = AllBytes();
  EXPECT_THAT(bytes, HasSubstr("a-reason")) << "this looks at the right files";
  EXPECT_EQ(bytes.find("user-with-a-name"), std::string::npos);
  EXPECT_EQ(bytes.find("session-with-a-name"), std::string::npos);
}

TEST_F(StateStoreTest, FileIsTheOwnersAlone) {
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
  auto opened = Open();
  for (auto& file : std::filesystem::directory_iterator(folder_.path())) {
    if (file.path().filename().string().find("gateway.db") == std::string::npos) continue;
    auto mode = file.status().permissions() & std::filesystem::perms::mask;
    EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << file.path();
  }
}

TEST_F(StateStoreTest, CursorOfAnotherGatewayIsNotOursItsRevocationsAre) {
  {
    auto opened = Open();
    opened.revoked.Enter("u", "s1", 100, "stolen");
    Write(*opened.store, {.cursor = "c1", .revoked = opened.revoked.TakeNews()});
  }
  id_ = "gw-2";
  EXPECT_EQ(Open().cursor, "");
  EXPECT_TRUE(Open().revoked.Find("u", "s1", 0));
  id_ = "gw-1";
  EXPECT_EQ(Open().cursor, "") << "it is gw-2's state now";
}

TEST_F(StateStoreTest, StateOfAnotherPlaneIsRefused) {
  Open();
  plane_ = "milky-way";
  auto refused = TryOpen();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().field, "plane");
  EXPECT_THAT(refused.error().message, HasSubstr("is the state of plane galaxy"));
  plane_ = "galaxy";
  EXPECT_TRUE(TryOpen()) << "and nothing was changed";
}

TEST_F(StateStoreTest, SecondProcessOnTheFolderIsRefused) {
  auto opened = Open();
  auto refused = TryOpen();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kAlreadyExists);
  EXPECT_EQ(refused.error().field, "data");
}

TEST_F(StateStoreTest, OldRevocationsLeaveAndTheOthersStay) {  // semantics.md 8.7
  {
    auto opened = Open();
    for (uint32_t t = 1; t <= 9; ++t) {
      opened.revoked.Enter("u", "s" + std::to_string(t), t, "x");
    }
    Write(*opened.store, {.cursor = "c", .revoked = opened.revoked.TakeNews()});
    Write(*opened.store, {.cursor = "c", .revoked = {}, .forget_before_s = 5});
  }
  auto again = Open();
  EXPECT_EQ(again.revoked.size(), 5u);
  EXPECT_FALSE(again.revoked.Find("u", "s4", 0));
  EXPECT_TRUE(again.revoked.Find("u", "s5", 0));
}

TEST_F(StateStoreTest, DamageIsFoundAndTheWayOutIsNamed) {  // semantics.md 8.7
  {
    auto opened = Open();
    for (int i = 0; i < 50; ++i) opened.revoked.Enter("u", std::to_string(i), 100, "x");
    Write(*opened.store, {.cursor = "c1", .revoked = opened.revoked.TakeNews()});
  }
  std::string whole = folder_.File("whole");
  std::filesystem::copy_file(folder_.File("gateway.db"), whole);
  std::string one = "key = (SELECT key FROM revoked LIMIT 1)";
  for (std::string sql :
       {"DELETE FROM revoked WHERE " + one, "UPDATE revoked SET time_s = 99 WHERE " + one,
        "UPDATE revoked SET reason = 'y' WHERE " + one,
        "UPDATE revoked SET key = x'00112233445566778899aabbccddeeff' WHERE " + one,
        "UPDATE revoked SET key = x'00' WHERE " + one,
        std::string("INSERT INTO revoked VALUES(x'00112233445566778899aabbccddeeff', 1, '')"),
        std::string("UPDATE state SET cursor = 'c2'"),
        std::string("UPDATE state SET secret = x'00112233445566778899aabbccddeeff'"),
        std::string("UPDATE state SET secret = x'00'"),
        std::string("UPDATE state SET revoked_count = revoked_count - 1"),
        std::string("DELETE FROM state"), std::string("DROP TABLE revoked"),
        std::string("PRAGMA user_version = 0")}) {
    Damage(sql);
    auto refused = TryOpen();
    ASSERT_FALSE(refused) << sql;
    if (sql.find("DROP") == std::string::npos) {
      EXPECT_THAT(refused.error().message, HasSubstr("move that file and its -wal away")) << sql;
    }
    std::filesystem::copy_file(whole, folder_.File("gateway.db"),
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_TRUE(TryOpen()) << sql;
  }
}

TEST_F(StateStoreTest, FileThatIsNoneIsRefused) {
  std::ofstream(folder_.File("gateway.db")) << std::string(10'000, 'x');
  auto refused = TryOpen();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("move that file and its -wal away"));
  std::filesystem::remove(folder_.File("gateway.db"));
  Damage("CREATE TABLE t(x)");
  EXPECT_THAT(TryOpen().error().message, HasSubstr("not a gateway's state"));
}

TEST_F(StateStoreTest, StateOfANewerProgramIsRefused) {
  Open();
  Damage("PRAGMA user_version = 2");
  EXPECT_THAT(TryOpen().error().message, HasSubstr("newer program"));
}

TEST(StateStoreOnABadDisk, EveryBitOfTheFileIsWatchedOrDoesNotMatter) {  // semantics.md 8.7
  // A flipped bit is refused, or changes nothing of what the gateway goes by.
  uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  int refused = 0;
  for (int i = 0; i < 2'000; ++i) {
    SimDisk disk(random());
    StateStore::Options options{.folder = "data",
                                .gateway_id = "gw",
                                .plane = "p",
                                .revoked_keep_s = kKeep,
                                .vfs = disk.vfs()};
    {
      auto opened = StateStore::Open(options);
      for (int s = 0; s < 20; ++s) opened->revoked.Enter("u", std::to_string(s), 100, "reason");
      StateChange change{.cursor = "c1", .revoked = opened->revoked.TakeNews()};
      ASSERT_TRUE(opened->store->Write(change));
    }
    uint64_t size = disk.Content("data/gateway.db")->size();
    uint64_t at = random() % size;
    ASSERT_TRUE(disk.Damage("data/gateway.db", at, static_cast<uint8_t>(1 << random() % 8)));
    auto opened = StateStore::Open(options);
    refused += opened ? 0 : 1;
    if (!opened) continue;
    ASSERT_EQ(opened->cursor, "c1") << at;
    ASSERT_EQ(opened->revoked.size(), 20u) << at;
    for (int s = 0; s < 20; ++s) {
      auto found = opened->revoked.Find("u", std::to_string(s), 0);
      ASSERT_TRUE(found) << at;
      ASSERT_EQ(found->reason, "reason") << at;
    }
  }
  EXPECT_GT(refused, 20);
}

TEST_F(StateStoreTest, FolderThatCannotBeUsedIsAnError) {
  EXPECT_FALSE(StateStore::Open({.folder = "/proc/nowhere", .gateway_id = "gw", .plane = "p"}));
}

}  // namespace
}  // namespace galaxy::push
