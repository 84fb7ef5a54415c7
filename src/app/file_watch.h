#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "net/loop.h"
#include "net/tls_files.h"
#include "ops/logger.h"

namespace galaxy::push {

// Reads files of a node again while it runs: certificates, roles. What does not load leaves what is
// in use in use, with a warning.
//   Threads  One loop. Loop and logger outlive it.
class FileWatch {
 public:
  // True when there was something new.
  using Reload = std::function<Result<bool>()>;

  FileWatch(Loop& loop, uint64_t interval_ms, Logger& logger)
      : loop_(loop), interval_ms_(interval_ms), logger_(logger) {}
  void Add(std::string what, Reload reload) {
    if (files_.empty()) Arm();
    files_.emplace_back(std::move(what), std::move(reload));
  }
  void Add(std::string what, TlsFiles* files) {
    if (files != nullptr) Add(std::move(what), [files] { return files->Reload(); });
  }

 private:
  void Arm() {
    timer_ = loop_.RunAfter(interval_ms_, [this] {
      Look();
      Arm();
    });
  }
  void Look() {
    for (auto& [what, reload] : files_) {
      Result<bool> changed = reload();
      if (!changed) {
        logger_.Warn("Files were not reloaded.",
                     {{"what", what}, {"reason", changed.error().message}});
      } else if (*changed) {
        logger_.Info("Files were reloaded.", {{"what", what}});
      }
    }
  }

  Loop& loop_;
  const uint64_t interval_ms_;
  Logger& logger_;
  std::vector<std::pair<std::string, Reload>> files_;
  Timer timer_;
};

}  // namespace galaxy::push
