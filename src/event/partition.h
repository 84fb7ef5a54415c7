#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "event/entry.h"

namespace galaxy::push {

// Users are spread over a fixed number of partitions, so that a gateway may take the events of some
// users only. The number never changes: load balancers and applications compute with it, too.
inline constexpr unsigned kPartitions = 256;

// The partition of a user: the CRC-32 of ISO-HDLC (that of zlib, gzip and Ethernet, HAProxy's
// `crc32`, Python's zlib.crc32) of the user id's UTF-8 bytes, modulo kPartitions. It spreads users,
// it hides nothing: who can choose their user id can choose their partition.
//
//   Cost      8 bytes a step: 16 ns for an id of 36 bytes. It is computed for every publish.
uint32_t Crc32(std::string_view bytes);
inline unsigned PartitionOf(std::string_view user_id) { return Crc32(user_id) % kPartitions; }

// What an entry has instead of a partition when it is for everybody: invalidations, canaries and
// whatever else is published for users of ours (docs/semantics.md 4.11).
inline constexpr uint16_t kEveryPartition = kPartitions;
uint16_t PartitionOfEntry(const EntryView& entry);

// PartitionSet is some of the partitions, as in `0-63,128,200-255`. A value; all of them unless
// told otherwise.
class PartitionSet {
 public:
  static constexpr size_t kTextBytesMax = 1024;  // more than Format() ever writes

  PartitionSet() { bits_.set(); }

  // Ranges `A-B` with A <= B and single numbers, separated by commas, in any order, without spaces;
  // each partition once at most. kInvalidArgument otherwise, also for nothing at all; the error's
  // field is `field`.
  static Result<PartitionSet> Parse(std::string_view text, std::string_view field);

  bool Has(unsigned partition) const { return partition < kPartitions && bits_[partition]; }
  // Whether an entry of that partition belongs here, kEveryPartition included.
  bool Takes(uint16_t partition) const { return partition >= kPartitions || bits_[partition]; }
  bool HasUser(std::string_view user_id) const { return bits_[PartitionOf(user_id)]; }
  bool all() const { return bits_.all(); }
  size_t size() const { return bits_.count(); }

  // The one form of this set: ascending, neighbours joined to ranges. All of them: `0-255`.
  std::string Format() const;

  bool operator==(const PartitionSet&) const = default;

 private:
  std::bitset<kPartitions> bits_;
};

}  // namespace galaxy::push
