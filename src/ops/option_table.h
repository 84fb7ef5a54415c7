#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/address.h"

namespace galaxy::push {

// One option as people meet it. `fallback`, `low` and `high` are written as a user would write
// them.
//   name  "ring-bytes" is the flag --ring-bytes, the key ring-bytes of a configuration file and the
//         environment variable GALAXY_PUSH_RING_BYTES.
struct OptionSpec {
  std::string name;
  std::string text;  // one sentence, ends with a full stop
  std::string fallback;
  std::string low;  // bounds, inclusive; empty: none
  std::string high;
  std::string placeholder;           // in the help: "ADDR", "FILE"; empty: by type
  std::vector<std::string> choices;  // Text only: the values allowed
  bool required = false;
  bool secret = false;        // its value is never printed
  bool positional = false;    // also taken without its flag
  bool command_line = false;  // for this run only: not read from a file or the environment
};

// Where the value of an option came from. A later one wins over an earlier.
enum class OptionOrigin { kDefault, kFile, kEnvironment, kFlag };

// A value somebody gave, with the words for where ("--ring-bytes", "galaxy.toml line 3").
struct OptionGiven {
  std::string name;
  std::string value;
  OptionOrigin origin = OptionOrigin::kFlag;
  std::string where;
};

// OptionTable is the one list of what a program can be told: flags, file and environment read it;
// the help, `check-config` and the reference page are made of it.
//
//   Ownership  Refers to the variables it fills; they outlive it.
//   Errors     kInvalidArgument; the message names the option, where its value came from, and the
//              limit.
class OptionTable {
 public:
  // Every table begins with `config`, which names the file.
  explicit OptionTable(std::string program);
  OptionTable(const OptionTable&) = delete;
  OptionTable& operator=(const OptionTable&) = delete;

  void Text(OptionSpec spec, std::string& target);
  void Flag(OptionSpec spec, bool& target);
  template <typename T>
  void Count(OptionSpec spec, T& target) {
    AddNumber(std::move(spec), Kind::kCount, Assign(target));
  }
  template <typename T>
  void DurationMs(OptionSpec spec, T& target) {
    AddNumber(std::move(spec), Kind::kDuration, Assign(target));
  }
  // The same for a variable that counts whole seconds; what is below one is cut off.
  template <typename T>
  void DurationS(OptionSpec spec, T& target) {
    AddNumber(std::move(spec), Kind::kDuration,
              [&target](uint64_t ms) { target = static_cast<T>(ms / 1000); });
  }
  template <typename T>
  void SizeBytes(OptionSpec spec, T& target) {
    AddNumber(std::move(spec), Kind::kSize, Assign(target));
  }
  void HostPort(OptionSpec spec, Address& target);
  // Separated by commas, or the flag several times; in a file also an array of strings.
  void List(OptionSpec spec, std::vector<std::string>& target);
  // A list of host:port, each once; 1 to 64.
  void HostPorts(OptionSpec spec, std::vector<Address>& target);

  // Sets every variable: the default, else what was given by the strongest origin. Names that the
  // table does not know, values out of bounds and required options that nobody gave are refused.
  Status Resolve(const std::vector<OptionGiven>& given);

  // The variables of `environment` that belong to this table (GALAXY_PUSH_<NAME>).
  std::vector<OptionGiven> FromEnvironment(
      const std::map<std::string, std::string>& environment) const;
  bool Knows(std::string_view name) const { return Find(name) != nullptr; }

  // What Resolve() arrived at: a valid configuration file with the origin of each value beside it.
  std::string Effective() const;
  // The options part of --help.
  std::string Help() const;
  // The table of the reference page (Markdown).
  std::string Reference() const;

  enum class Kind { kText, kFlag, kCount, kDuration, kSize, kAddress, kList };
  struct Entry {
    OptionSpec spec;
    Kind kind;
    std::function<Status(const std::string&)> assign;
    // After Resolve().
    std::string value;
    OptionOrigin origin = OptionOrigin::kDefault;
    std::string where;
  };
  const std::vector<Entry>& entries() const { return entries_; }
  const std::string& program() const { return program_; }

 private:
  template <typename T>
  static std::function<void(uint64_t)> Assign(T& target) {
    return [&target](uint64_t value) { target = static_cast<T>(value); };
  }
  void Add(OptionSpec spec, Kind kind, std::function<Status(const std::string&)> assign);
  void AddNumber(OptionSpec spec, Kind kind, std::function<void(uint64_t)> assign);
  const Entry* Find(std::string_view name) const;
  Status Apply(Entry& entry, const OptionGiven* given);

  std::string program_;
  std::string config_path_;
  std::vector<Entry> entries_;
};

std::string EnvironmentName(std::string_view option);

// Variables of the form GALAXY_PUSH_<NAME> that none of `tables` knows: a misspelt name must not be
// silently without effect. GALAXY_PUSH_PORT* and GALAXY_PUSH_SERVICE_* are left alone: container
// platforms set them for a service called galaxy-push.
Status CheckEnvironment(const std::map<std::string, std::string>& environment,
                        const std::vector<const OptionTable*>& tables);

}  // namespace galaxy::push
