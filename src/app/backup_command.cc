#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "app/commands.h"
#include "app/terminal.h"
#include "base/clock.h"
#include "log/log_backup.h"
#include "ops/exit_code.h"

namespace galaxy::push {
namespace {

class BackupCommand final : public Command {
 public:
  BackupCommand() {
    table_.Text({.name = "data",
                 .text = "The data directory of a backend, running or not.",
                 .placeholder = "DIR",
                 .required = true,
                 .positional = true},
                from_);
    table_.Text(
        {.name = "out",
         .text = "The folder for the copy; made when it is missing, refused when it holds a "
                 "log.",
         .placeholder = "DIR",
         .required = true,
         .positional = true,
         .command_line = true},
        to_);
    table_.SizeBytes({.name = "rate",
                      .text = "Copy at most this much a second, so that the backend's own syncs do "
                              "not wait for the disk.",
                      .fallback = "64MiB",
                      .low = "1MiB",
                      .high = "16GiB"},
                     rate_);
  }
  OptionTable& options() override { return table_; }
  std::string_view summary() const override {
    return "Copies the log of a backend, also of a running one";
  }
  std::string_view details() const override {
    return "The copy is the log as it was at one moment: every entry acknowledged before the start "
           "is in it.\nIt is read back and checked before it gets its name. To restore, start a "
           "backend with --data on\nthe copy; docs/operations/log.md tells what gateways see "
           "then.\n\n"
           "    galaxy-push backup /var/lib/galaxy-push /backup/galaxy-push-2025-11-22\n"
           "    galaxy-push backup --data data --out copy --rate 16MiB\n\n"
           "Exit status: 0 copied and checked, 1 it could not be copied or the log is damaged (see "
           "log verify).\n";
  }

  int Run() override {
    const Clock& clock = Clock::Real();
    uint64_t began_ms = clock.MonoMs();
    bool terminal = isatty(STDERR_FILENO) == 1;
    auto pause = [&](uint64_t done, uint64_t all) {
      if (terminal) {
        std::fprintf(stderr, "\r%3llu %% of %llu MiB",
                     static_cast<unsigned long long>(done * 100 / all),
                     static_cast<unsigned long long>(all >> 20));
      }
      uint64_t due_ms = began_ms + done * 1000 / rate_;
      uint64_t now_ms = clock.MonoMs();
      if (now_ms < due_ms) std::this_thread::sleep_for(std::chrono::milliseconds(due_ms - now_ms));
      return true;
    };
    Result<LogContents> copied = BackupLog(from_, to_, pause);
    if (terminal) std::fputs("\r                    \r", stderr);
    if (!copied) {
      Complain("backup", copied.error().message);
      return kExitFailed;
    }
    std::printf("copied and checked: %llu entries up to %s, %llu retained invalidations, in %s\n",
                static_cast<unsigned long long>(copied->entries), copied->head.Format().c_str(),
                static_cast<unsigned long long>(copied->retained), to_.c_str());
    return kExitOk;
  }

 private:
  OptionTable table_{"backup"};
  std::string from_, to_;
  uint64_t rate_ = 0;
};

}  // namespace

std::unique_ptr<Command> NewBackupCommand() { return std::make_unique<BackupCommand>(); }

}  // namespace galaxy::push
