#include "envelope/leaf.h"

#include <cstring>

#include "base/check.h"

namespace galaxy::push {
namespace {

constexpr std::string_view kLeafTag = "galaxy-push-event-v1";
constexpr std::string_view kRootTag = "galaxy-push-root-v1";

std::string_view AsBytes(const Salt& salt) {
  return {reinterpret_cast<const char*>(salt.data()), salt.size()};
}

void StoreU32(char* to, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) *to++ = static_cast<char>(value >> shift);
}

// Most fields are shorter than a hash block: gathering them costs less than a call for each.
class HashSink {
 public:
  HashSink() { buffer_[used_++] = '\0'; }  // the domain byte of a leaf

  void LengthPrefixed(std::string_view bytes) {
    CHECK(bytes.size() <= UINT32_MAX);
    if (sizeof buffer_ - used_ < 4 + bytes.size()) Flush();
    StoreU32(buffer_ + used_, static_cast<uint32_t>(bytes.size()));
    used_ += 4;
    if (bytes.size() <= sizeof buffer_ - used_) {
      if (!bytes.empty()) std::memcpy(buffer_ + used_, bytes.data(), bytes.size());
      used_ += bytes.size();
      return;
    }
    Flush();
    sha_.Update(bytes);
  }
  Hash Finish() {
    Flush();
    return sha_.Finish();
  }

 private:
  void Flush() {
    sha_.Update({buffer_, used_});
    used_ = 0;
  }
  Sha256 sha_;
  char buffer_[1024];
  size_t used_ = 0;
};

class StringSink {
 public:
  explicit StringSink(std::string& out) : out_(out) {}
  void LengthPrefixed(std::string_view bytes) {
    char length[4];
    StoreU32(length, static_cast<uint32_t>(bytes.size()));
    out_.append(length, sizeof length).append(bytes);
  }

 private:
  std::string& out_;
};

template <typename Sink>
void WriteLeaf(Sink& sink, const EventFields& event, std::string_view issuer, const Salt& salt) {
  sink.LengthPrefixed(kLeafTag);
  sink.LengthPrefixed(AsBytes(salt));
  sink.LengthPrefixed(issuer);
  sink.LengthPrefixed(event.user_id);
  sink.LengthPrefixed(event.device_session_id);
  sink.LengthPrefixed(event.kind);
  sink.LengthPrefixed(event.event_id);
  sink.LengthPrefixed(event.request_id);
  sink.LengthPrefixed(event.trace_id);
  sink.LengthPrefixed(event.cursor);
  sink.LengthPrefixed(event.payload);
}

}  // namespace

Hash LeafHash(const EventFields& event, std::string_view issuer, const Salt& salt) {
  HashSink sink;
  WriteLeaf(sink, event, issuer, salt);
  return sink.Finish();
}

std::string LeafBytes(const EventFields& event, std::string_view issuer, const Salt& salt) {
  std::string out;
  StringSink sink(out);
  WriteLeaf(sink, event, issuer, salt);
  return out;
}

void AppendRootBytes(std::string& out, std::string_view kid, uint64_t signed_at_ms, uint32_t size,
                     const Hash& root) {
  StringSink sink(out);
  sink.LengthPrefixed(kRootTag);
  sink.LengthPrefixed(kid);
  char numbers[12];
  StoreU32(numbers, static_cast<uint32_t>(signed_at_ms >> 32));
  StoreU32(numbers + 4, static_cast<uint32_t>(signed_at_ms));
  StoreU32(numbers + 8, size);
  out.append(numbers, sizeof numbers).append(push::AsBytes(root));
}

}  // namespace galaxy::push
