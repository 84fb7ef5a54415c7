#pragma once

#include <memory>
#include <vector>

#include "ops/command_line.h"

namespace galaxy::push {

// The subcommands of galaxy-push (check-config and help come from ops/).
std::unique_ptr<Command> NewBackendCommand();
std::unique_ptr<Command> NewGatewayCommand();
std::unique_ptr<Command> NewDemoCommand();
std::unique_ptr<Command> NewPublishCommand();
std::unique_ptr<Command> NewInvalidateCommand();
std::unique_ptr<Command> NewTailCommand();
std::unique_ptr<Command> NewListenCommand();
std::unique_ptr<Command> NewTokenCommand();
std::unique_ptr<Command> NewKeysCommand();
std::unique_ptr<Command> NewLogCommand();
std::unique_ptr<Command> NewBackupCommand();

// All of them, in the order of the overview.
std::vector<std::unique_ptr<Command>> AllCommands();

}  // namespace galaxy::push
