#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/slice.h"
#include "envelope/signer.h"
#include "event/entry.h"
#include "gateway/frame.h"

namespace galaxy::push {

// EventBatch turns up to `size_max` events into `event` frames: signed together, each encoded once
// for every encoding that a recipient of it uses. All frames of one encoding lie in one block of
// memory that the frames share, so an event costs no allocation, and blocks that were written to
// all clients are used again. JSON is written only where a WebSocket or SSE client takes it,
// protobuf only where one of the other two does.
//
//     batch.Add(view, EventBatch::Bit(Encoding::kSse));  …
//     if (auto sealed = batch.Seal(now_ms); !sealed) …
//     queue.Push(batch.Frame(0, Encoding::kSse), …);
//     batch.Clear();
//
//   Lifetime  Added views are read until Seal() returns. Frames keep their block alive: one slow
//             connection can hold a whole block for as long as its queue's age bound.
//   Threads   One loop.
//   Errors    Seal(): kUnavailable when no signing key is active; there are no frames then.
class EventBatch {
 public:
  using EncodingMask = uint8_t;
  static constexpr EncodingMask Bit(Encoding encoding) {
    return static_cast<EncodingMask>(1u << static_cast<unsigned>(encoding));
  }

  explicit EventBatch(Signer& signer) : signer_(signer) {}

  void Add(const EntryView& event, EncodingMask encodings);
  Status Seal(uint64_t wall_ms);
  // Requires Seal() and that the encoding was asked for with that event.
  Slice Frame(size_t index, Encoding encoding) const;
  void Clear();

  size_t size() const { return events_.size(); }

 private:
  struct Range {
    size_t begin = 0;
    size_t size = 0;
  };
  struct Item {
    EncodingMask encodings = 0;
    std::array<Range, kEncodingCount> ranges;
  };

  using Block = std::shared_ptr<std::string>;

  Block EmptyBlock();
  std::string_view Content(uint32_t index, Encoding encoding, const BatchProof& proof);

  Signer& signer_;
  std::vector<EventFields> events_;
  std::vector<Item> items_;
  std::array<Block, kEncodingCount> blocks_;
  std::array<Block, 8> kept_;  // the newest; free when nobody else holds them
  size_t next_kept_ = 0;
  std::string json_, proto_;  // scratch: the event that is being encoded
};

}  // namespace galaxy::push
