#include "log/log_on_loop.h"

namespace galaxy::push {

LogOnLoop::LogOnLoop(Loop& loop, Log& log, Options options)
    : loop_(loop), log_(log), options_(options) {
  log_.SetWaker([this] { Wake(); });
  ArmInterval();
}

LogOnLoop::~LogOnLoop() {
  *alive_ = false;
  log_.SetWaker({});
}

void LogOnLoop::Wake() {
  if (scheduled_) return;
  scheduled_ = true;
  if (options_.commit_ms > 0) {
    commit_ = loop_.RunAfter(options_.commit_ms, [this] { Commit(); });
  } else {
    loop_.Post([this, lives = alive_] {
      if (*lives) Commit();
    });
  }
}

void LogOnLoop::Commit() {
  scheduled_ = false;
  // What did not fit waits for another commit: nobody wakes us for a queue that was not empty.
  if (log_.Work(loop_.clock().WallMs(), loop_.clock().MonoMs())) Wake();
}

void LogOnLoop::ArmInterval() {
  interval_ = loop_.RunAfter(Log::kWorkIntervalMs, [this] {
    Wake();
    ArmInterval();
  });
}

}  // namespace galaxy::push
