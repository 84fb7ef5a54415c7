#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/siphash.h"
#include "event/cursor.h"

namespace galaxy::push {

// The seconds of an invalidation that count (docs/semantics.md 8.5): the smaller of its cursor's
// time and its receipt, in whole seconds; a foreign cursor has no time.
uint32_t InvalidationSeconds(const std::optional<Cursor>& cursor, uint64_t receipt_ms);

// Why a session is refused.
struct Revocation {
  Code code;                // kSessionRevoked (that session) or kUserRevoked (all of the user)
  std::string_view reason;  // of the invalidation; valid until the set changes
};

// One entry of the set as it is kept on disk: no id, only its keyed hash.
struct RevokedEntry {
  Bits128 key;  // of the user, or of a session of that user
  uint32_t time_s = 0;
  std::string reason;

  bool operator==(const RevokedEntry&) const = default;
};

// How long an entry is kept (8.7): a token that was issued before its invalidation is good for the
// maximum session lifetime at most, by clocks that may differ by the leeway, and then accepted for
// the leeway once more.
inline uint64_t RevokedKeepSeconds(uint64_t lifetime_s, uint64_t leeway_s) {
  return lifetime_s + 2 * leeway_s + 1;
}

// RevokedSet answers one question: "may this session still be served?" (docs/semantics.md 8).
//
//   Threads  One loop; each loop has its own.
//   Limits   An entry leaves in Expire() when it is older than `keep_s` (8.7). At most 4,096
//            different reasons of at most 256 bytes are kept; others read as empty.
//   Cost     24 bytes an entry in a flat table. Ids stand in it as 128-bit keyed hashes, never as
//            text. Find(): two hashes and at most two probes. Expire() walks the table: about
//            10 ms per million entries, hence hourly.
//
// Entering is idempotent. A named session is revoked for good; a whole user only for sessions that
// began at or before the invalidation's second, so that a later sign-in is good (8.5).
//
// To outlive the process, the set reports what was entered (TakeNews) and takes it back (Restore).
// With the same secret a restored set judges exactly as the one that reported.
class RevokedSet {
 public:
  explicit RevokedSet(uint64_t keep_s, const Bits128& secret = Bits128::Random());

  // Empty `session`: every session of the user that began by `time_s`. True when that was news.
  bool Enter(std::string_view user, std::string_view session, uint32_t time_s,
             std::string_view reason);

  // `began_s`: when the session began, 0 when its token does not say (8.5).
  std::optional<Revocation> Find(std::string_view user, std::string_view session,
                                 uint32_t began_s) const;

  // Entries of a time before this are forgotten at `now_s`.
  uint32_t ForgottenBefore(uint64_t now_s) const;
  void Expire(uint64_t now_s);

  // As it was reported, not news again.
  void Restore(const RevokedEntry& entry);
  // What was entered since the last call. Grows until it is called.
  std::vector<RevokedEntry> TakeNews() { return std::exchange(news_, {}); }
  size_t news() const { return news_.size(); }

  // Rises whenever something was entered: who remembers it need not ask again until it differs.
  uint32_t version() const { return version_; }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    uint32_t time_s = 0;
    uint16_t reason = 0;
  };
  struct KeyHash {
    using is_avalanching = void;
    size_t operator()(const Bits128& key) const { return key.low; }
  };
  Bits128 UserKey(std::string_view user) const { return SipHash128(secret_, user); }
  // Keyed by the user's hash, so the pair needs no copy in one piece.
  static Bits128 SessionKey(const Bits128& user_key, std::string_view session) {
    return SipHash128(user_key, session);
  }
  uint16_t ReasonNumber(std::string_view reason);

  Bits128 secret_;
  uint64_t keep_s_;
  uint32_t version_ = 1;
  boost::unordered_flat_map<Bits128, Entry, KeyHash> entries_;
  std::vector<std::string> reasons_{""};
  std::unordered_map<std::string, uint16_t> reason_numbers_;
  std::vector<RevokedEntry> news_;
};

}  // namespace galaxy::push
