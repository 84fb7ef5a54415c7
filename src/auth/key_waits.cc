#include "auth/key_waits.h"

#include <utility>

#include "base/check.h"

namespace galaxy::push {

KeyWaits::~KeyWaits() {
  for (Waiter& waiter : waiting_) waiter.ticket->waits_ = nullptr;
}

bool KeyWaits::Add(Ticket& ticket, Again again) {
  CHECK(!ticket.waiting());
  if (waiting_.size() >= options_.waiting_max) {
    ++stats_.refused;
    return false;
  }
  ++stats_.waited;
  waiting_.push_back({&ticket, std::move(again), clock_.MonoMs(), round_});
  ticket.waits_ = this;
  ticket.place_ = std::prev(waiting_.end());
  return true;
}

// Each is out of the list while it judges: it may destroy its own ticket, and those of others.
void KeyWaits::Retry(bool last) {
  uint64_t round = ++round_;
  std::list<Waiter> one;
  while (!waiting_.empty() && waiting_.front().round < round) {
    one.splice(one.begin(), waiting_, waiting_.begin());
    Waiter& waiter = one.front();
    waiter.ticket->waits_ = nullptr;
    bool too_long = clock_.MonoMs() - waiter.since_ms >= options_.wait_ms;
    if (waiter.again(last || too_long)) {
      waiter.round = round;
      waiter.ticket->waits_ = this;
      waiting_.splice(waiting_.end(), one);  // its place stays good
    } else {
      one.clear();
    }
  }
}

void KeyWaits::Ticket::Cancel() {
  if (waits_ == nullptr) return;
  std::exchange(waits_, nullptr)->waiting_.erase(place_);
}

}  // namespace galaxy::push
