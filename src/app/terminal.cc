#include "app/terminal.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "net/loop.h"

namespace galaxy::push {

void Complain(std::string_view command, std::string_view text) {
  std::fprintf(stderr, "galaxy-push %.*s: %.*s\n", static_cast<int>(command.size()), command.data(),
               static_cast<int>(text.size()), text.data());
}

void LineOutput::Line(std::string_view line) {
  waiting_ += line;
  waiting_ += '\n';
  if (waiting_.size() >= 256 * 1024) Flush();
  if (!std::exchange(deferred_, true)) loop_.Defer([this] { Flush(); });
}

void LineOutput::Flush() {
  deferred_ = false;
  std::string_view rest = waiting_;
  while (!rest.empty() && !failed_) {
    ssize_t wrote = write(STDOUT_FILENO, rest.data(), rest.size());
    if (wrote > 0) {
      rest.remove_prefix(static_cast<size_t>(wrote));
    } else if (errno != EINTR) {
      failed_ = true;
      loop_.Stop();
    }
  }
  waiting_.clear();
}

}  // namespace galaxy::push
