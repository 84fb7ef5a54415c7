#include "http/sse.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace galaxy::push {
namespace {

struct Recorder : SseHandler {
  void OnEvent(std::string_view event, std::string_view data, std::string_view last_id) override {
    heard.push_back(std::string(event) + "|" + std::string(data) + "|" + std::string(last_id));
  }
  void OnRetry(uint64_t retry_ms) override { heard.push_back("retry|" + std::to_string(retry_ms)); }
  std::vector<std::string> heard;
};

using Heard = std::vector<std::string>;

Heard Parse(std::string_view bytes, size_t piece = ~size_t{0}) {
  Recorder recorder;
  SseParser parser(recorder);
  for (size_t i = 0; i < bytes.size(); i += std::min(piece, bytes.size() - i)) {
    EXPECT_TRUE(parser.Feed(bytes.substr(i, piece)));
  }
  return recorder.heard;
}

TEST(SseEncoder, WritesEventsThatTheParserReads) {
  std::string out;
  ASSERT_TRUE(AppendSseEvent(out, "7", "{\"a\":1}"));
  ASSERT_TRUE(AppendSseEvent(out, std::nullopt, "one\ntwo\r\nthree\rfour"));
  ASSERT_TRUE(AppendSseEvent(out, "8", ""));
  AppendSseRetry(out, 1500);
  AppendSseComment(out, "keep\nalive");
  EXPECT_EQ(out,
            "id: 7\ndata: {\"a\":1}\n\n"
            "data: one\ndata: two\ndata: three\ndata: four\n\n"
            "id: 8\ndata: \n\nretry: 1500\n\n: keep alive\n\n");
  EXPECT_EQ(Parse(out), (Heard{"message|{\"a\":1}|7", "message|one\ntwo\nthree\nfour|7",
                               "message||8", "retry|1500"}));
}

TEST(SseEncoder, RefusesAnIdThatWouldInjectALine) {
  for (std::string id : {std::string("a\nb"), std::string("a\rb"), std::string("a\0b", 3)}) {
    std::string out = "before";
    EXPECT_FALSE(AppendSseEvent(out, id, "x"));
    EXPECT_EQ(out, "before");
  }
}

TEST(SseEncoder, PrefixAndSuffixMakeTheSameEvent) {
  std::string whole, parts;
  ASSERT_TRUE(AppendSseEvent(whole, "1", "data"));
  ASSERT_TRUE(AppendSsePrefix(parts, "1"));
  parts += "data";
  parts += kSseSuffix;
  EXPECT_EQ(whole, parts);
}

TEST(SseParser, FollowsTheStandardHoweverTheBytesAreCut) {
  struct Row {
    const char* bytes;
    Heard expected;
  };
  for (const Row& row : std::vector<Row>{
           {"data: a\n\n", {"message|a|"}},
           {"\xEF\xBB\xBF"
            "data: a\n\n",
            {"message|a|"}},
           {"data:a\r\ndata:b\r\n\r\n", {"message|a\nb|"}},
           {"data: a\r\rdata: b\r\r", {"message|a|", "message|b|"}},
           {"event: e\nid: 1\ndata: a\n\ndata: b\n\n", {"e|a|1", "message|b|1"}},
           {"data\n\n", {"message||"}},
           {"data\ndata\n\n", {"message|\n|"}},
           {"data:  two spaces\n\n", {"message| two spaces|"}},
           {": comment\n\ndata: a\n\n", {"message|a|"}},
           {"event: e\n\ndata: a\n\n", {"message|a|"}},  // a type without data is forgotten
           {"id: 5\n\ndata: a\n\n", {"message|a|5"}},
           {"id: 5\nid\ndata: a\n\n", {"message|a|"}},
           {"retry: 10\nretry: 1x\nretry: -1\nretry:\n\n", {"retry|10"}},
           {"unknown: x\ndata: a\nDATA: b\n\n", {"message|a|"}},
           {"data: never ended", {}},
           {"data: no empty line\n", {}},
       }) {
    for (size_t piece : {1u, 2u, 3u, 1000u}) {
      EXPECT_EQ(Parse(row.bytes, piece), row.expected) << row.bytes << " by " << piece;
    }
  }
}

TEST(SseParser, AnEventThatWasCutOffDoesNotMoveTheIdToResumeAt) {
  // docs/semantics.md 7.4: the next connection resumes after what has been received whole.
  Recorder recorder;
  SseParser parser(recorder);
  ASSERT_TRUE(parser.Feed("id: 1\ndata: a\n\nid: 2\ndata: b\n"));
  EXPECT_EQ(parser.last_id(), "1");
}

TEST(SseParser, RefusesAnEventOverTheLimit) {
  Recorder recorder;
  SseParser parser(recorder, 20);
  EXPECT_TRUE(parser.Feed("data: 0123456789\n"));
  EXPECT_FALSE(parser.Feed("data: 0123456789"));
}

}  // namespace
}  // namespace galaxy::push
