// All the clients of a server under load, and who publishes to them: one process, commanded by
// lines on standard input, each answered by one line of JSON.
//
//   edge_load --dialect ws|pb|sse|grpc|floor|nchan|nats --server HOST:PORT --publish HOST:PORT
//             [--key JWK] [--ca FILE] [--watch PID]...
//
//   connect group=a users=10000 sessions=1 burst=64   clients connect and are admitted
//   load group=a seconds=5 window=1024                events one after the other, so many under way
//   load group=a seconds=5 rate=5000                  so many a second, and how long each took
//   pulses group=a count=10 events=10000              published while the server is stopped
//   live group=a rate=1000                            until the next line; answers twice
//   idle seconds=10
//   publish group=b users=100 count=10000             for nobody yet; then
//   storm group=b behind=100 burst=1000               they come, each so many events late
//   invalidate group=v whole=1 busy=a rate=50000
//   quit
#include <sys/prctl.h>

#include <csignal>
#include <cstdlib>

#include "edge_load/phases.h"

namespace galaxy::push::bench {
namespace {

Address AddressOf(const char* text) {
  Result<Address> address = Address::Parse(text);
  if (!address) Die(address.error().message);
  return *address;
}

LoadOptions Parse(int argc, char** argv) {
  LoadOptions options;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string_view name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--dialect")
      options.dialect = value;
    else if (name == "--server")
      options.server = AddressOf(value);
    else if (name == "--publish")
      options.publish = AddressOf(value);
    else if (name == "--key")
      options.key_file = value;
    else if (name == "--ca")
      options.ca_file = value;
    else if (name == "--watch")
      options.watched.push_back(std::atoi(value));
    else
      Die("unknown " + std::string(name));
  }
  if (options.server.port == 0 || options.publish.port == 0) Die("--server and --publish");
  options.publisher = options.key_file.empty() ? options.dialect : "galaxy";
  return options;
}

int Run(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Input input;
  Phases phases(Parse(argc, argv), input);
  for (std::string line; input.Next(phases.clients(), line) && phases.Do(Words(line));) {
  }
  return 0;
}

}  // namespace
}  // namespace galaxy::push::bench

int main(int argc, char** argv) { return galaxy::push::bench::Run(argc, argv); }
