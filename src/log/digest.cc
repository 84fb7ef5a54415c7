#include "log/digest.h"

namespace galaxy::push {

EntryDigest EntryHasher::Digest(const EntryView& entry) const {
  SipHasher key(seed_);
  key.AddField(entry.user_id);
  key.AddField(entry.device_session_id);
  key.AddField(entry.event_id);
  SipHasher content(seed_);
  content.AddField(entry.kind);
  content.AddField(entry.payload);
  return {key.Finish(), content.Finish().low};
}

}  // namespace galaxy::push
