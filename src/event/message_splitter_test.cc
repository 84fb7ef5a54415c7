#include "event/message_splitter.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace galaxy::push {
namespace {

std::string Framed(std::string_view body, char flag = 0) {
  std::string framed(1, flag);
  for (int shift = 24; shift >= 0; shift -= 8) framed += static_cast<char>(body.size() >> shift);
  return framed.append(body);
}

// All messages that `chunk` completes.
std::vector<std::string> Take(MessageSplitter& splitter, std::string_view chunk) {
  std::vector<std::string> messages;
  splitter.Feed(chunk);
  std::string_view framed;
  for (;;) {
    auto more = splitter.Next(framed);
    EXPECT_TRUE(more);
    if (!more || !*more) return messages;
    messages.emplace_back(framed);
  }
}

Error TakeError(std::string_view bytes, size_t limit = kMessageBytesMax) {
  MessageSplitter splitter(limit);
  splitter.Feed(bytes);
  std::string_view framed;
  for (;;) {
    auto more = splitter.Next(framed);
    if (!more) return more.error();
    if (!*more) return {Code::kCancelled, "no error", {}};
  }
}

TEST(MessageSplitter, MessagesComeOutTheSameHoweverTheyAreCut) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::string stream;
    std::vector<std::string> expected;
    for (size_t i = 0; i < 1 + random() % 20; ++i) {
      size_t size = random() % 10 == 0 ? random() % 100'000 : random() % 40;
      expected.push_back(Framed(std::string(size, static_cast<char>('a' + i % 26))));
      stream += expected.back();
    }
    MessageSplitter splitter;
    std::vector<std::string> got;
    for (size_t at = 0; at < stream.size();) {
      size_t size = std::min(stream.size() - at, 1 + random() % (random() % 2 ? 8 : 50'000));
      std::string chunk = stream.substr(at, size);  // its own memory: sanitizers see a stale view
      for (auto& message : Take(splitter, chunk)) got.push_back(message);
      at += size;
    }
    ASSERT_EQ(got, expected);
    ASSERT_EQ(splitter.pending(), 0u);
  }
}

TEST(MessageSplitter, AMessageInOneChunkIsNotCopied) {
  MessageSplitter splitter;
  std::string stream = Framed("one") + Framed("two") + Framed("");
  splitter.Feed(stream);
  std::string_view framed;
  size_t at = 0;
  for (size_t size : {8u, 8u, 5u}) {
    ASSERT_TRUE(*splitter.Next(framed));
    EXPECT_EQ(framed.data(), stream.data() + at);
    EXPECT_EQ(framed.size(), size);
    at += size;
  }
  EXPECT_EQ(EntryMessage(framed), "");
  EXPECT_FALSE(*splitter.Next(framed));
}

TEST(MessageSplitter, TheTailIsCopiedAndTheRestOfTheNextChunkIsNot) {
  MessageSplitter splitter;
  std::string first = Framed("a message").substr(0, 7);
  EXPECT_TRUE(Take(splitter, first).empty());
  EXPECT_EQ(splitter.pending(), 7u);
  std::string second = Framed("a message").substr(7) + Framed("whole");
  splitter.Feed(second);
  std::string_view framed;
  ASSERT_TRUE(*splitter.Next(framed));
  EXPECT_EQ(framed, Framed("a message"));
  ASSERT_TRUE(*splitter.Next(framed));
  EXPECT_EQ(framed.data(), second.data() + 7);
}

TEST(MessageSplitter, CompressedMessagesAreUnimplemented) {
  EXPECT_EQ(TakeError(Framed("x", 1)).code, Code::kUnimplemented);
  EXPECT_EQ(TakeError(Framed("x", 2)).code, Code::kInvalidArgument);
  EXPECT_EQ(TakeError(Framed("good") + Framed("x", 1)).code, Code::kUnimplemented);
}

TEST(MessageSplitter, ALengthOverTheLimitIsRefusedBeforeItsBytesCome) {
  EXPECT_EQ(TakeError(Framed(std::string(11, 'x')).substr(0, 5), 10).code, Code::kTooLarge);
  EXPECT_EQ(TakeError(Framed(std::string(10, 'x')), 10).code, Code::kCancelled);
  EXPECT_EQ(TakeError(std::string("\0\xFF\xFF\xFF\xFF", 5)).code, Code::kTooLarge);
}

TEST(MessageSplitter, TheLimitHoldsWhenThePrefixComesInPieces) {
  MessageSplitter splitter(10);
  EXPECT_TRUE(Take(splitter, std::string_view("\0\0\0", 3)).empty());
  splitter.Feed(std::string_view("\0\x0B", 2));
  std::string_view framed;
  auto more = splitter.Next(framed);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, Code::kTooLarge);
}

}  // namespace
}  // namespace galaxy::push
