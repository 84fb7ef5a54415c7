#include <google/protobuf/stubs/logging.h>

#include "app/commands.h"

int main(int argc, char** argv) {
  using namespace galaxy::push;
  // It would write a line to stderr for each malformed message that a peer sends.
  google::protobuf::SetLogHandler(nullptr);
  std::vector<std::string> arguments(argv + 1, argv + argc);
  return RunProgram(GALAXY_PUSH_VERSION, arguments, ProcessEnvironment(), AllCommands());
}
