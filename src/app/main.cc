#include "app/commands.h"

int main(int argc, char** argv) {
  using namespace galaxy::push;
  std::vector<std::string> arguments(argv + 1, argv + argc);
  return RunProgram(GALAXY_PUSH_VERSION, arguments, ProcessEnvironment(), AllCommands());
}
