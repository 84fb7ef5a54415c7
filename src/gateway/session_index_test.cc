#include "gateway/session_index.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

std::vector<const IndexedSession*> SessionsOf(const SessionIndex& index, std::string_view user,
                                              uint64_t hash) {
  std::vector<const IndexedSession*> found;
  const UserNode* node = index.Find(user, hash);
  for (auto* at = node ? node->first : nullptr; at; at = at->next_of_user()) found.push_back(at);
  return found;
}

TEST(SessionIndex, EventIsForTheNamedSessionOrForAll) {  // semantics.md 7.3
  SessionIndex index;
  IndexedSession a, b;
  index.Add(a, "u", 1, "s1");
  index.Add(b, "u", 1, "s2");
  EXPECT_TRUE(a.IsMeantBy("s1"));
  EXPECT_FALSE(a.IsMeantBy("s2"));
  EXPECT_FALSE(a.IsMeantBy("s"));
  EXPECT_TRUE(a.IsMeantBy(""));
  index.Remove(a);
  index.Remove(b);
}

TEST(SessionIndex, UsersWithTheSameHashStayApart) {  // semantics.md 7.3
  SessionIndex index;
  IndexedSession a, b, c;
  index.Add(a, "alice", 7, "s");
  index.Add(b, "bob", 7, "s");
  index.Add(c, "alice", 7, "t");
  EXPECT_EQ(SessionsOf(index, "alice", 7).size(), 2u);
  EXPECT_EQ(SessionsOf(index, "bob", 7), std::vector<const IndexedSession*>{&b});
  EXPECT_TRUE(SessionsOf(index, "carol", 7).empty());
  index.Remove(a);
  EXPECT_EQ(SessionsOf(index, "alice", 7), std::vector<const IndexedSession*>{&c});
  index.Remove(c);
  EXPECT_TRUE(SessionsOf(index, "alice", 7).empty());
  EXPECT_EQ(index.users(), 1u);
  index.Remove(b);
  index.Remove(b);  // again: nothing
}

}  // namespace
}  // namespace galaxy::push
