#include "event/partition.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <utility>

namespace galaxy::push {
namespace {

uint32_t BitByBit(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

TEST(Partition, IsTheCrcThatOthersComputeModulo256) {
  // The check value of CRC-32/ISO-HDLC, and what zlib says of some users.
  EXPECT_EQ(Crc32("123456789"), 0xCBF43926u);
  EXPECT_EQ(Crc32(""), 0u);
  EXPECT_EQ(PartitionOf("123456789"), 0x26u);
  EXPECT_EQ(Crc32("alice"), 0x278EBC47u);
  EXPECT_EQ(Crc32("0190f3a2-7c11-7e55-9d4e-0a1b2c3d4e5f"), 0x4245FEA0u);
  EXPECT_EQ(Crc32("Jürgen"), 0x01721A49u);
}

TEST(Partition, OfAnyBytesIsThatOfTheDefinition) {
  std::mt19937_64 random(42);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 70, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    ASSERT_EQ(Crc32(bytes), BitByBit(bytes)) << "round " << round;
  }
}

TEST(Partition, SpreadsUsersEvenly) {
  std::array<int, kPartitions> users{};
  for (int i = 0; i < 256'000; ++i) ++users[PartitionOf("user-" + std::to_string(i))];
  for (int count : users) {
    EXPECT_GT(count, 800);
    EXPECT_LT(count, 1200);
  }
}

TEST(PartitionSet, IsAllUnlessToldOtherwise) {
  PartitionSet set;
  EXPECT_TRUE(set.all());
  EXPECT_EQ(set.size(), 256u);
  EXPECT_EQ(set.Format(), "0-255");
  EXPECT_TRUE(set.HasUser("anybody"));
}

TEST(PartitionSet, HasOneFormHoweverItIsWritten) {
  const std::pair<const char*, const char*> kCases[] = {
      {"0-63,128,200-255", "0-63,128,200-255"},
      {"200-255,128,0-63", "0-63,128,200-255"},
      {"1,2,3,5", "1-3,5"},
      {"0", "0"},
      {"255", "255"},
      {"7-7", "7"},
      {"0-127,128-255", "0-255"},
  };
  for (auto [text, form] : kCases) {
    Result<PartitionSet> set = PartitionSet::Parse(text, "partitions");
    ASSERT_TRUE(set.has_value()) << text;
    EXPECT_EQ(set->Format(), form);
    EXPECT_EQ(*PartitionSet::Parse(set->Format(), "partitions"), *set);
  }
}

TEST(PartitionSet, HasThePartitionsOfItsTextAndNoOther) {
  PartitionSet set = *PartitionSet::Parse("0-63,128,200-255", "partitions");
  EXPECT_EQ(set.size(), 64u + 1 + 56);
  EXPECT_FALSE(set.all());
  for (unsigned p = 0; p < kPartitions; ++p) {
    EXPECT_EQ(set.Has(p), p <= 63 || p == 128 || p >= 200) << p;
  }
  EXPECT_FALSE(set.Has(kPartitions));
  // 123456789 is in 38, alice in 129.
  EXPECT_TRUE(set.HasUser("123456789"));
  EXPECT_FALSE(set.HasUser("alice"));
}

TEST(PartitionSet, TheLongestFormFitsTheLimit) {
  std::string text;
  for (unsigned p = 0; p + 1 < kPartitions; p += 3) {
    text += (p ? "," : "") + std::to_string(p) + "-" + std::to_string(p + 1);
  }
  Result<PartitionSet> set = PartitionSet::Parse(text, "partitions");
  ASSERT_TRUE(set.has_value());
  EXPECT_EQ(set->Format(), text);
  EXPECT_LE(text.size(), PartitionSet::kTextBytesMax);
}

TEST(PartitionSet, RefusesWhatIsNoListAndNamesFieldAndLimit) {
  for (const char* text : {"", ",", "0,", ",0", "256", "0-256", "9-3", "-1", "1-", "-", "1--3",
                           "0 - 3", " 1", "+1", "0x10", "a", "1-2-3", "99999999999"}) {
    Result<PartitionSet> set = PartitionSet::Parse(text, "push-partitions");
    ASSERT_FALSE(set.has_value()) << text;
    EXPECT_EQ(set.error().code, Code::kInvalidArgument);
    EXPECT_EQ(set.error().field, "push-partitions");
    EXPECT_EQ(set.error().message,
              "push-partitions: a list of partitions is numbers and ascending ranges from 0 to 255 "
              "as in 0-63,128");
  }
  EXPECT_EQ(PartitionSet::Parse("0-9,5", "--partitions").error().message,
            "--partitions: partition 5 is listed twice");
  EXPECT_EQ(PartitionSet::Parse(std::string(1025, '1'), "--partitions").error().message,
            "--partitions: the list has 1025 bytes, the limit is 1024");
}

TEST(PartitionOfEntry, InvalidationsAndCanariesAreForEverybody) {
  auto of = [](EntryType type, std::string_view user) {
    return PartitionOfEntry({.type = type, .user_id = user});
  };
  EXPECT_EQ(of(EntryType::kEvent, "alice"), 71);
  EXPECT_EQ(of(EntryType::kInvalidation, "alice"), kEveryPartition);
  EXPECT_EQ(of(EntryType::kEvent, "galaxy:canary"), kEveryPartition);
  EXPECT_EQ(of(EntryType::kNone, ""), kEveryPartition);
  PartitionSet none_of_these = *PartitionSet::Parse("0", "partitions");
  EXPECT_TRUE(none_of_these.Takes(kEveryPartition));
  EXPECT_FALSE(none_of_these.Takes(71));
}

}  // namespace
}  // namespace galaxy::push
