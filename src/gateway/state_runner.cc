#include "gateway/state_runner.h"

namespace galaxy::push {

StateThread::StateThread(StateWriter& writer) : writer_(writer) {
  writer_.SetWaker([this] { Wake(/*stop=*/false); });
  thread_ = std::thread([this] { Run(); });
}

StateThread::~StateThread() {
  Wake(/*stop=*/true);
  thread_.join();
  writer_.SetWaker([] {});
}

void StateThread::Wake(bool stop) {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
    stopping_ = stopping_ || stop;
  }
  changed_.notify_one();
}

void StateThread::Run() {
  for (bool last = false; !last;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return woken_; });
      woken_ = false;
      last = stopping_;
    }
    while (writer_.WriteOnce()) {
    }
  }
}

StateOnLoop::StateOnLoop(Loop& loop, StateWriter& writer, uint64_t write_ms)
    : loop_(loop), writer_(writer), write_ms_(write_ms) {
  writer_.SetWaker([this] { Wake(); });
}

StateOnLoop::~StateOnLoop() {
  *alive_ = false;
  writer_.SetWaker([] {});
}

void StateOnLoop::Wake() {
  if (scheduled_) return;
  scheduled_ = true;
  if (write_ms_ > 0) {
    write_ = loop_.RunAfter(write_ms_, [this] { Write(); });
  } else {
    loop_.Post([this, lives = alive_] {
      if (*lives) Write();
    });
  }
}

void StateOnLoop::Write() {
  scheduled_ = false;
  writer_.WriteOnce();
}

}  // namespace galaxy::push
