#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "ops/option_table.h"

namespace galaxy::push {

// Reads a TOML file for `program`: its top-level keys, and those of the table [program]. Tables of
// the other `programs` are skipped, so one file can serve several; any other table is unknown, and
// a key that stands in both places is refused.
//   Errors  kInvalidArgument with file and line: not readable, not TOML, a value that is a date, a
//           float or a table.
Result<std::vector<OptionGiven>> ReadConfigFile(const std::string& path, std::string_view program,
                                                const std::vector<std::string>& programs);

}  // namespace galaxy::push
