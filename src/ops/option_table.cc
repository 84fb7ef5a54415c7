#include "ops/option_table.h"

#include <algorithm>
#include <cctype>

#include "base/check.h"
#include "ops/units.h"

namespace galaxy::push {
namespace {

constexpr std::string_view kPrefix = "GALAXY_PUSH_";
constexpr size_t kHostPortsMax = 64;

Result<uint64_t> ParseNumber(OptionTable::Kind kind, std::string_view text) {
  switch (kind) {
    case OptionTable::Kind::kDuration:
      return ParseDuration(text);
    case OptionTable::Kind::kSize:
      return ParseSize(text);
    default:
      return ParseCount(text);
  }
}

Result<std::vector<std::string>> SplitList(const std::string& text) {
  std::vector<std::string> items;
  for (size_t at = 0; at < text.size();) {
    size_t comma = std::min(text.find(',', at), text.size());
    if (comma == at) return Fail(Code::kInvalidArgument, "\"" + text + "\" has an empty item");
    items.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return items;
}

std::string Join(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += separator;
    out += word;
  }
  return out;
}

Status CheckBounds(const OptionSpec& spec, OptionTable::Kind kind, uint64_t value,
                   const std::string& text) {
  if (!spec.low.empty() && value < *ParseNumber(kind, spec.low))
    return Fail(Code::kInvalidArgument, text + " is under the limit of " + spec.low, spec.name);
  if (!spec.high.empty() && value > *ParseNumber(kind, spec.high))
    return Fail(Code::kInvalidArgument, text + " is over the limit of " + spec.high, spec.name);
  return {};
}

}  // namespace

std::string EnvironmentName(std::string_view option) {
  std::string name(kPrefix);
  for (char c : option)
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

OptionTable::OptionTable(std::string program) : program_(std::move(program)) {
  Text({.name = "config", .text = "A TOML file with any of these options.", .placeholder = "FILE"},
       config_path_);
}

void OptionTable::Add(OptionSpec spec, Kind kind,
                      std::function<Status(const std::string&)> assign) {
  CHECK(Find(spec.name) == nullptr);
  entries_.push_back({std::move(spec), kind, std::move(assign), {}, OptionOrigin::kDefault, {}});
}

void OptionTable::AddNumber(OptionSpec spec, Kind kind, std::function<void(uint64_t)> assign) {
  OptionSpec copy = spec;
  Add(std::move(spec), kind,
      [spec = std::move(copy), kind,
       assign = std::move(assign)](const std::string& text) -> Status {
        Result<uint64_t> value = ParseNumber(kind, text);
        if (!value) return std::unexpected(value.error());
        if (Status ok = CheckBounds(spec, kind, *value, text); !ok) return ok;
        assign(*value);
        return {};
      });
}

void OptionTable::Text(OptionSpec spec, std::string& target) {
  std::vector<std::string> choices = spec.choices;
  Add(std::move(spec), Kind::kText,
      [&target, choices = std::move(choices)](const std::string& text) -> Status {
        if (!choices.empty() && std::ranges::find(choices, text) == choices.end())
          return Fail(Code::kInvalidArgument,
                      "\"" + text + "\" is not one of " + Join(choices, ", "));
        target = text;
        return {};
      });
}

void OptionTable::Flag(OptionSpec spec, bool& target) {
  if (spec.fallback.empty()) spec.fallback = "false";
  Add(std::move(spec), Kind::kFlag, [&target](const std::string& text) -> Status {
    if (text != "true" && text != "false")
      return Fail(Code::kInvalidArgument, "\"" + text + "\" is not true or false");
    target = text == "true";
    return {};
  });
}

void OptionTable::HostPort(OptionSpec spec, Address& target) {
  Add(std::move(spec), Kind::kAddress, [&target](const std::string& text) -> Status {
    Result<Address> address = Address::Parse(text);
    if (!address) return std::unexpected(address.error());
    target = *address;
    return {};
  });
}

void OptionTable::List(OptionSpec spec, std::vector<std::string>& target) {
  Add(std::move(spec), Kind::kList, [&target](const std::string& text) -> Status {
    auto items = SplitList(text);
    if (!items) return std::unexpected(items.error());
    target = std::move(*items);
    return {};
  });
}

void OptionTable::HostPorts(OptionSpec spec, std::vector<Address>& target) {
  Add(std::move(spec), Kind::kList, [&target](const std::string& text) -> Status {
    auto items = SplitList(text);
    if (!items) return std::unexpected(items.error());
    std::vector<Address> addresses;
    for (const std::string& item : *items) {
      Result<Address> address = Address::Parse(item);
      if (!address)
        return Fail(Code::kInvalidArgument, "\"" + item + "\": " + address.error().message);
      if (std::ranges::find(addresses, *address) != addresses.end())
        return Fail(Code::kInvalidArgument, "\"" + item + "\" is there twice");
      addresses.push_back(std::move(*address));
    }
    if (addresses.empty()) return Fail(Code::kInvalidArgument, "there is no address");
    if (addresses.size() > kHostPortsMax)
      return Fail(Code::kInvalidArgument, std::to_string(addresses.size()) +
                                              " addresses are over the limit of " +
                                              std::to_string(kHostPortsMax));
    target = std::move(addresses);
    return {};
  });
}

const OptionTable::Entry* OptionTable::Find(std::string_view name) const {
  auto at = std::ranges::find_if(entries_, [&](const Entry& e) { return e.spec.name == name; });
  return at == entries_.end() ? nullptr : &*at;
}

Status OptionTable::Apply(Entry& entry, const OptionGiven* given) {
  entry.value = given ? given->value : entry.spec.fallback;
  entry.origin = given ? given->origin : OptionOrigin::kDefault;
  entry.where = given ? given->where : "default";
  if (!given && entry.value.empty()) {
    if (!entry.spec.required) return {};
    return Fail(Code::kInvalidArgument,
                "option " + entry.spec.name + " is required: give --" + entry.spec.name +
                    (entry.spec.command_line
                         ? ""
                         : ", " + EnvironmentName(entry.spec.name) + " or a line in --config"),
                entry.spec.name);
  }
  Status ok = entry.assign(entry.value);
  if (ok) return {};
  std::string message = entry.spec.secret ? "the value is not valid" : ok.error().message;
  return Fail(Code::kInvalidArgument,
              "option " + entry.spec.name + ", from " + entry.where + ": " + message,
              entry.spec.name);
}

Status OptionTable::Resolve(const std::vector<OptionGiven>& given) {
  for (const OptionGiven& one : given) {
    const Entry* entry = Find(one.name);
    if (!entry || (entry->spec.command_line && one.origin != OptionOrigin::kFlag))
      return Fail(Code::kInvalidArgument,
                  "unknown option " + one.name + ", from " + one.where + ": " + program_ +
                      " does not have it",
                  one.name);
  }
  for (Entry& entry : entries_) {
    const OptionGiven* strongest = nullptr;
    for (const OptionGiven& one : given) {
      if (one.name == entry.spec.name && (!strongest || one.origin >= strongest->origin))
        strongest = &one;
    }
    if (Status ok = Apply(entry, strongest); !ok) return ok;
  }
  return {};
}

std::vector<OptionGiven> OptionTable::FromEnvironment(
    const std::map<std::string, std::string>& environment) const {
  std::vector<OptionGiven> given;
  for (const Entry& entry : entries_) {
    if (entry.spec.command_line) continue;
    std::string name = EnvironmentName(entry.spec.name);
    if (auto at = environment.find(name); at != environment.end())
      given.push_back({entry.spec.name, at->second, OptionOrigin::kEnvironment,
                       "environment variable " + name});
  }
  return given;
}

Status CheckEnvironment(const std::map<std::string, std::string>& environment,
                        const std::vector<const OptionTable*>& tables) {
  for (const auto& [name, value] : environment) {
    if (!name.starts_with(kPrefix) || name.starts_with("GALAXY_PUSH_PORT") ||
        name.starts_with("GALAXY_PUSH_SERVICE_"))
      continue;
    bool known = std::ranges::any_of(tables, [&](const OptionTable* table) {
      return std::ranges::any_of(table->entries(), [&](const OptionTable::Entry& entry) {
        return !entry.spec.command_line && EnvironmentName(entry.spec.name) == name;
      });
    });
    if (!known)
      return Fail(Code::kInvalidArgument,
                  "unknown environment variable " + name + ": no option is called so", name);
  }
  return {};
}

}  // namespace galaxy::push
