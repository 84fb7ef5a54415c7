#include "http/sse.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace galaxy::push {

Status AppendSsePrefix(std::string& out, std::optional<std::string_view> id) {
  if (id) {
    constexpr std::string_view kForbidden("\r\n\0", 3);
    if (id->find_first_of(kForbidden) != std::string_view::npos) {
      return Fail(Code::kInvalidArgument, "an id must not have CR, LF or NUL", "id");
    }
    out += "id: ";
    out += *id;
    out += '\n';
  }
  out += "data: ";
  return {};
}

Status AppendSseEvent(std::string& out, std::optional<std::string_view> id, std::string_view data) {
  if (Status begun = AppendSsePrefix(out, id); !begun) return begun;
  for (;;) {
    size_t end = std::min(data.find_first_of("\r\n"), data.size());
    out += data.substr(0, end);
    if (end == data.size()) break;
    end += data.substr(end).starts_with("\r\n") ? 2 : 1;
    data.remove_prefix(end);
    out += "\ndata: ";
  }
  out += kSseSuffix;
  return {};
}

void AppendSseRetry(std::string& out, uint64_t retry_ms) {
  out += "retry: " + std::to_string(retry_ms) + "\n\n";
}

void AppendSseComment(std::string& out, std::string_view text) {
  out += ": ";
  for (char c : text) out += c == '\r' || c == '\n' ? ' ' : c;
  out += "\n\n";
}

Status SseParser::Feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (after_cr_ && bytes[0] == '\n') bytes.remove_prefix(1);  // the second half of CRLF
    after_cr_ = false;
    size_t end = std::min(bytes.find_first_of("\r\n"), bytes.size());
    if (line_.size() + data_.size() + end > event_bytes_max_) {
      return Fail(Code::kTooLarge,
                  "an event is over the limit of " + std::to_string(event_bytes_max_) + " bytes");
    }
    line_ += bytes.substr(0, end);
    if (end == bytes.size()) break;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    std::string line;
    line.swap(line_);
    Line(line);
  }
  return {};
}

void SseParser::Line(std::string_view line) {
  if (!std::exchange(started_, true) && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  if (line.empty()) return Dispatch();
  size_t colon = std::min(line.find(':'), line.size());
  std::string_view field = line.substr(0, colon);
  std::string_view value = line.substr(std::min(colon + 1, line.size()));
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (std::exchange(has_data_, true)) data_ += '\n';
    data_ += value;
  } else if (field == "event") {
    event_ = value;
  } else if (field == "id") {
    if (value.find('\0') == std::string_view::npos) id_ = value;
  } else if (field == "retry") {
    uint64_t ms = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), ms);
    if (error == std::errc() && end == value.data() + value.size()) handler_.OnRetry(ms);
  }
}

void SseParser::Dispatch() {
  std::string data, event;
  data.swap(data_);
  event.swap(event_);
  last_id_ = id_;
  if (std::exchange(has_data_, false)) {
    handler_.OnEvent(event.empty() ? "message" : event, data, last_id_);
  }
}

}  // namespace galaxy::push
