#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "event/partition.h"

namespace galaxy::push {

// PartitionUrls says where the users of which partitions are served, as in
//
//   0-63,128=https://a.example,64-127,129-255=https://b.example
//
// A value; it names nothing unless told otherwise.
class PartitionUrls {
 public:
  static constexpr size_t kTextBytesMax = 64 * 1024;
  static constexpr size_t kUrlBytesMax = 512;

  // A list of `PARTITIONS=URL`, the partitions as PartitionSet::Parse() takes them; each partition
  // once at most. A URL is http://HOST[:PORT] or https://HOST[:PORT], without path and query.
  // kInvalidArgument otherwise; the error's field is `field`.
  static Result<PartitionUrls> Parse(std::string_view text, std::string_view field);

  // Without a slash at its end; empty for a partition of nobody.
  std::string_view Of(unsigned partition) const;
  bool empty() const { return urls_.empty(); }

 private:
  std::vector<std::string> urls_;
  std::array<uint16_t, kPartitions> index_{};  // into urls_, from 1; 0: none
};

}  // namespace galaxy::push
