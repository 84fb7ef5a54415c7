// galaxy-sim: runs simulated worlds. See docs/reliability.md, "Simulation".
//
// With --seeds 200 [--first 1] [--jobs 2] it runs them and prints the first that fails, with its
// history, or the seed of one that ends the process or hangs. With --seed 17 [--steps 40] [-v] it
// runs one, the first 40 actions only, and tells all.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "world.h"

namespace galaxy::push::sim {
namespace {

struct Arguments {
  std::optional<uint64_t> seed;
  uint64_t first = 1;
  uint64_t seeds = 1;
  uint64_t stride = 1;
  uint64_t jobs = 1;
  std::optional<uint64_t> steps;
  uint64_t lines = 300;
  bool verbose = false;
  bool quiet = false;
  bool twice = false;
  bool shrink = false;
};

struct Outcome {
  bool good = false;
  uint64_t hash = 0;
  World::Summary summary;
  std::vector<std::string> violations;
};

// A CHECK in the product, a crash and a world that hangs end the process: they leave the seed
// behind.
constexpr unsigned kHangSeconds = 300;  // a world takes 0.2 s
char g_last_words[160];

void OnDeath(int signal_number) {
  (void)!write(STDOUT_FILENO, g_last_words, std::strlen(g_last_words));
  raise(signal_number);  // as it would have been: SA_RESETHAND
}

void CatchDeath() {
  struct sigaction action = {};
  action.sa_handler = OnDeath;
  action.sa_flags = SA_RESETHAND;
  for (int signal_number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM})
    sigaction(signal_number, &action, nullptr);
}

std::string Replay(uint64_t seed) {
  return "  replay: build/galaxy-sim --seed " + std::to_string(seed) + " -v\n";
}

Outcome RunWorld(const WorldOptions& options, std::vector<Action> schedule, std::ostream* echo,
                 uint64_t lines) {
  std::snprintf(g_last_words, sizeof g_last_words, "\nFAILED seed=%llu: it ended or hung\n%s",
                static_cast<unsigned long long>(options.seed), Replay(options.seed).c_str());
  alarm(kHangSeconds);
  World world(options, std::move(schedule), echo);
  Outcome outcome;
  outcome.good = world.Run();
  outcome.hash = world.hash();
  outcome.summary = world.summary();
  outcome.violations = world.violations();
  if (!outcome.good && lines > 0 && echo == nullptr) world.history().Print(std::cout, lines);
  return outcome;
}

std::vector<Action> Schedule(const WorldOptions& options, const Arguments& arguments) {
  std::vector<Action> schedule = MakeSchedule(options);
  if (arguments.steps && *arguments.steps < schedule.size()) schedule.resize(*arguments.steps);
  return schedule;
}

void PrintFailure(const WorldOptions& options, const Outcome& outcome) {
  std::cout << "\nFAILED " << options.ToString() << "\n";
  for (const std::string& violation : outcome.violations) std::cout << "  " << violation << "\n";
  std::cout << Replay(options.seed);
}

// Leaves out actions while it still fails.
std::vector<Action> Shrink(const WorldOptions& options, std::vector<Action> schedule) {
  for (size_t chunk = schedule.size() / 2; chunk > 0; chunk /= 2) {
    for (size_t at = 0; at < schedule.size();) {
      std::vector<Action> fewer = schedule;
      auto begin = fewer.begin() + static_cast<std::ptrdiff_t>(at);
      fewer.erase(begin,
                  begin + static_cast<std::ptrdiff_t>(std::min(chunk, schedule.size() - at)));
      if (RunWorld(options, fewer, nullptr, 0).good) {
        at += chunk;
      } else {
        schedule = std::move(fewer);
      }
    }
  }
  return schedule;
}

int RunOne(const Arguments& arguments) {
  WorldOptions options = WorldOptions::Draw(*arguments.seed);
  std::vector<Action> schedule = Schedule(options, arguments);
  if (arguments.shrink) schedule = Shrink(options, std::move(schedule));
  std::cout << options.ToString() << "\n";
  Outcome outcome =
      RunWorld(options, schedule, arguments.verbose ? &std::cout : nullptr, arguments.lines);
  std::cout << "actions " << outcome.summary.actions << ", " << outcome.summary.virtual_ms
            << " ms, steps " << outcome.summary.steps << ", acknowledged "
            << outcome.summary.events_acked << ", received " << outcome.summary.events_seen
            << ", gaps " << outcome.summary.gaps << ", hash " << std::hex << outcome.hash
            << std::dec << "\n";
  if (!outcome.good) PrintFailure(options, outcome);
  return outcome.good ? 0 : 1;
}

int RunMany(const Arguments& arguments) {
  auto begin = std::chrono::steady_clock::now();
  World::Summary sum;
  for (uint64_t i = 0; i < arguments.seeds; ++i) {
    WorldOptions options = WorldOptions::Draw(arguments.first + i * arguments.stride);
    Outcome outcome = RunWorld(options, Schedule(options, arguments), nullptr, arguments.lines);
    if (!outcome.good) {
      PrintFailure(options, outcome);
      return 1;
    }
    if (arguments.twice &&
        RunWorld(options, Schedule(options, arguments), nullptr, 0).hash != outcome.hash) {
      std::cout << "FAILED seed " << options.seed << ": two runs have different histories\n";
      return 1;
    }
    sum.virtual_ms += outcome.summary.virtual_ms;
    sum.steps += outcome.summary.steps;
    sum.events_acked += outcome.summary.events_acked;
    sum.events_seen += outcome.summary.events_seen;
    sum.gaps += outcome.summary.gaps;
    sum.actions += outcome.summary.actions;
  }
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (arguments.quiet) return 0;
  std::cout << arguments.seeds << " seeds from " << arguments.first << " passed in " << seconds
            << " s: " << sum.virtual_ms / 1'000 << " virtual seconds, " << sum.actions
            << " actions, " << sum.steps << " steps, " << sum.events_acked
            << " events acknowledged, " << sum.events_seen << " received, " << sum.gaps
            << " gaps told\n";
  return 0;
}

// Each process takes every n-th seed; its output is shown when it has ended.
struct Job {
  pid_t pid = 0;
  FILE* output = nullptr;
};

Job StartJob(Arguments arguments, uint64_t index) {
  Job job{.output = std::tmpfile()};
  std::cout.flush();
  job.pid = fork();
  if (job.pid != 0) return job;
  dup2(fileno(job.output), STDOUT_FILENO);
  arguments.first += index * arguments.stride;
  arguments.seeds = (arguments.seeds + arguments.jobs - 1 - index) / arguments.jobs;
  arguments.stride *= arguments.jobs;
  int status = RunMany(arguments);
  std::cout.flush();
  _exit(status);
}

void Show(const Job& job) {
  std::rewind(job.output);
  char bytes[4096];
  while (size_t n = std::fread(bytes, 1, sizeof bytes, job.output))
    std::cout.write(bytes, static_cast<std::streamsize>(n));
}

int RunJobs(const Arguments& arguments) {
  std::vector<Job> jobs;
  for (uint64_t i = 0; i < arguments.jobs; ++i) jobs.push_back(StartJob(arguments, i));
  int result = 0;
  for (size_t left = jobs.size(); left > 0; --left) {
    int status = 0;
    pid_t pid = wait(&status);
    auto job = std::find_if(jobs.begin(), jobs.end(), [pid](const Job& j) { return j.pid == pid; });
    if (job == jobs.end()) continue;
    job->pid = 0;
    if (result != 0) continue;  // ended by us
    Show(*job);
    if (WIFSIGNALED(status)) std::cout << "ended by signal " << WTERMSIG(status) << "\n";
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    result = 1;
    for (const Job& other : jobs) {
      if (other.pid != 0) kill(other.pid, SIGTERM);
    }
  }
  return result;
}

std::optional<Arguments> Parse(int argc, char** argv) {
  Arguments arguments;
  bool valid = true;
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    auto number = [&] {
      uint64_t value = 0;
      std::string_view text = ++i < argc ? argv[i] : "";
      auto [end, error] = std::from_chars(text.begin(), text.end(), value);
      valid = valid && error == std::errc() && end == text.end();
      return value;
    };
    if (name == "--seed") {
      arguments.seed = number();
    } else if (name == "--first") {
      arguments.first = number();
    } else if (name == "--seeds") {
      arguments.seeds = number();
    } else if (name == "--stride") {
      arguments.stride = number();
    } else if (name == "--jobs") {
      arguments.jobs = std::max<uint64_t>(1, number());
    } else if (name == "--steps") {
      arguments.steps = number();
    } else if (name == "--lines") {
      arguments.lines = number();
    } else if (name == "--twice") {
      arguments.twice = true;
    } else if (name == "--shrink") {
      arguments.shrink = true;
    } else if (name == "-q") {
      arguments.quiet = true;
    } else if (name == "-v") {
      arguments.verbose = true;
    } else {
      return std::nullopt;
    }
  }
  // No world at all would pass.
  if (!valid || arguments.seeds == 0 || arguments.stride == 0) return std::nullopt;
  return arguments;
}

int Main(int argc, char** argv) {
  std::optional<Arguments> arguments = Parse(argc, argv);
  if (!arguments) {
    std::cerr << "galaxy-sim [--seeds N] [--first K] [--stride S] [--jobs J] [--twice]\n"
                 "galaxy-sim --seed K [--steps M] [--shrink] [-v] [--lines L]\n";
    return 2;
  }
  CatchDeath();
  if (arguments->verbose) std::cout << std::unitbuf;  // the last line may be what counts
  if (arguments->seed) return RunOne(*arguments);
  return arguments->jobs > 1 ? RunJobs(*arguments) : RunMany(*arguments);
}

}  // namespace
}  // namespace galaxy::push::sim

int main(int argc, char** argv) { return galaxy::push::sim::Main(argc, argv); }
