#pragma once

#include <cstdint>

#include "base/siphash.h"
#include "event/entry.h"

namespace galaxy::push {

// What idempotency compares of an entry (docs/semantics.md 2.2).
struct EntryDigest {
  Bits128 key;           // of user_id, device_session_id, event_id
  uint64_t content = 0;  // of kind and payload

  bool operator==(const EntryDigest&) const = default;
};

// EntryHasher makes digests with SipHash-2-4 under a secret seed, so that nobody who chooses ids
// can make two keys collide. Digests of different seeds do not compare; they are never stored.
// Immutable: any thread. Cost: about a nanosecond a byte.
class EntryHasher {
 public:
  explicit EntryHasher(const Bits128& seed) : seed_(seed) {}
  static EntryHasher Random() { return EntryHasher(Bits128::Random()); }

  EntryDigest Digest(const EntryView& entry) const;

 private:
  Bits128 seed_;
};

}  // namespace galaxy::push
