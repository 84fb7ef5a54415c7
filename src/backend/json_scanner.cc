#include "backend/json_scanner.h"

#include <bit>
#include <cstring>

namespace galaxy::push {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighs = 0x8080808080808080;

// Marks (by the high bit of its byte) at least the first byte of `word` that is zero; bytes after
// the first may be marked wrongly.
constexpr uint64_t ZeroBytes(uint64_t word) { return (word - kOnes) & ~word & kHighs; }

// The first byte in the little-endian `word` that a JSON string cannot simply contain: a quote, a
// backslash, a control character, or the start of a multi-byte sequence. 8 when there is none.
size_t FirstSpecial(uint64_t word) {
  uint64_t marks = ZeroBytes(word ^ (kOnes * '"')) | ZeroBytes(word ^ (kOnes * '\\')) |
                   ((word - kOnes * 0x20) & ~word & kHighs) | (word & kHighs);
  return marks == 0 ? 8 : static_cast<size_t>(std::countr_zero(marks)) / 8;
}

uint64_t Load(const char* from) {
  uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Four hex digits that a scan has checked.
uint32_t Hex4(const char* from) {
  uint32_t unit = 0;
  for (int i = 0; i < 4; ++i) unit = unit << 4 | static_cast<uint32_t>(HexDigit(from[i]));
  return unit;
}

void AppendUtf8(uint32_t point, std::string& out) {
  auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0 | point >> 6), put(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    put(0xE0 | point >> 12), put(0x80 | (point >> 6 & 0x3F)), put(0x80 | (point & 0x3F));
  } else {
    put(0xF0 | point >> 18), put(0x80 | (point >> 12 & 0x3F));
    put(0x80 | (point >> 6 & 0x3F)), put(0x80 | (point & 0x3F));
  }
}

// Decodes the \u escape whose hex digits begin at `from`, and the one after it when the two are a
// surrogate pair. Moves `from` behind what it took; false on a lone surrogate.
bool UnescapeUnit(const char*& from, const char* end, std::string& out) {
  uint32_t unit = Hex4(from);
  from += 4;
  if (unit >= 0xDC00 && unit <= 0xDFFF) return false;
  if (unit >= 0xD800 && unit <= 0xDBFF) {
    if (end - from < 6 || from[0] != '\\' || from[1] != 'u') return false;
    uint32_t low = Hex4(from + 2);
    if (low < 0xDC00 || low > 0xDFFF) return false;
    from += 6;
    unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
  }
  AppendUtf8(unit, out);
  return true;
}

char SimpleEscape(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;  // " \ /
  }
}

}  // namespace

bool JsonScanner::Nesting::Push(bool object) {
  if (depth_ == kNestingMax) return false;
  uint64_t bit = uint64_t{1} << (depth_ % 64);
  uint64_t& word = bits_[depth_ / 64];
  word = object ? word | bit : word & ~bit;
  if (++depth_ > deepest_) deepest_ = depth_;
  return true;
}

bool JsonScanner::Fault(std::string_view cause) {
  if (fault_.empty()) fault_ = cause;
  return false;
}

std::string JsonScanner::error() const {
  return "not valid JSON at byte " + std::to_string(offset()) + ": " + std::string(fault_);
}

void JsonScanner::SkipSpace() {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
}

bool JsonScanner::Take(char c) {
  SkipSpace();
  if (at_ == end_ || *at_ != c || !ok()) return false;
  ++at_;
  return true;
}

bool JsonScanner::Expect(char c) {
  if (Take(c)) return true;
  switch (c) {
    case ':':
      return Fault("a colon is missing");
    case '}':
      return Fault("a comma or closing brace is missing");
    case ']':
      return Fault("a comma or closing bracket is missing");
    default:
      return Fault("unexpected character");
  }
}

bool JsonScanner::AtEnd() {
  SkipSpace();
  return at_ == end_;
}

