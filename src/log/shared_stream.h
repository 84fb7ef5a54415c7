#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/metric.h"
#include "event/entry.h"

namespace galaxy::push {

// Messages of a stream, their bytes back to back, in the stream's order.
struct StreamMessages {
  struct Message {
    uint64_t sequence = 0;  // 1 is the stream's first
    uint64_t time_ms = 0;   // by the stream's clock; the same for every reader
    size_t end = 0;         // of its bytes in `bytes`
  };
  std::string bytes;
  std::vector<Message> messages;

  void Add(uint64_t sequence, uint64_t time_ms, std::string_view message) {
    bytes.append(message);
    messages.push_back({sequence, time_ms, bytes.size()});
  }
  void Clear() {
    bytes.clear();
    messages.clear();
  }
};

// What has happened since the last look.
struct StreamNews {
  // Of one publication. With `again` nothing is known to be in the stream, and it may be tried
  // again under the same message id; any other error is the stream's last word.
  struct Answer {
    uint64_t token = 0;
    uint64_t sequence = 0;
    bool duplicate = false;  // the id was known: `sequence` is the first one's
    bool again = false;
    std::optional<Error> error;
  };
  StreamMessages read;
  std::vector<Answer> answers;
  // The sequences of invalidations that are retained now.
  std::vector<uint64_t> retained;

  void Clear() {
    read.Clear();
    answers.clear();
    retained.clear();
  }
};

// SharedStream is one stream that several backends write and every one of them reads as a whole, as
// a SharedLog needs it: replicated, kept by somebody else, with a place and a time for every
// message that are the same for all readers.
//
//   Threads   Publish, Retain, Take, Read: the log thread. Open and SetWaker: before that starts.
//   Promises  An answer without an error: the message is in the stream for good, at its place.
//             Of two publications with one message id, within the time that the log remembers keys
//             for, the second is answered as a duplicate of the first. Every message is read once,
//             in order; a jump of the sequence means that those between are gone for good.
class SharedStream {
 public:
  struct Opening {
    uint64_t began_ms = 0;  // when the log began: the same for all, and later than any before it
    uint64_t first = 1;     // the first message that will be read, if there is one already
    uint64_t messages = 0;  // there are so many; places of others may be empty, the last, too
    uint64_t last = 0;      // the newest at this moment
    uint64_t last_time_ms = 0;      // its time; 0: not known
    size_t unanswered_max = 8'192;  // publications at once that it takes best
    StreamMessages retained;        // invalidations retained at this moment, in the log's order
  };
  struct Publication {
    uint64_t token = 0;  // comes back with the answer
    EntryType type = EntryType::kEvent;
    unsigned partition = 0;
    std::string_view message_id;
    std::string_view bytes;
  };

  virtual ~SharedStream() = default;

  // Finds the stream or makes it. Blocks until then, for a bounded time. From now on news come.
  virtual Result<Opening> Open() = 0;
  // Hands it on without waiting. Failing is as an answer with `again`.
  virtual Status Publish(const Publication& publication) = 0;
  // Puts a copy of an invalidation that was read where they are retained, without waiting. Whoever
  // reads one does, so it is there when the publisher is not any more. That it has arrived is news;
  // until then it is to be put again, and is there once all the same.
  virtual Status Retain(const StreamMessages::Message& message, unsigned partition,
                        std::string_view bytes) = 0;
  // Moves the news into `news`, which is empty, and keeps its memory.
  virtual void Take(StreamNews& news) = 0;
  // One message, by its place; nothing when it is gone. Blocks for a second at most.
  virtual Result<std::optional<StreamMessages>> Read(uint64_t sequence) = 0;
  // Called on any thread when there are news and there were none.
  virtual void SetWaker(std::function<void()> waker) = 0;
  // The message at `sequence` is there: if it does not come for long, the reader is to begin anew.
  virtual void Expect(uint64_t sequence) = 0;

  virtual void CollectMetrics(MetricList& out) const = 0;
};

}  // namespace galaxy::push
