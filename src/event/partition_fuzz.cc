// Feeds any bytes as a list of partitions. What is taken has one canonical form, which means the
// same set.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "event/partition.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Result<PartitionSet> set = PartitionSet::Parse(text, "partitions");
  if (!set) {
    CHECK(set.error().field == "partitions");
    return 0;
  }
  std::string form = set->Format();
  CHECK(set->size() > 0);
  CHECK(form.size() <= PartitionSet::kTextBytesMax);
  CHECK(PartitionSet::Parse(form, "partitions") == *set);
  return 0;
}
