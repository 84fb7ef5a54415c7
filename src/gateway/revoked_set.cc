#include "gateway/revoked_set.h"

#include <algorithm>
#include <limits>

#include "base/ids.h"

namespace galaxy::push {
namespace {

constexpr size_t kReasonsMax = 4096;

uint32_t Seconds(uint64_t ms) {
  return static_cast<uint32_t>(std::min<uint64_t>(ms / 1000, std::numeric_limits<uint32_t>::max()));
}

}  // namespace

uint32_t InvalidationSeconds(const std::optional<Cursor>& cursor, uint64_t receipt_ms) {
  return Seconds(cursor ? std::min(cursor->time_ms, receipt_ms) : receipt_ms);
}

RevokedSet::RevokedSet(uint64_t keep_s, const Bits128& secret) : secret_(secret), keep_s_(keep_s) {}

bool RevokedSet::Enter(std::string_view user, std::string_view session, uint32_t time_s,
                       std::string_view reason) {
  Bits128 key = UserKey(user);
  if (!session.empty()) key = SessionKey(key, session);
  auto [at, fresh] = entries_.try_emplace(key);
  if (!fresh && at->second.time_s >= time_s) return false;
  at->second = {time_s, ReasonNumber(reason)};
  news_.push_back({key, time_s, reasons_[at->second.reason]});
  ++version_;
  return true;
}

void RevokedSet::Restore(const RevokedEntry& entry) {
  entries_.insert_or_assign(entry.key, Entry{entry.time_s, ReasonNumber(entry.reason)});
  ++version_;
}

std::optional<Revocation> RevokedSet::Find(std::string_view user, std::string_view session,
                                           uint32_t began_s) const {
  if (entries_.empty()) return std::nullopt;
  Bits128 user_key = UserKey(user);
  auto named = entries_.find(SessionKey(user_key, session));
  if (named != entries_.end()) {
    return Revocation{Code::kSessionRevoked, reasons_[named->second.reason]};
  }
  auto whole = entries_.find(user_key);
  if (whole != entries_.end() && began_s <= whole->second.time_s) {
    return Revocation{Code::kUserRevoked, reasons_[whole->second.reason]};
  }
  return std::nullopt;
}

uint32_t RevokedSet::ForgottenBefore(uint64_t now_s) const {
  return now_s <= keep_s_ ? 0 : Seconds((now_s - keep_s_) * 1000);
}

void RevokedSet::Expire(uint64_t now_s) {
  uint32_t before_s = ForgottenBefore(now_s);
  boost::unordered::erase_if(entries_,
                             [&](const auto& item) { return item.second.time_s < before_s; });
}

uint16_t RevokedSet::ReasonNumber(std::string_view reason) {
  if (reason.empty() || reason.size() > kIdBytesMax) return 0;
  auto known = reason_numbers_.find(std::string(reason));
  if (known != reason_numbers_.end()) return known->second;
  if (reasons_.size() >= kReasonsMax) return 0;
  auto number = static_cast<uint16_t>(reasons_.size());
  reasons_.emplace_back(reason);
  reason_numbers_.emplace(reason, number);
  return number;
}

}  // namespace galaxy::push
