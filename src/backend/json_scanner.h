#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

enum class JsonKind : uint8_t { kObject, kArray, kString, kNumber, kTrue, kFalse, kNull };

// A value as it stands in the source.
struct JsonValue {
  JsonKind kind = JsonKind::kNull;
  std::string_view source;  // its exact bytes, without the whitespace around
  size_t depth = 0;         // 0 for scalars, 1 for {} and [], 2 for [[]] …
  bool escaped = false;     // a string with at least one backslash
};

// JsonScanner reads RFC 8259 JSON text front to back and hands out views of the source: nothing is
// copied, built or converted. It checks the grammar and the UTF-8 (RFC 3629) of every byte it
// passes.
//
//   Lifetime  Views point into the text.
//   Limits    kNestingMax levels, beyond which the text counts as invalid. Iterative: input never
//             decides how deep the stack of the process grows.
//   Errors    A function returns false at the first fault and error() names place and cause; the
//             scanner is useless from then on.
//   Cost      One pass; strings and whitespace eight bytes at a time.
//
// Deliberately accepted, since the grammar allows it: doubled members inside values that are only
// skipped, numbers of any size, escapes of lone surrogates (Unescape() refuses those).
class JsonScanner {
 public:
  static constexpr size_t kNestingMax = 512;

  explicit JsonScanner(std::string_view text)
      : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()) {}

  // Passes one value of any kind, the whitespace before it included.
  bool Value(JsonValue& value);
  // Passes whitespace, then `c` if it is next. False when it is not; that is no fault.
  bool Take(char c);
  // As Take(), but its absence is a fault.
  bool Expect(char c);
  // Passes a string; `value.source` includes the quotes.
  bool String(JsonValue& value);
  // True when only whitespace is left.
  bool AtEnd();

  bool ok() const { return fault_.empty(); }
  size_t offset() const { return static_cast<size_t>(at_ - begin_); }
  // "not valid JSON at byte 17: a colon is missing"
  std::string error() const;

  // The text of a scanned string: `quoted` includes the quotes. False on a lone surrogate.
  static bool Unescape(std::string_view quoted, std::string& out);

 private:
  // The open objects (1) and arrays (0) around the current place.
  class Nesting {
   public:
    bool Push(bool object);
    void Pop() { --depth_; }
    bool in_object() const { return (bits_[(depth_ - 1) / 64] >> ((depth_ - 1) % 64)) & 1; }
    size_t depth() const { return depth_; }
    size_t deepest() const { return deepest_; }

   private:
    std::array<uint64_t, kNestingMax / 64> bits_{};
    size_t depth_ = 0;
    size_t deepest_ = 0;
  };
  enum class Next : uint8_t { kValue, kAfterValue, kFault };

  bool Fault(std::string_view cause);
  void SkipSpace();
  Next BeginValue(Nesting& nesting, JsonValue& value);
  Next BeginContainer(Nesting& nesting, bool object);
  Next AfterValue(Nesting& nesting);
  bool MemberName();
  bool StringBody(bool& escaped);
  bool Escape();
  bool Utf8Sequence();
  bool Number();
  bool Digits();
  bool Literal(std::string_view word);

  const char* begin_;
  const char* at_;
  const char* end_;
  std::string_view fault_;
};

struct JsonRules {
  size_t bytes_max = 64 * 1024;
  size_t depth_max = 64;
  bool any_value = false;  // else: one object
};

// OK when `text` is one valid JSON text within the rules (docs/semantics.md 2.3); else
// kInvalidArgument that names `field` and the limit.
Status CheckJson(std::string_view field, std::string_view text, const JsonRules& rules);
// The same for a value that a scanner has passed already: what the grammar does not say.
Status CheckJsonValue(std::string_view field, const JsonValue& value, const JsonRules& rules);

}  // namespace galaxy::push
