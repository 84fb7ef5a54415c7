#include "event/partition.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/ids.h"

namespace galaxy::push {
namespace {

constexpr uint32_t kPolynomial = 0xEDB88320;  // 0x04C11DB7, bits reversed

// kTables[k][b]: the remainder of byte b with k zero bytes behind it.
constexpr auto kTables = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      uint32_t before = tables[k - 1][byte];
      tables[k][byte] = before >> 8 ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}();

static_assert(std::endian::native == std::endian::little);

std::unexpected<Error> Refuse(std::string_view field, std::string message) {
  return Fail(Code::kInvalidArgument, std::string(field) + ": " + message, std::string(field));
}

std::optional<unsigned> Number(std::string_view digits) {
  unsigned value = 0;
  const char* end = digits.data() + digits.size();
  auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (error != std::errc() || stop != end || value >= kPartitions) return std::nullopt;
  return value;
}

}  // namespace

uint32_t Crc32(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  const char* at = bytes.data();
  const char* end = at + bytes.size();
  for (; end - at >= 8; at += 8) {
    uint64_t word;
    std::memcpy(&word, at, sizeof word);
    word ^= crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][word >> (8 * k) & 0xFF];
  }
  for (; at != end; ++at) crc = crc >> 8 ^ kTables[0][(crc ^ static_cast<uint8_t>(*at)) & 0xFF];
  return ~crc;
}

uint16_t PartitionOfEntry(const EntryView& entry) {
  if (entry.type != EntryType::kEvent || entry.user_id.starts_with(kReservedUserPrefix)) {
    return kEveryPartition;
  }
  return static_cast<uint16_t>(PartitionOf(entry.user_id));
}

Result<PartitionSet> PartitionSet::Parse(std::string_view text, std::string_view field) {
  if (text.size() > kTextBytesMax) {
    return Refuse(field, "the list has " + std::to_string(text.size()) + " bytes, the limit is " +
                             std::to_string(kTextBytesMax));
  }
  PartitionSet set;
  set.bits_.reset();
  while (true) {
    size_t comma = std::min(text.find(','), text.size());
    std::string_view item = text.substr(0, comma);
    size_t hyphen = std::min(item.find('-'), item.size());
    std::optional<unsigned> first = Number(item.substr(0, hyphen));
    std::optional<unsigned> last = hyphen == item.size() ? first : Number(item.substr(hyphen + 1));
    if (!first || !last || *first > *last) {
      return Refuse(field, "a list of partitions is numbers and ascending ranges from 0 to " +
                               std::to_string(kPartitions - 1) + " as in 0-63,128");
    }
    for (unsigned partition = *first; partition <= *last; ++partition) {
      if (set.bits_[partition]) {
        return Refuse(field, "partition " + std::to_string(partition) + " is listed twice");
      }
      set.bits_.set(partition);
    }
    if (comma == text.size()) return set;
    text.remove_prefix(comma + 1);
  }
}

std::string PartitionSet::Format() const {
  std::string text;
  for (unsigned first = 0; first < kPartitions; ++first) {
    if (!bits_[first]) continue;
    unsigned last = first;
    while (last + 1 < kPartitions && bits_[last + 1]) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(first);
    if (last > first) text += '-' + std::to_string(last);
    first = last;
  }
  return text;
}

}  // namespace galaxy::push
