#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

inline constexpr size_t kCursorTextBytes = 29;

// Cursor names one entry of a log of ours: its sequence number and its publish time
// (docs/semantics.md 1.1). As text it is 29 bytes, lower-case, zero-padded hex:
//
//   SSSSSSSSSSSSSSSS-MMMMMMMMMMMM     sequence (64 bits) - milliseconds since 1970 (48 bits)
//
// The sequence alone makes the order, so the byte order of the texts is log order. Two cursors are
// equal only when both numbers are (1.5): `a == b` is stricter than `!(a < b) && !(b < a)`.
struct Cursor {
  uint64_t sequence = 0;
  uint64_t time_ms = 0;  // only 48 bits are kept in the text

  bool operator==(const Cursor&) const = default;
  std::weak_ordering operator<=>(const Cursor& other) const { return sequence <=> other.sequence; }

  // kInvalidArgument unless `text` is exactly what Format() writes for some cursor.
  static Result<Cursor> Parse(std::string_view text);

  // Writes exactly kCursorTextBytes bytes to `out`; no terminating zero.
  void FormatTo(char* out) const;
  std::string Format() const;
};

}  // namespace galaxy::push
