#include "log/digest.h"

#include "base/random.h"
#include "log/siphash.h"

namespace galaxy::push {

EntryHasher EntryHasher::Random() {
  Seed seed;
  RandomBytes(seed);
  return EntryHasher(seed);
}

EntryDigest EntryHasher::Digest(const EntryView& entry) const {
  SipHasher key(seed_);
  key.AddField(entry.user_id);
  key.AddField(entry.device_session_id);
  key.AddField(entry.event_id);
  SipHasher content(seed_);
  content.AddField(entry.kind);
  content.AddField(entry.payload);
  return {key.Finish(), content.Finish()[0]};
}

}  // namespace galaxy::push
