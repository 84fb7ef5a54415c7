#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/option_table.h"

namespace galaxy::push {

// One subcommand. Its table is filled before Run(), from flags, environment and --config.
class Command {
 public:
  virtual ~Command() = default;
  // program() of the table is the subcommand's name.
  virtual OptionTable& options() = 0;
  virtual std::string_view summary() const = 0;  // one line
  // What --help and the reference page say below the summary: prose, blank lines, and examples as
  // lines that begin with four spaces.
  virtual std::string_view details() const = 0;
  // The process's exit status (ops/exit_code.h).
  virtual int Run() = 0;
};

using Commands = std::span<const std::unique_ptr<Command>>;

// The reference page of one command (Markdown), as it stands in docs/reference/<name>.md.
std::string ReferencePage(Command& command);
std::string HelpPage(Command& command);

// Finds the subcommand, fills its table and runs it. Adds the commands
// `check-config` and `help`, --help and --version. Precedence: flag, environment, file,
// default.
//   Errors  One line on standard error and kExitUsage.
int RunProgram(std::string_view version, const std::vector<std::string>& arguments,
               const std::map<std::string, std::string>& environment, Commands commands);

// The environment of this process.
std::map<std::string, std::string> ProcessEnvironment();

}  // namespace galaxy::push
