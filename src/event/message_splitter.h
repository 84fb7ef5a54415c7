#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "event/wire.h"

namespace galaxy::push {

// MessageSplitter cuts the bytes of a gRPC stream, which arrive in chunks of any size, into whole
// length-prefixed messages.
//
//     splitter.Feed(chunk);
//     std::string_view framed;
//     for (;;) {
//       auto more = splitter.Next(framed);
//       if (!more) return Reset(more.error());
//       if (!*more) break;                    // everything usable of `chunk` has been used
//       Handle(framed);                       // prefix included; EntryMessage(framed) is the body
//     }
//
//   Lifetime  `framed` is valid until the next call. `chunk` must stay until Next() has said false
//             (or failed): by then what was left of it has been copied.
//   Limits    Buffers at most one message; grows with the bytes that came, not with the length
//             that was announced.
//   Errors    Next(): kUnimplemented for a compressed message, kInvalidArgument for another flag
//             than 0 and 1, kTooLarge for a length over the limit. An error is final.
//   Cost      A message that lies wholly in one chunk is not copied.
class MessageSplitter {
 public:
  explicit MessageSplitter(size_t message_bytes_max = kMessageBytesMax)
      : message_bytes_max_(message_bytes_max) {}

  // Requires that Next() has said false for the chunk before.
  void Feed(std::string_view chunk);

  // True: `framed` is the next message with its prefix. False: feed more.
  Result<bool> Next(std::string_view& framed);

  // Bytes of a message that has begun and is not whole; a stream that ends now is truncated
  // when this is not 0.
  size_t pending() const { return partial_.size() + chunk_.size(); }

 private:
  // The size of the message whose prefix is at the start of `bytes`, prefix included.
  Result<size_t> FramedBytes(std::string_view bytes) const;
  Result<bool> NextPartial(std::string_view& framed);
  void TakeIntoPartial(size_t size);

  size_t message_bytes_max_;
  std::string_view chunk_;      // what is left of the chunk
  std::string partial_;         // a message that began in an earlier chunk
  bool partial_given_ = false;  // partial_ has been handed out and is to be emptied
};

}  // namespace galaxy::push
