#include "ops/config_file.h"

#include <toml++/toml.h>

#include <algorithm>

namespace galaxy::push {
namespace {

std::string Where(const std::string& path, const toml::node& node) {
  return path + " line " + std::to_string(node.source().begin.line);
}

// The library as Debian builds it throws; nothing leaves this function.
Result<toml::table> ParseFile(const std::string& path) {
  try {
    return toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    return Fail(Code::kInvalidArgument,
                "option config: " + path + " line " + std::to_string(error.source().begin.line) +
                    ": " + std::string(error.description()),
                "config");
  }
}

Result<std::string> ValueText(const toml::node& node, const std::string& where,
                              const std::string& key) {
  if (auto text = node.value_exact<std::string>()) return *text;
  if (auto number = node.value_exact<int64_t>()) return std::to_string(*number);
  if (auto flag = node.value_exact<bool>()) return std::string(*flag ? "true" : "false");
  const toml::array* array = node.as_array();
  if (array && array->is_homogeneous<std::string>()) {
    std::string joined;
    for (const toml::node& item : *array) {
      if (!joined.empty()) joined += ',';
      joined += **item.as_string();
    }
    return joined;
  }
  return Fail(Code::kInvalidArgument,
              "option " + key + ", from " + where +
                  ": the value must be text, a whole number, true, false or a list of texts",
              key);
}

Status ReadTable(const toml::table& table, const std::string& path,
                 const std::vector<std::string>& programs, bool top,
                 std::vector<OptionGiven>& given) {
  for (const auto& [name, node] : table) {
    std::string key(name.str());
    const std::string where = Where(path, node);
    if (node.is_table() && top) {
      if (std::ranges::find(programs, key) != programs.end()) continue;
      return Fail(Code::kInvalidArgument,
                  "unknown table [" + key + "], from " + where + ": no program is called so", key);
    }
    if (key == "config")
      return Fail(Code::kInvalidArgument,
                  "option config, from " + where + ": a file cannot name another file", key);
    Result<std::string> value = ValueText(node, where, key);
    if (!value) return std::unexpected(value.error());
    bool doubled = std::ranges::any_of(given, [&](const OptionGiven& g) { return g.name == key; });
    if (doubled)
      return Fail(Code::kInvalidArgument,
                  "option " + key + ", from " + where + ": it stands at the top of the file too",
                  key);
    given.push_back({key, *value, OptionOrigin::kFile, where});
  }
  return {};
}

}  // namespace

Result<std::vector<OptionGiven>> ReadConfigFile(const std::string& path, std::string_view program,
                                                const std::vector<std::string>& programs) {
  Result<toml::table> parsed = ParseFile(path);
  if (!parsed) return std::unexpected(parsed.error());
  std::vector<OptionGiven> given;
  if (Status ok = ReadTable(*parsed, path, programs, true, given); !ok)
    return std::unexpected(ok.error());
  if (const toml::table* own = (*parsed)[program].as_table()) {
    if (Status ok = ReadTable(*own, path, programs, false, given); !ok)
      return std::unexpected(ok.error());
  }
  return given;
}

}  // namespace galaxy::push