bool JsonScanner::Value(JsonValue& value) {
  if (!ok()) return false;
  SkipSpace();
  const char* from = at_;
  Nesting nesting;
  value = {};
  // Only the first BeginValue() describes the value itself.
  JsonValue inner;
  Next next = BeginValue(nesting, value);
  while (next != Next::kFault && nesting.depth() > 0) {
    next = next == Next::kValue ? BeginValue(nesting, inner) : AfterValue(nesting);
  }
  if (next == Next::kFault) return false;
  value.source = {from, static_cast<size_t>(at_ - from)};
  value.depth = nesting.deepest();
  return true;
}

JsonScanner::Next JsonScanner::BeginValue(Nesting& nesting, JsonValue& value) {
  SkipSpace();
  if (at_ == end_) return Fault("a value is missing"), Next::kFault;
  auto done = [](bool good) { return good ? Next::kAfterValue : Next::kFault; };
  switch (*at_) {
    case '{':
      value.kind = JsonKind::kObject;
      return BeginContainer(nesting, true);
    case '[':
      value.kind = JsonKind::kArray;
      return BeginContainer(nesting, false);
    case '"':
      value.kind = JsonKind::kString;
      ++at_;
      return done(StringBody(value.escaped));
    case 't':
      value.kind = JsonKind::kTrue;
      return done(Literal("true"));
    case 'f':
      value.kind = JsonKind::kFalse;
      return done(Literal("false"));
    case 'n':
      value.kind = JsonKind::kNull;
      return done(Literal("null"));
    default:
      value.kind = JsonKind::kNumber;
      return done(Number());
  }
}

JsonScanner::Next JsonScanner::BeginContainer(Nesting& nesting, bool object) {
  if (!nesting.Push(object)) return Fault("nested too deep"), Next::kFault;
  ++at_;
  if (Take(object ? '}' : ']')) {
    nesting.Pop();
    return Next::kAfterValue;
  }
  if (object && !MemberName()) return Next::kFault;
  return Next::kValue;
}

JsonScanner::Next JsonScanner::AfterValue(Nesting& nesting) {
  bool object = nesting.in_object();
  if (Take(',')) {
    if (object && !MemberName()) return Next::kFault;
    return Next::kValue;
  }
  if (!Expect(object ? '}' : ']')) return Next::kFault;
  nesting.Pop();
  return Next::kAfterValue;
}

bool JsonScanner::MemberName() {
  SkipSpace();
  if (at_ == end_ || *at_ != '"') return Fault("a member name is missing");
  ++at_;
  bool escaped = false;
  return StringBody(escaped) && Expect(':');
}

bool JsonScanner::String(JsonValue& value) {
  if (!ok()) return false;
  SkipSpace();
  if (at_ == end_ || *at_ != '"') return Fault("a string is missing");
  value = {.kind = JsonKind::kString};
  const char* from = at_++;
  if (!StringBody(value.escaped)) return false;
  value.source = {from, static_cast<size_t>(at_ - from)};
  return true;
}

// From behind the opening quote to behind the closing one.
bool JsonScanner::StringBody(bool& escaped) {
  for (;;) {
    while (end_ - at_ >= 8) {
      size_t clean = FirstSpecial(Load(at_));
      at_ += clean;
      if (clean < 8) break;
    }
    if (at_ == end_) return Fault("a string does not end");
    unsigned char c = static_cast<unsigned char>(*at_);
    if (c == '"') {
      ++at_;
      return true;
    }
    if (c < 0x20) return Fault("a raw control character in a string");
    if (c == '\\') {
      escaped = true;
      if (!Escape()) return false;
    } else if (c >= 0x80) {
      if (!Utf8Sequence()) return false;
    } else {
      ++at_;
    }
  }
}

bool JsonScanner::Escape() {
  if (end_ - at_ < 2) return Fault("a string does not end");
  char c = at_[1];
  if (c == 'u') {
    if (end_ - at_ < 6) return Fault("a \\u escape without four hex digits");
    for (int i = 2; i < 6; ++i) {
      if (HexDigit(at_[i]) < 0) return Fault("a \\u escape without four hex digits");
    }
    at_ += 6;
    return true;
  }
  if (c == '\0' || std::strchr("\"\\/bfnrt", c) == nullptr) return Fault("an unknown escape");
  at_ += 2;
  return true;
}

