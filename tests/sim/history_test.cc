#include "history.h"

#include <gtest/gtest.h>

#include <sstream>

namespace galaxy::push::sim {
namespace {

TEST(History, EveryLineAndItsTimeAreInTheHash) {
  History a, b, c;
  a.Add("backend", "starts");
  b.Add("backend", "stops");
  EXPECT_NE(a.hash(), b.hash());
  c.SetTime(1);
  c.Add("backend", "starts");
  EXPECT_NE(a.hash(), c.hash());
}

TEST(History, KeepsTheNewestLinesAndSaysHowManyWereBefore) {
  History history(2);
  for (const char* what : {"one", "two", "three"}) history.Add("world", what);
  std::ostringstream out;
  history.Print(out, 10);
  EXPECT_EQ(out.str(),
            "  … 1 lines before\n"
            "      0.000  world       two\n"
            "      0.000  world       three\n");
}

}  // namespace
}  // namespace galaxy::push::sim
