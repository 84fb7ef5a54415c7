#include "app/line_reader.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "net/loop.h"

namespace galaxy::push {
namespace {

constexpr size_t kBlockBytes = 256 * 1024;

// A signal between threads that poll() can wait for.
class WakeUp {
 public:
  WakeUp() : fd_(eventfd(0, EFD_CLOEXEC)) {}
  ~WakeUp() { close(fd_); }
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;
  int fd() const { return fd_; }
  void Signal() {
    uint64_t one = 1;
    (void)!write(fd_, &one, sizeof one);
  }
  void Wait() {
    uint64_t count = 0;
    (void)!read(fd_, &count, sizeof count);
  }

 private:
  int fd_;
};

class ReaderImpl final : public LineReader {
 public:
  ReaderImpl(Loop& loop, int fd, size_t line_bytes_max, Take take, End end)
      : loop_(loop),
        fd_(fd),
        line_bytes_max_(line_bytes_max),
        take_(std::move(take)),
        end_(std::move(end)),
        alive_(std::make_shared<ReaderImpl*>(this)),
        thread_([this] { Read(); }) {}

  ~ReaderImpl() override {
    *alive_ = nullptr;
    stop_.Signal();
    next_.Signal();
    thread_.join();
  }

  void Resume() override {
    if (refused_) TakeLines();
  }
  uint64_t bytes_taken() const override { return bytes_taken_; }

 private:
  // --- the thread
  void Read() {
    std::string block(kBlockBytes, '\0');
    for (;;) {
      std::array<pollfd, 2> fds = {{{fd_, POLLIN, 0}, {stop_.fd(), POLLIN, 0}}};
      if (poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) continue;
      if (fds[1].revents) return;
      ssize_t got = read(fd_, block.data(), block.size());
      if (got < 0 && errno == EINTR) continue;
      Status status;
      if (got < 0) status = Fail(Code::kInternal, std::string("reading: ") + std::strerror(errno));
      bool last = got <= 0;
      std::string bytes = last ? std::string() : block.substr(0, static_cast<size_t>(got));
      loop_.Post([alive = alive_, bytes = std::move(bytes), status, last]() mutable {
        if (ReaderImpl* self = *alive) self->OnBlock(std::move(bytes), std::move(status), last);
      });
      if (last) return;
      next_.Wait();  // one block at a time
    }
  }

  // --- the loop
  void OnBlock(std::string bytes, Status status, bool last) {
    if (from_ > 0) text_.erase(0, from_);
    from_ = 0;
    text_ += bytes;
    last_ = last;
    status_ = std::move(status);
    TakeLines();
  }

  void TakeLines() {
    refused_ = false;
    for (;;) {
      size_t end = text_.find('\n', from_);
      if (end == std::string::npos) break;
      std::string_view line(text_.data() + from_, end - from_);
      if (!take_(line)) {
        refused_ = true;
        return;
      }
      bytes_taken_ += line.size() + 1;
      from_ = end + 1;
    }
    if (text_.size() - from_ > line_bytes_max_)
      return Finish(
          Fail(Code::kTooLarge, "a line is over " + std::to_string(line_bytes_max_) + " bytes"));
    if (!last_) return next_.Signal();
    if (text_.size() > from_) {  // the last line may lack its line break
      text_ += '\n';
      return TakeLines();
    }
    Finish(status_);
  }

  void Finish(const Status& status) {
    if (End end = std::exchange(end_, nullptr)) end(status);
  }

  Loop& loop_;
  int fd_;
  size_t line_bytes_max_;
  Take take_;
  End end_;
  std::string text_;
  size_t from_ = 0;  // what is before was taken
  bool refused_ = false;
  bool last_ = false;
  Status status_;
  uint64_t bytes_taken_ = 0;
  std::shared_ptr<ReaderImpl*> alive_;
  WakeUp stop_;
  WakeUp next_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<LineReader> LineReader::Start(Loop& loop, int fd, size_t line_bytes_max, Take take,
                                              End end) {
  return std::make_unique<ReaderImpl>(loop, fd, line_bytes_max, std::move(take), std::move(end));
}

}  // namespace galaxy::push