// RFC 3629 section 4: the second byte of some sequences has a narrower range.
bool JsonScanner::Utf8Sequence() {
  auto byte = [this](int i) { return static_cast<unsigned char>(at_[i]); };
  unsigned char lead = byte(0);
  int length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || end_ - at_ < length) return Fault("not valid UTF-8");
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return Fault("not valid UTF-8");
  for (int i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return Fault("not valid UTF-8");
  }
  at_ += length;
  return true;
}

bool JsonScanner::Digits() {
  if (at_ == end_ || !IsDigit(*at_)) return Fault("a digit is missing");
  while (at_ != end_ && IsDigit(*at_)) ++at_;
  return true;
}

bool JsonScanner::Number() {
  const char* from = at_;
  if (*at_ == '-') ++at_;
  if (at_ != end_ && *at_ == '0') {
    ++at_;  // no digit may follow: what comes next fails on it
  } else if (at_ == end_ || !IsDigit(*at_)) {
    return Fault(at_ == from ? "a value is missing" : "a digit is missing");
  } else {
    Digits();
  }
  if (at_ != end_ && *at_ == '.') {
    ++at_;
    if (!Digits()) return false;
  }
  if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
    ++at_;
    if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
    if (!Digits()) return false;
  }
  return true;
}

bool JsonScanner::Literal(std::string_view word) {
  if (std::string_view(at_, static_cast<size_t>(end_ - at_)).substr(0, word.size()) != word) {
    return Fault("a value is missing");
  }
  at_ += word.size();
  return true;
}

bool JsonScanner::Unescape(std::string_view quoted, std::string& out) {
  out.clear();
  const char* at = quoted.data() + 1;
  const char* end = quoted.data() + quoted.size() - 1;
  while (at != end) {
    if (*at != '\\') {
      out.push_back(*at++);
      continue;
    }
    char c = at[1];
    at += 2;
    if (c != 'u') {
      out.push_back(SimpleEscape(c));
    } else if (!UnescapeUnit(at, end, out)) {
      return false;
    }
  }
  return true;
}

namespace {

std::unexpected<Error> TooLong(std::string_view field, size_t bytes, size_t bytes_max) {
  return Fail(Code::kInvalidArgument,
              std::string(field) + " has " + std::to_string(bytes) + " bytes, the limit is " +
                  std::to_string(bytes_max),
              std::string(field));
}

std::unexpected<Error> Refuse(std::string_view field, const std::string& what) {
  return Fail(Code::kInvalidArgument, std::string(field) + " " + what, std::string(field));
}

}  // namespace

Status CheckJsonValue(std::string_view field, const JsonValue& value, const JsonRules& rules) {
  if (value.source.size() > rules.bytes_max) {
    return TooLong(field, value.source.size(), rules.bytes_max);
  }
  if (!rules.any_value && value.kind != JsonKind::kObject) {
    return Refuse(field, "is not a JSON object");
  }
  if (value.depth > rules.depth_max) {
    return Refuse(field, "is nested " + std::to_string(value.depth) +
                             " levels deep, the limit is " + std::to_string(rules.depth_max));
  }
  return {};
}

Status CheckJson(std::string_view field, std::string_view text, const JsonRules& rules) {
  if (text.size() > rules.bytes_max) return TooLong(field, text.size(), rules.bytes_max);
  JsonScanner scanner(text);
  JsonValue value;
  if (!scanner.Value(value)) return Refuse(field, "is " + scanner.error());
  if (!scanner.AtEnd()) {
    return Refuse(field,
                  "has something after its JSON value at byte " + std::to_string(scanner.offset()));
  }
  return CheckJsonValue(field, value, rules);
}

}  // namespace galaxy::push
