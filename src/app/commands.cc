#include "app/commands.h"

namespace galaxy::push {

std::vector<std::unique_ptr<Command>> AllCommands() {
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(NewDemoCommand());
  commands.push_back(NewBackendCommand());
  commands.push_back(NewGatewayCommand());
  commands.push_back(NewPublishCommand());
  commands.push_back(NewInvalidateCommand());
  commands.push_back(NewTailCommand());
  commands.push_back(NewListenCommand());
  commands.push_back(NewTokenCommand());
  commands.push_back(NewKeysCommand());
  commands.push_back(NewLogCommand());
  commands.push_back(NewBackupCommand());
  return commands;
}

}  // namespace galaxy::push
