#include "log/log_on_loop.h"

namespace galaxy::push {

LogOnLoop::LogOnLoop(Loop& loop, Log& log, Options options)
    : loop_(loop), log_(log), options_(options) {
  log_.SetWaker([this] { Wake(); });
  ArmExpire();
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
  bool committed = log_.CommitOnce(loop_.clock().WallMs());
  bool more = log_.Maintain();
  if (committed || more) Wake();
}

void LogOnLoop::ArmExpire() {
  expire_ = loop_.RunAfter(Log::kWorkIntervalMs, [this] {
    log_.Expire(loop_.clock().WallMs());
    Wake();
    ArmExpire();
  });
}

}  // namespace galaxy::push
