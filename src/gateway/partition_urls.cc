#include "gateway/partition_urls.h"

#include <algorithm>

#include "http/url.h"

namespace galaxy::push {
namespace {

std::unexpected<Error> Refuse(std::string_view field, const std::string& message) {
  return Fail(Code::kInvalidArgument, std::string(field) + ": " + message, std::string(field));
}

// In the form that a path can be appended to.
Result<std::string> ReadUrl(std::string_view text, std::string_view field) {
  if (text.size() > PartitionUrls::kUrlBytesMax) {
    return Refuse(field, "a URL has " + std::to_string(text.size()) + " bytes, the limit is " +
                             std::to_string(PartitionUrls::kUrlBytesMax));
  }
  Result<ServerUrl> url = ServerUrl::Parse(text);
  bool http = url && (url->scheme == "http" || url->scheme == "https") && url->target == "/";
  bool printable =
      std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != '"'; });
  if (!http || !printable) {
    return Refuse(field, "\"" + std::string(text) + "\" is not http:// or https://HOST[:PORT]");
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

Result<PartitionUrls> PartitionUrls::Parse(std::string_view text, std::string_view field) {
  if (text.size() > kTextBytesMax) {
    return Refuse(field, "the list has " + std::to_string(text.size()) + " bytes, the limit is " +
                             std::to_string(kTextBytesMax));
  }
  PartitionUrls urls;
  while (true) {
    // Partitions have commas, too: they go on up to the equals sign.
    size_t equals = text.find('=');
    if (equals == std::string_view::npos) {
      return Refuse(field, "a list is PARTITIONS=URL,PARTITIONS=URL, and \"" + std::string(text) +
                               "\" has no URL");
    }
    size_t comma = std::min(text.find(',', equals), text.size());
    Result<PartitionSet> set = PartitionSet::Parse(text.substr(0, equals), field);
    if (!set) return std::unexpected(set.error());
    Result<std::string> url = ReadUrl(text.substr(equals + 1, comma - equals - 1), field);
    if (!url) return std::unexpected(url.error());
    urls.urls_.push_back(std::move(*url));
    for (unsigned partition = 0; partition < kPartitions; ++partition) {
      if (!set->Has(partition)) continue;
      if (urls.index_[partition] != 0) {
        return Refuse(field, "partition " + std::to_string(partition) + " is listed twice");
      }
      urls.index_[partition] = static_cast<uint16_t>(urls.urls_.size());
    }
    if (comma == text.size()) return urls;
    text.remove_prefix(comma + 1);
  }
}

std::string_view PartitionUrls::Of(unsigned partition) const {
  uint16_t at = index_.at(partition);
  return at == 0 ? std::string_view() : std::string_view(urls_[at - 1u]);
}

}  // namespace galaxy::push
