#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>

#include "base/clock.h"

namespace galaxy::push {

// KeyWaits holds those whose token names a key that is not known while keys are being fetched, so
// that a key that was rotated turns nobody away (docs/semantics.md 10.2).
//
//   Threads   One.
//   Limits    `waiting_max` wait at a time; each until a Retry() that knows the key, that is the
//             last one, or that comes `wait_ms` after it began.
//   Lifetime  It and its tickets go in any order.
class KeyWaits {
 public:
  struct Options {
    size_t waiting_max = 1'000;
    uint64_t wait_ms = 5'000;
  };
  struct Statistics {
    uint64_t waited = 0;   // began to
    uint64_t refused = 0;  // found no room
  };
  // Judges again. True: the key is still not known, and it waits on; never when it is the `last`
  // time. May destroy the ticket when it answers false.
  using Again = std::move_only_function<bool(bool last)>;

  // A place among those who wait. Destroying it gives it up: `again` is called no more.
  class Ticket;

  KeyWaits(const Clock& clock, Options options) : clock_(clock), options_(options) {}
  ~KeyWaits();
  KeyWaits(const KeyWaits&) = delete;
  KeyWaits& operator=(const KeyWaits&) = delete;

  // False when there is no room. The ticket must not wait already.
  bool Add(Ticket& ticket, Again again);
  // Everybody who waits now judges again, in the order in which they came.
  void Retry(bool last);

  size_t waiting() const { return waiting_.size(); }
  const Statistics& stats() const { return stats_; }

 private:
  struct Waiter {
    Ticket* ticket;
    Again again;
    uint64_t since_ms;
    uint64_t round;
  };
  using Place = std::list<Waiter>::iterator;

  const Clock& clock_;
  const Options options_;
  std::list<Waiter> waiting_;
  uint64_t round_ = 0;
  Statistics stats_;
};

class KeyWaits::Ticket {
 public:
  Ticket() = default;
  ~Ticket() { Cancel(); }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  void Cancel();
  bool waiting() const { return waits_ != nullptr; }

 private:
  friend class KeyWaits;
  KeyWaits* waits_ = nullptr;  // null: it does not wait
  Place place_;
};

}  // namespace galaxy::push
