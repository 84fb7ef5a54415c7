#include "http/http1_write.h"

#include <time.h>

#include <array>
#include <charconv>

#include "http/text.h"

namespace galaxy::push {
namespace {

void AppendField(std::string& out, const HeaderField& field) {
  if (!IsToken(field.name)) return;
  out += field.name;
  out += ": ";
  size_t begin = out.size();
  out += field.value;
  if (!IsFieldValue(field.value)) {
    for (size_t i = begin; i < out.size(); ++i) {
      if (!IsFieldValue({&out[i], 1})) out[i] = ' ';
    }
  }
  out += "\r\n";
}

bool FramesTheMessage(std::string_view name) {
  return name == "content-length" || name == "transfer-encoding" || name == "connection" ||
         name == "keep-alive";
}

void AppendStatusLine(std::string& out, int status) {
  out += "HTTP/1.1 ";
  out += std::to_string(status);
  out += ' ';
  out += ReasonPhrase(status);
  out += "\r\n";
}

// Formatted once a second.
std::string_view CachedDate(uint64_t wall_ms) {
  thread_local uint64_t second = ~uint64_t{0};
  thread_local std::string text;
  if (wall_ms / 1000 != second) {
    second = wall_ms / 1000;
    text = HttpDate(wall_ms);
  }
  return text;
}

}  // namespace

std::string HttpDate(uint64_t wall_ms) {
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  auto seconds = static_cast<time_t>(wall_ms / 1000);
  tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 64> text{};  // strftime's names depend on the locale, these do not
  snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
           kDays[static_cast<size_t>(utc.tm_wday)], utc.tm_mday,
           kMonths[static_cast<size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
           utc.tm_sec);
  return text.data();
}

void AppendResponseHead(std::string& out, const ResponseHead& head, std::string_view framing,
                        uint64_t wall_ms) {
  AppendStatusLine(out, head.status);
  if (!head.headers.Get("date")) {
    out += "date: ";
    out += CachedDate(wall_ms);
    out += "\r\n";
  }
  for (const HeaderField& field : head.headers.fields()) {
    if (!FramesTheMessage(field.name)) AppendField(out, field);
  }
  out += framing;
  out += "\r\n";
}

void AppendUpgradeHead(std::string& out, const ResponseHead& head) {
  AppendStatusLine(out, head.status);
  for (const HeaderField& field : head.headers.fields()) AppendField(out, field);
  out += "\r\n";
}

void AppendRequestHead(std::string& out, const RequestHead& head, std::string_view framing) {
  out += head.method;
  out += ' ';
  out += head.path.empty() ? "/" : head.path;
  if (!head.query.empty()) {
    out += '?';
    out += head.query;
  }
  out += " HTTP/1.1\r\nhost: ";
  out += head.authority;
  out += "\r\n";
  bool upgrade = head.headers.Get("upgrade").has_value();
  for (const HeaderField& field : head.headers.fields()) {
    if (field.name == "host") continue;
    if (!FramesTheMessage(field.name) || (upgrade && field.name == "connection")) {
      AppendField(out, field);
    }
  }
  out += framing;
  out += "\r\n";
}

void AppendChunkHeader(std::string& out, size_t size) {
  std::array<char, 16> digits;
  auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), size, 16);
  out.append(digits.data(), end);
  out += "\r\n";
}

void AppendLastChunk(std::string& out, const Headers& trailers) {
  out += "0\r\n";
  for (const HeaderField& field : trailers.fields()) {
    if (!FramesTheMessage(field.name)) AppendField(out, field);
  }
  out += "\r\n";
}

}  // namespace galaxy::push
