#include "ops/units.h"

#include <array>
#include <charconv>
#include <limits>
#include <span>

namespace galaxy::push {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};
// Largest first: the formatters take the first that divides.
constexpr std::array<Unit, 5> kTime = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::array<Unit, 4> kBytes = {
    {{"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"", 1}}};
constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();

std::unexpected<Error> Bad(std::string_view text, std::string_view form) {
  return Fail(Code::kInvalidArgument, "\"" + std::string(text) + "\" is not " + std::string(form));
}

Result<uint64_t> Parse(std::string_view text, std::span<const Unit> units, std::string_view form) {
  uint64_t number = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || rest == text.data()) return Bad(text, form);
  std::string_view name(rest, static_cast<size_t>(text.data() + text.size() - rest));
  if (number == 0 && name.empty()) return 0;
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    if (number > kMax / unit.factor) return Bad(text, form);
    return number * unit.factor;
  }
  return Bad(text, form);
}

std::string Format(uint64_t value, std::span<const Unit> units) {
  if (value == 0) return "0";
  for (const Unit& unit : units) {
    if (value % unit.factor == 0)
      return std::to_string(value / unit.factor) + std::string(unit.name);
  }
  return std::to_string(value);
}

}  // namespace

Result<uint64_t> ParseDuration(std::string_view text) {
  return Parse(text, kTime, "a duration such as 500ms, 10s, 5m, 12h or 30d");
}
Result<uint64_t> ParseSize(std::string_view text) {
  return Parse(text, kBytes, "a size such as 4096, 64KiB, 256MiB or 2GiB");
}
Result<uint64_t> ParseCount(std::string_view text) {
  static constexpr std::array<Unit, 1> kOne = {{{"", 1}}};
  return Parse(text, kOne, "a whole number");
}
std::string FormatDuration(uint64_t ms) { return Format(ms, kTime); }
std::string FormatSize(uint64_t bytes) { return Format(bytes, kBytes); }

}  // namespace galaxy::push
