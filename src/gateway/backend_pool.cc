#include "gateway/backend_pool.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/siphash.h"

namespace galaxy::push {
namespace {

bool Well(BackendHealth health) { return health <= BackendHealth::kUnknown; }

// The same in every process and release: where a gateway goes must not change with a restart.
uint64_t PlaceOf(std::string_view id, const Address& address) {
  return SipHash64(Bits128{}, std::string(id) + '\n' + address.ToString());
}

}  // namespace

std::string_view BackendHealthName(BackendHealth health) {
  switch (health) {
    case BackendHealth::kServing:
      return "serving";
    case BackendHealth::kUnknown:
      return "unknown";
    case BackendHealth::kNotServing:
      return "not_serving";
    case BackendHealth::kUnreachable:
      return "unreachable";
  }
  return "";
}

void BackendPool::SetTargets(const std::vector<BackendTarget>& targets, uint64_t now_ms) {
  std::vector<Backend> next;
  too_many_ = 0;
  auto there = [&](const Address& address) {
    return std::ranges::any_of(next, [&](const Backend& b) { return b.target.address == address; });
  };
  for (const BackendTarget& target : targets) {
    if (there(target.address)) continue;
    if (next.size() == kTargetsMax) {
      ++too_many_;
      continue;
    }
    if (const Backend* known = Find(target.address)) {
      next.push_back(*known);
      next.back().target = target;
      next.back().listed = true;
    } else {
      next.push_back({.target = target, .place = PlaceOf(id_, target.address), .since_ms = now_ms});
    }
  }
  if (const Backend* used = in_use(); used != nullptr && !there(used->target.address)) {
    next.push_back(*used);
    next.back().listed = false;
  }
  std::ranges::sort(next, {}, &Backend::place);
  backends_ = std::move(next);
}

bool BackendPool::MayGo(const Backend& backend) const {
  return backend.listed && !backend.tried && (whole_round_ || Well(backend.health));
}

BackendPool::Backend* BackendPool::Best() {
  Backend* best = nullptr;
  for (Backend& one : backends_) {  // in their order, so the first of equals
    if (MayGo(one) && (best == nullptr || one.health < best->health)) best = &one;
  }
  return best;
}

std::optional<BackendTarget> BackendPool::Take() {
  Backend* best = Best();
  if (best == nullptr) return std::nullopt;
  best->tried = true;
  in_use_ = best->target.address;
  return best->target;
}

bool BackendPool::HasNext() const {
  return std::ranges::any_of(backends_, [&](const Backend& one) { return MayGo(one); });
}

void BackendPool::BeginRound() {
  whole_round_ = true;
  for (Backend& one : backends_) one.tried = false;
}

void BackendPool::OnAccepted(uint64_t now_ms) {
  if (Backend* used = At(in_use_)) Become(*used, BackendHealth::kServing, now_ms);
}

void BackendPool::OnLeft(std::optional<BackendHealth> seen, bool lived, uint64_t now_ms) {
  Backend* used = At(std::exchange(in_use_, std::nullopt));
  if (lived) {
    for (Backend& one : backends_) one.tried = &one == used;
    whole_round_ = false;
  }
  if (used == nullptr) return;
  used->wary = !seen && !lived;
  if (seen) Become(*used, *seen, now_ms);
  if (!used->listed) std::erase_if(backends_, [](const Backend& one) { return !one.listed; });
}

void BackendPool::OnCheck(const Address& address, BackendHealth health, uint64_t now_ms) {
  if (Backend* one = At(address)) Become(*one, health, now_ms);
}

void BackendPool::Become(Backend& backend, BackendHealth health, uint64_t now_ms) {
  backend.heard_ms = now_ms;
  if (std::exchange(backend.health, health) == health) return;
  backend.since_ms = now_ms;
  backend.wary = false;
}

bool BackendPool::OtherWell() const {
  return std::ranges::any_of(backends_,
                             [&](const Backend& one) { return IsOther(one) && Well(one.health); });
}

bool BackendPool::OtherServesSince(uint64_t ms) const {
  return std::ranges::any_of(backends_, [&](const Backend& one) {
    return IsOther(one) && one.health == BackendHealth::kServing && one.heard_ms >= ms;
  });
}

bool BackendPool::RecoveredSince(uint64_t ms) const {
  return std::ranges::any_of(backends_, [&](const Backend& one) {
    return one.listed && one.health == BackendHealth::kServing && one.since_ms > ms;
  });
}

bool BackendPool::HomeServesFor(uint64_t ms, uint64_t now_ms) const {
  for (const Backend& one : backends_) {
    if (!one.listed) continue;
    bool serves = one.health == BackendHealth::kServing && !one.wary;
    return in_use_ && one.target.address != in_use_ && serves && now_ms >= one.since_ms + ms;
  }
  return false;
}

const BackendPool::Backend* BackendPool::Find(const std::optional<Address>& address) const {
  auto at = std::ranges::find_if(
      backends_, [&](const Backend& one) { return address && one.target.address == *address; });
  return at == backends_.end() ? nullptr : &*at;
}

BackendPool::Backend* BackendPool::At(const std::optional<Address>& address) {
  return const_cast<Backend*>(Find(address));
}

}  // namespace galaxy::push
