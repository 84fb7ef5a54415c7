#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

inline constexpr std::string_view kSseMediaType = "text/event-stream";

// Server-Sent Events (WHATWG HTML 9.2), one event: "id: …\ndata: …\n\n". Appends to `out`, which
// may be a buffer in use.
//   `id`    no id line when nothing; CR, LF or NUL in it is refused (kInvalidArgument), nothing is
//           appended then: an id of ours is a cursor, anything else would be an injection.
//   `data`  one data line per line of it (CR, LF and CRLF end a line); UTF-8 by the caller.
Status AppendSseEvent(std::string& out, std::optional<std::string_view> id, std::string_view data);
// What AppendSseEvent() puts before and after `data` that has no line break, for who shares the
// data's bytes between connections: "id: …\ndata: " … "\n\n".
Status AppendSsePrefix(std::string& out, std::optional<std::string_view> id);
inline constexpr std::string_view kSseSuffix = "\n\n";
// "retry: <ms>\n\n": how long the browser waits before it reconnects.
void AppendSseRetry(std::string& out, uint64_t retry_ms);
// A line that clients ignore: keeps proxies from timing out. Line breaks in it become spaces.
void AppendSseComment(std::string& out, std::string_view text);

class SseHandler {
 public:
  virtual ~SseHandler() = default;
  // `event` is "message" when the stream named none; `last_id` is the newest id of the stream so
  // far. Valid during the call only.
  virtual void OnEvent(std::string_view event, std::string_view data, std::string_view last_id) = 0;
  virtual void OnRetry(uint64_t retry_ms) = 0;
};

// SseParser is the client's side (WHATWG HTML 9.2.6), fed with pieces cut anywhere.
//   Lifetime  The handler outlives it and does not destroy it within a callback.
//   Limits  A line or an event over `event_bytes_max` is kTooLarge; feed no more then.
//   Cost    Holds what of an event has arrived, nothing between events.
class SseParser {
 public:
  explicit SseParser(SseHandler& handler, size_t event_bytes_max = 1 << 20)
      : handler_(handler), event_bytes_max_(event_bytes_max) {}
  Status Feed(std::string_view bytes);
  // Of the events that are complete: where to resume.
  std::string_view last_id() const { return last_id_; }

 private:
  void Line(std::string_view line);
  void Dispatch();

  SseHandler& handler_;
  size_t event_bytes_max_;
  std::string line_, data_, event_;
  std::string id_;  // as the lines say; counts once its event is complete
  std::string last_id_;
  bool after_cr_ = false;
  bool has_data_ = false;
  bool started_ = false;  // the byte order mark can only come first
};

}  // namespace galaxy::push
