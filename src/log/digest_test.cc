#include "log/digest.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

TEST(EntryHasher, TheKeyIsUserSessionAndEventId) {
  // semantics.md 2.2
  const EntryHasher hasher = EntryHasher::Random();
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
  const EntryHasher hasher = EntryHasher::Random();
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
