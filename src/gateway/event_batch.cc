#include "gateway/event_batch.h"

#include "base/check.h"
#include "envelope/encode.h"

namespace galaxy::push {
namespace {

// A block that was larger is not kept.
constexpr size_t kKeptBytesMax = 256u << 10;

}  // namespace

void EventBatch::Add(const EntryView& event, EncodingMask encodings) {
  events_.push_back({.user_id = event.user_id,
                     .device_session_id = event.device_session_id,
                     .kind = event.kind,
                     .event_id = event.event_id,
                     .request_id = event.request_id,
                     .trace_id = event.trace_id,
                     .cursor = event.cursor,
                     .payload = event.payload});
  items_.push_back({.encodings = encodings});
}

Status EventBatch::Seal(uint64_t wall_ms) {
  auto proof = signer_.SignBatch(events_, wall_ms);
  if (!proof) return std::unexpected(proof.error());
  for (uint32_t i = 0; i < events_.size(); ++i) {
    json_.clear();
    proto_.clear();
    for (size_t e = 0; e < kEncodingCount; ++e) {
      auto encoding = static_cast<Encoding>(e);
      if ((items_[i].encodings & Bit(encoding)) == 0) continue;
      if (blocks_[e] == nullptr) blocks_[e] = EmptyBlock();
      size_t begin = blocks_[e]->size();
      AppendContent(*blocks_[e], encoding, events_[i].cursor, Content(i, encoding, **proof));
      items_[i].ranges[e] = {begin, blocks_[e]->size() - begin};
    }
  }
  return {};
}

EventBatch::Block EventBatch::EmptyBlock() {
  for (Block& kept : kept_) {
    if (kept.use_count() != 1) continue;
    if (kept->capacity() > kKeptBytesMax) {
      kept.reset();
      continue;
    }
    kept->clear();
    return kept;
  }
  Block block = std::make_shared<std::string>();
  kept_[next_kept_++ % kept_.size()] = block;
  return block;
}

// Made when the first of the encodings that hold it wants it.
std::string_view EventBatch::Content(uint32_t index, Encoding encoding, const BatchProof& proof) {
  bool proto = IsProto(encoding);
  std::string& content = proto ? proto_ : json_;
  if (!content.empty()) return content;
  auto append = proto ? AppendProtoEventFrame : AppendJsonEventFrame;
  append(content, signer_.issuer(), events_[index], proof.Of(index));
  return content;
}

Slice EventBatch::Frame(size_t index, Encoding encoding) const {
  auto e = static_cast<size_t>(encoding);
  CHECK((items_[index].encodings & Bit(encoding)) != 0 && blocks_[e] != nullptr);
  const Range& range = items_[index].ranges[e];
  return {blocks_[e], std::string_view(*blocks_[e]).substr(range.begin, range.size)};
}

void EventBatch::Clear() {
  events_.clear();
  items_.clear();
  blocks_ = {};
}

}  // namespace galaxy::push
