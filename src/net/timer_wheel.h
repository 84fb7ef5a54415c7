#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "net/loop.h"

namespace galaxy::push {

// One timer: in the list of its slot, or in the list of those that fire now.
struct Timer::Node {
  Node* previous = nullptr;
  Node* next = nullptr;
  static constexpr int8_t kDue = -1;  // level of a node in the list of those that fire now
  int8_t level = 0;
  int8_t slot = 0;
  uint64_t tick = 0;
  Timer* owner = nullptr;  // whose `running` ends with this node
  class TimerWheel* wheel = nullptr;
  Loop::Function function;
};

// TimerWheel keeps the timers of one loop, sans-I/O: time is passed in. A hierarchical wheel of
// kLevels rings with 64 slots; a slot of ring L spans 64^L ticks, and its timers move inwards when
// their time comes near.
//
//   Cost    Add() and Remove() O(1); Advance() O(timers due + slots that are not empty), however
//           far time jumped; NextMs() O(kLevels).
class TimerWheel {
 public:
  static constexpr uint64_t kTickMs = 10;

  explicit TimerWheel(uint64_t now_ms) : tick_(now_ms / kTickMs) {}
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // A node that fires once time reaches `at_ms`, rounded up to a tick. Owned by the wheel.
  Timer::Node* Add(uint64_t at_ms, Loop::Function function);
  void Remove(Timer::Node* node);
  // Runs what is due, in the order of its ticks. Functions may add and remove timers.
  void Advance(uint64_t now_ms);
  // When Advance() has something to do next (a timer, or one that moves inwards); ~0 when empty.
  uint64_t NextMs() const;
  size_t size() const { return size_; }

 private:
  static constexpr int kSlotBits = 6;
  static constexpr int kSlots = 1 << kSlotBits;
  static constexpr int kLevels = 5;  // 64^5 ticks: 124 days; beyond that a timer is put in again

  using Node = Timer::Node;
  void Place(Node* node);
  void Link(Node* node, int level, int slot);
  void Unlink(Node* node);
  // Empties the slot of that ring in which tick_ lies; oldest first.
  Node* Take(int level);
  uint64_t NextTick() const;
  void RunTick();

  std::array<std::array<Node*, kSlots>, kLevels> slots_{};
  std::array<uint64_t, kLevels> occupied_{};  // a bit for each slot that is not empty
  Node* due_ = nullptr;                       // the slot that RunTick() works through
  uint64_t tick_;                             // all ticks up to and including this one have run
  size_t size_ = 0;
};

}  // namespace galaxy::push
