#include "ops/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <list>

#include "ops/config_file.h"
#include "ops/exit_code.h"

namespace galaxy::push {
namespace {

constexpr std::string_view kName = "galaxy-push";

void Print(std::FILE* out, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), out);
  std::fflush(out);
}

int UsageError(std::string_view command, std::string_view message) {
  std::string line(kName);
  if (!command.empty()) line += " " + std::string(command);
  line += ": " + std::string(message) + "\n";
  Print(stderr, line);
  return kExitUsage;
}

std::string OverviewPage(Commands commands) {
  std::string out =
      "galaxy-push carries events from a backend, through gateways, to the sessions of your "
      "users,\n"
      "signed, in order and resumable, and cuts a session off when it is revoked.\n\n"
      "Usage: galaxy-push COMMAND [OPTIONS]\n\nCommands:\n";
  auto line = [&](std::string_view name, std::string_view text) {
    out += "  " + std::string(name) + std::string(14 - name.size(), ' ') + std::string(text) + "\n";
  };
  for (const auto& command : commands) line(command->options().program(), command->summary());
  line("check-config", "Shows the configuration a command would run with, and where from");
  out +=
      "\ngalaxy-push COMMAND --help tells all of one command. Every option --some-name is also "
      "the\n"
      "environment variable GALAXY_PUSH_SOME_NAME and the key some-name of the TOML file "
      "--config.\n";
  return out;
}

std::string CheckConfigPage(Commands commands) {
  std::string names;
  for (const auto& command : commands)
    names += (names.empty() ? "" : ", ") + command->options().program();
  return "Usage: galaxy-push check-config COMMAND [OPTIONS of that command]\n"
         "       galaxy-push check-config --reference COMMAND\n\n"
         "Prints the configuration that COMMAND would run with, each value with its origin, as a\n"
         "file that --config takes; exit status 2 when something in it is wrong. With --reference\n"
         "prints the reference page of the command (Markdown).\n\n"
         "    galaxy-push check-config gateway --config galaxy.toml\n\nCOMMAND is one of: " +
         names + ".\n";
}

// The flags of one command as CLI11 sees them: all text, judged by the table afterwards.
struct Flags {
  explicit Flags(const OptionTable& table) {
    app.set_help_flag();
    app.add_flag("-h,--help", help);
    for (const OptionTable::Entry& entry : table.entries()) {
      std::string name = "--" + entry.spec.name;
      if (entry.spec.positional) name += "," + entry.spec.name;
      std::string& text = values.emplace_back();
      options.push_back(entry.kind == OptionTable::Kind::kFlag ? app.add_flag(name + "{true}", text)
                                                               : app.add_option(name, text));
      if (entry.kind == OptionTable::Kind::kList)  // several become lines of one text
        options.back()->multi_option_policy(CLI::MultiOptionPolicy::Join);
    }
  }

  CLI::App app;
  bool help = false;
  std::list<std::string> values;
  std::vector<CLI::Option*> options;
};

Status ReadFlags(Flags& flags, const OptionTable& table, std::vector<std::string> arguments,
                 std::vector<OptionGiven>& given) {
  std::ranges::reverse(arguments);  // CLI11 takes them from the back
  try {
    flags.app.parse(std::move(arguments));
  } catch (const CLI::Error& error) {
    return Fail(Code::kInvalidArgument, error.what());
  }
  auto value = flags.values.begin();
  for (size_t i = 0; i < flags.options.size(); ++i, ++value) {
    const std::string& name = table.entries()[i].spec.name;
    bool list = table.entries()[i].kind == OptionTable::Kind::kList;
    if (list) std::ranges::replace(*value, '\n', ',');
    if (flags.options[i]->count() > 1 && !list)
      return Fail(Code::kInvalidArgument, "option " + name + " is given twice", name);
    if (flags.options[i]->count() >= 1)
      given.push_back({name, *value, OptionOrigin::kFlag, "flag --" + name});
  }
  return {};
}

// The file that --config or its variable names; empty without.
std::string ConfigPath(const std::vector<OptionGiven>& given) {
  std::string path;
  for (const OptionGiven& one : given) {
    if (one.name == "config") path = one.value;  // flags come after the environment
  }
  return path;
}

Status FillTable(OptionTable& table, std::vector<OptionGiven> given, Commands commands) {
  if (std::string path = ConfigPath(given); !path.empty()) {
    std::vector<std::string> programs;
    for (const auto& command : commands) programs.push_back(command->options().program());
    Result<std::vector<OptionGiven>> file = ReadConfigFile(path, table.program(), programs);
    if (!file) return std::unexpected(file.error());
    given.insert(given.end(), file->begin(), file->end());
  }
  return table.Resolve(given);
}

enum class Filled { kRun, kHelp };

