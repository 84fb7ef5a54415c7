#include "http/message.h"

#include <algorithm>

#include "http/text.h"

namespace galaxy::push {

void Headers::Set(std::string name, std::string value) {
  std::erase_if(fields_, [&](const HeaderField& field) { return field.name == name; });
  Add(std::move(name), std::move(value));
}

std::optional<std::string_view> Headers::Get(std::string_view name) const {
  for (const HeaderField& field : fields_) {
    if (field.name == name) return field.value;
  }
  return std::nullopt;
}

size_t Headers::Count(std::string_view name) const {
  return static_cast<size_t>(std::ranges::count(fields_, name, &HeaderField::name));
}

std::optional<std::string> RequestHead::QueryParameter(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    size_t end = std::min(rest.find('&'), rest.size());
    std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    size_t equals = std::min(pair.find('='), pair.size());
    std::optional<std::string> key = PercentDecode(pair.substr(0, equals), PlusIs::kSpace);
    if (!key || *key != name) continue;
    return PercentDecode(pair.substr(std::min(equals + 1, pair.size())), PlusIs::kSpace);
  }
  return std::nullopt;
}

}  // namespace galaxy::push
