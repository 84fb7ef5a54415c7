#include "log/log_on_loop.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kExpireIntervalMs = 1'000;

}  // namespace

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
  if (log_.CommitOnce(loop_.clock().WallMs())) Wake();
}

void LogOnLoop::ArmExpire() {
  expire_ = loop_.RunAfter(kExpireIntervalMs, [this] {
    log_.Expire(loop_.clock().WallMs());
    ArmExpire();
  });
}

}  // namespace galaxy::push