Result<Filled> Fill(Command& command, const std::vector<std::string>& arguments,
                    const std::map<std::string, std::string>& environment, Commands commands) {
  OptionTable& table = command.options();
  Flags flags(table);
  std::vector<OptionGiven> given = table.FromEnvironment(environment);
  if (Status ok = ReadFlags(flags, table, arguments, given); !ok) {
    if (flags.help) return Filled::kHelp;
    return std::unexpected(ok.error());
  }
  if (flags.help) return Filled::kHelp;
  std::vector<const OptionTable*> tables;
  for (const auto& one : commands) tables.push_back(&one->options());
  if (Status ok = CheckEnvironment(environment, tables); !ok) return std::unexpected(ok.error());
  if (Status ok = FillTable(table, std::move(given), commands); !ok)
    return std::unexpected(ok.error());
  return Filled::kRun;
}

Command* FindCommand(Commands commands, std::string_view name) {
  for (const auto& command : commands) {
    if (command->options().program() == name) return command.get();
  }
  return nullptr;
}

int CheckConfig(std::vector<std::string> arguments,
                const std::map<std::string, std::string>& environment, Commands commands) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    Print(arguments.empty() ? stderr : stdout, CheckConfigPage(commands));
    return arguments.empty() ? kExitUsage : kExitOk;
  }
  bool reference = arguments[0] == "--reference";
  if (reference) arguments.erase(arguments.begin());
  Command* command = arguments.empty() ? nullptr : FindCommand(commands, arguments[0]);
  if (!command) return UsageError("check-config", "the first argument must be a command");
  if (reference) {
    Print(stdout, ReferencePage(*command));
    return kExitOk;
  }
  arguments.erase(arguments.begin());
  Result<Filled> filled = Fill(*command, arguments, environment, commands);
  if (!filled) return UsageError(command->options().program(), filled.error().message);
  Print(stdout, *filled == Filled::kHelp ? HelpPage(*command) : command->options().Effective());
  return kExitOk;
}

}  // namespace

std::string HelpPage(Command& command) {
  const OptionTable& table = command.options();
  std::string positional;
  for (const OptionTable::Entry& entry : table.entries()) {
    if (!entry.spec.positional) continue;
    std::string word =
        entry.spec.placeholder.empty() ? entry.spec.name : std::string(entry.spec.placeholder);
    positional += entry.spec.required ? " " + word : " [" + word + "]";
  }
  return std::string(command.summary()) + ".\n\nUsage: galaxy-push " + table.program() +
         positional + " [OPTIONS]\n\n" + std::string(command.details()) + "\nOptions:\n" +
         table.Help() + "  -h, --help                  Print this and exit.\n";
}

std::string ReferencePage(Command& command) {
  const OptionTable& table = command.options();
  return "<!-- Made by: galaxy-push check-config --reference " + table.program() +
         " -->\n# galaxy-push " + table.program() + "\n\n" + std::string(command.summary()) +
         ".\n\n" + std::string(command.details()) +
         "\nEvery option is a flag, a key of the TOML file that `--config` names (at the top, or "
         "in "
         "the table `[" +
         table.program() +
         "]`) and an environment variable:\n`--some-name`, `some-name`, "
         "`GALAXY_PUSH_SOME_NAME`. A flag wins over the environment, the environment over the "
         "file.\n\n" +
         table.Reference();
}

int RunProgram(std::string_view version, const std::vector<std::string>& arguments,
               const std::map<std::string, std::string>& environment, Commands commands) {
  if (arguments.empty()) {
    Print(stderr, OverviewPage(commands));
    return kExitUsage;
  }
  std::string name = arguments[0];
  std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  if (name == "--version") {
    Print(stdout, std::string(kName) + " " + std::string(version) + "\n");
    return kExitOk;
  }
  if (name == "help" && !rest.empty()) name = rest[0], rest = {"--help"};
  if (name == "--help" || name == "-h" || name == "help") {
    Print(stdout, OverviewPage(commands));
    return kExitOk;
  }
  if (name == "check-config") return CheckConfig(std::move(rest), environment, commands);
  Command* command = FindCommand(commands, name);
  if (!command) return UsageError("", "unknown command " + name + ", see galaxy-push --help");
  Result<Filled> filled = Fill(*command, rest, environment, commands);
  if (!filled) return UsageError(name, filled.error().message);
  if (*filled == Filled::kHelp) {
    Print(stdout, HelpPage(*command));
    return kExitOk;
  }
  return command->Run();
}

std::map<std::string, std::string> ProcessEnvironment() {
  std::map<std::string, std::string> out;
  for (char** at = environ; *at; ++at) {
    std::string_view line = *at;
    size_t equals = line.find('=');
    if (equals != std::string_view::npos)
      out.emplace(std::string(line.substr(0, equals)), std::string(line.substr(equals + 1)));
  }
  return out;
}

}  // namespace galaxy::push
