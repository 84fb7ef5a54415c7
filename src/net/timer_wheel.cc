#include "net/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace galaxy::push {
namespace {

// Turns a list round: slots hold the newest first, timers run oldest first.
template <typename Node>
Node* Reverse(Node* node) {
  Node* reversed = nullptr;
  while (node) reversed = std::exchange(node, std::exchange(node->next, reversed));
  return reversed;
}

}  // namespace

Timer::Timer(Node* node) : node_(node) { node_->owner = this; }

Timer::Timer(Timer&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {
  if (node_) node_->owner = this;
}

Timer& Timer::operator=(Timer&& other) noexcept {
  if (this == &other) return *this;
  Cancel();
  node_ = std::exchange(other.node_, nullptr);
  if (node_) node_->owner = this;
  return *this;
}

Timer::~Timer() { Cancel(); }

void Timer::Cancel() {
  if (!node_) return;
  Node* node = std::exchange(node_, nullptr);
  node->wheel->Remove(node);
}

TimerWheel::~TimerWheel() {
  for (auto& level : slots_) {
    for (Node* node : level) {
      while (node) {
        Node* next = node->next;
        if (node->owner) node->owner->node_ = nullptr;
        delete node;
        node = next;
      }
    }
  }
}

Timer::Node* TimerWheel::Add(uint64_t at_ms, Loop::Function function) {
  auto* node = new Node;
  node->tick = std::max((at_ms + kTickMs - 1) / kTickMs, tick_ + 1);
  node->wheel = this;
  node->function = std::move(function);
  Place(node);
  ++size_;
  return node;
}

void TimerWheel::Remove(Node* node) {
  Unlink(node);
  --size_;
  delete node;
}

void TimerWheel::Place(Node* node) {
  // Beyond the outermost ring: its last slot, from where it is placed anew.
  uint64_t span = (uint64_t{1} << (kSlotBits * kLevels)) - 1;
  uint64_t tick = std::min(node->tick, tick_ + span);
  uint64_t delta = tick - tick_;
  int level = 0;
  while (delta >> (kSlotBits * (level + 1)) != 0) ++level;
  auto slot = static_cast<int>((tick >> (kSlotBits * level)) & (kSlots - 1));
  Link(node, level, slot);
}

void TimerWheel::Link(Node* node, int level, int slot) {
  Node*& head = slots_[static_cast<size_t>(level)][static_cast<size_t>(slot)];
  node->level = static_cast<int8_t>(level);
  node->slot = static_cast<int8_t>(slot);
  node->previous = nullptr;
  node->next = head;
  if (head) head->previous = node;
  head = node;
  occupied_[static_cast<size_t>(level)] |= uint64_t{1} << slot;
}

void TimerWheel::Unlink(Node* node) {
  if (node->next) node->next->previous = node->previous;
  if (node->previous) {
    node->previous->next = node->next;
  } else if (node->level == Node::kDue) {
    due_ = node->next;
  } else {
    auto level = static_cast<size_t>(node->level);
    slots_[level][static_cast<size_t>(node->slot)] = node->next;
    if (!node->next) occupied_[level] &= ~(uint64_t{1} << node->slot);
  }
}

Timer::Node* TimerWheel::Take(int level) {
  auto slot = static_cast<size_t>((tick_ >> (kSlotBits * level)) & (kSlots - 1));
  occupied_[static_cast<size_t>(level)] &= ~(uint64_t{1} << slot);
  return Reverse(std::exchange(slots_[static_cast<size_t>(level)][slot], nullptr));
}

uint64_t TimerWheel::NextTick() const {
  uint64_t next = ~uint64_t{0};
  for (int level = 0; level < kLevels; ++level) {
    uint64_t occupied = occupied_[static_cast<size_t>(level)];
    if (occupied == 0) continue;
    uint64_t begin = (tick_ >> (kSlotBits * level)) + 1;  // the slot that comes next
    int ahead = std::countr_zero(std::rotr(occupied, static_cast<int>(begin & (kSlots - 1))));
    next = std::min(next, (begin + static_cast<uint64_t>(ahead)) << (kSlotBits * level));
  }
  return next;
}

uint64_t TimerWheel::NextMs() const {
  uint64_t next = NextTick();
  return next == ~uint64_t{0} ? next : next * kTickMs;
}

void TimerWheel::Advance(uint64_t now_ms) {
  uint64_t now = now_ms / kTickMs;
  while (tick_ < now) {
    uint64_t next = NextTick();
    if (next > now) {
      tick_ = now;
      return;
    }
    tick_ = next;
    RunTick();
  }
}

void TimerWheel::RunTick() {
  for (int level = kLevels - 1; level > 0; --level) {
    if ((tick_ & ((uint64_t{1} << (kSlotBits * level)) - 1)) != 0) continue;
    for (Node* node = Take(level); node != nullptr;) Place(std::exchange(node, node->next));
  }
  due_ = Take(0);
  Node* previous = nullptr;
  for (Node* node = due_; node; node = node->next) {
    node->level = Node::kDue;
    node->previous = std::exchange(previous, node);
  }
  while (due_) {
    Node* node = due_;
    Unlink(node);
    --size_;
    if (node->owner) node->owner->node_ = nullptr;
    Loop::Function function = std::move(node->function);
    delete node;
    function();
  }
}

}  // namespace galaxy::push
