#include "app/line_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <thread>

#include "net/loop.h"

namespace galaxy::push {
namespace {

using ::testing::ElementsAre;

// A pipe whose other end a thread writes.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe(fds_.data()), 0); }
  ~Pipe() {
    if (writer_.joinable()) writer_.join();
    close(fds_[0]);
    if (fds_[1] >= 0) close(fds_[1]);
  }
  void WriteAll(std::string text) {
    writer_ = std::thread([this, text = std::move(text)] {
      for (size_t at = 0; at < text.size();) {
        ssize_t wrote = write(fds_[1], text.data() + at, text.size() - at);
        if (wrote <= 0) break;
        at += static_cast<size_t>(wrote);
      }
      close(std::exchange(fds_[1], -1));
    });
  }
  int fd() const { return fds_[0]; }

 private:
  std::array<int, 2> fds_{};
  std::thread writer_;
};

struct Fixture {
  void Read(std::string text, size_t line_bytes_max = 1 << 20) {
    pipe.WriteAll(std::move(text));
    reader = LineReader::Start(
        loop, pipe.fd(), line_bytes_max,
        [this](std::string_view line) {
          if (refuse_next && std::exchange(refuse_next, false)) {
            loop.Post([this] { reader->Resume(); });
            return false;
          }
          lines.emplace_back(line);
          refuse_next = refuse_every_second;
          return true;
        },
        [this](const Status& status) {
          end = status;
          loop.Stop();
        });
    loop.Run();
  }

  Loop loop;
  Pipe pipe;
  std::unique_ptr<LineReader> reader;
  std::vector<std::string> lines;
  std::optional<Status> end;
  bool refuse_every_second = false;
  bool refuse_next = false;
};

TEST(LineReader, HandsOverEachLineAndTheLastWithoutItsBreak) {
  Fixture f;
  f.Read("one\n\ntwo\nthree");
  EXPECT_THAT(f.lines, ElementsAre("one", "", "two", "three"));
  EXPECT_TRUE(f.end->has_value());
}

TEST(LineReader, AnEmptyInputEndsWithoutALine) {
  Fixture f;
  f.Read("");
  EXPECT_TRUE(f.lines.empty());
  EXPECT_TRUE(f.end.has_value());
}

TEST(LineReader, ARefusedLineIsOfferedAgain) {
  Fixture f;
  f.refuse_every_second = true;
  f.Read("1\n2\n3\n4\n");
  EXPECT_THAT(f.lines, ElementsAre("1", "2", "3", "4"));
}

TEST(LineReader, ManyBlocksArriveInOrderAndWhole) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "line " + std::to_string(i) + "\n";
  Fixture f;
  f.Read(text);
  ASSERT_EQ(f.lines.size(), 100'000u);
  for (size_t i = 0; i < f.lines.size(); ++i) ASSERT_EQ(f.lines[i], "line " + std::to_string(i));
  EXPECT_EQ(f.reader->bytes_taken(), text.size());
}

TEST(LineReader, ALineWithoutEndIsRefused) {
  Fixture f;
  f.Read(std::string(3 << 20, 'x'), 1 << 20);
  ASSERT_TRUE(f.end.has_value());
  ASSERT_FALSE(f.end->has_value());
  EXPECT_EQ(f.end->error().code, Code::kTooLarge);
  f.reader.reset();  // ends the thread
  std::array<char, 1 << 16> rest;
  while (read(f.pipe.fd(), rest.data(), rest.size()) > 0) {
  }
}

}  // namespace
}  // namespace galaxy::push
