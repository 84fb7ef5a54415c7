#include "log/digest.h"

#include <gtest/gtest.h>

#include <cstring>

#include "log/siphash.h"

namespace galaxy::push {
namespace {

constexpr SipHasher::Key kKey = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// SipHash of the bytes 0, 1, 2 … `words` * 8 - 1, as hex.
std::string HashOfWords(int words) {
  SipHasher hash(kKey);
  for (int i = 0; i < words; ++i) {
    unsigned char bytes[8];
    for (int j = 0; j < 8; ++j) bytes[j] = static_cast<unsigned char>(i * 8 + j);
    uint64_t word;
    std::memcpy(&word, bytes, 8);
    hash.AddWord(word);
  }
  auto result = hash.Finish();
  unsigned char bytes[16];
  std::memcpy(bytes, result.data(), 16);
  std::string hex;
  for (unsigned char byte : bytes) {
    hex += "0123456789ABCDEF"[byte >> 4];
    hex += "0123456789ABCDEF"[byte & 15];
  }
  return hex;
}

TEST(SipHash, AgreesWithOpenSsl) {
  // openssl mac -macopt hexkey:000102…0f -macopt size:16 SIPHASH
  EXPECT_EQ(HashOfWords(0), "A3817F04BA25A8E66DF67214C7550293");
  EXPECT_EQ(HashOfWords(1), "3B62A9BA6258F5610F83E264F31497B4");
  EXPECT_EQ(HashOfWords(8), "1EAF077DC0D4CD3F8CAD4D383658A74B");
}

TEST(EntryHasher, TheKeyIsUserSessionAndEventId) {
  // semantics.md 2.2
  EntryHasher hasher(kKey);
  const EntryView base{EntryType::kEvent, "u", "s", "k", "{}", "e", "r", "t", "", ""};
  const EntryDigest digest = hasher.Digest(base);
  for (std::string_view EntryView::*member :
       {&EntryView::user_id, &EntryView::device_session_id, &EntryView::event_id}) {
    EntryView other = base;
    other.*member = "other";
    EXPECT_NE(hasher.Digest(other).key, digest.key);
    EXPECT_EQ(hasher.Digest(other).content, digest.content);
  }
  for (std::string_view EntryView::*member : {&EntryView::kind, &EntryView::payload}) {
    EntryView other = base;
    other.*member = "other";
    EXPECT_EQ(hasher.Digest(other).key, digest.key);
    EXPECT_NE(hasher.Digest(other).content, digest.content);
  }
  for (std::string_view EntryView::*member : {&EntryView::request_id, &EntryView::trace_id}) {
    EntryView other = base;
    other.*member = "other";
    EXPECT_EQ(hasher.Digest(other), digest);
  }
}

TEST(EntryHasher, MembersDoNotRunIntoEachOther) {
  EntryHasher hasher(kKey);
  auto key = [&](std::string_view user, std::string_view session, std::string_view event) {
    return hasher
        .Digest({.type = EntryType::kEvent,
                 .user_id = user,
                 .device_session_id = session,
                 .event_id = event})
        .key;
  };
  EXPECT_NE(key("ab", "c", "d"), key("a", "bc", "d"));
  EXPECT_NE(key("a", "", "b"), key("a", "b", ""));
  EXPECT_NE(key("a", "", std::string_view("b\0", 2)), key("a", "", "b"));
}

TEST(EntryHasher, SeedsAreSecretAndDifferent) {
  EntryView view{.type = EntryType::kEvent, .user_id = "u"};
  EXPECT_NE(EntryHasher::Random().Digest(view).key, EntryHasher::Random().Digest(view).key);
}

}  // namespace
}  // namespace galaxy::push
