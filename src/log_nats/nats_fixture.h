#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"

namespace galaxy::push {

// Waits in real time, for what another process does. False: it did not come within `seconds`.
inline bool WaitFor(const std::function<bool()>& condition, int seconds = 20) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

// One nats-server process with JetStream, its store in a folder that goes with this object. It
// listens on 127.0.0.1, on a port that the system chose at its first start and that it keeps.
class NatsServer {
 public:
  NatsServer() {
    std::string pattern = std::filesystem::temp_directory_path() / "galaxy-nats-XXXXXX";
    CHECK(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    Start();
  }
  ~NatsServer() {
    Kill();
    std::filesystem::remove_all(folder_);
  }
  NatsServer(const NatsServer&) = delete;
  NatsServer& operator=(const NatsServer&) = delete;

  void Start() {
    CHECK(pid_ == 0);
    std::vector<std::string> words = {"nats-server", "-js", "-sd",
                                      folder_,       "-a",  "127.0.0.1",
                                      "-p",          port_, "--ports_file_dir",
                                      folder_,       "-l",  folder_ + "/server.log"};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    CHECK(pid_ >= 0);
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // it does not outlive the test
      execvp(arguments[0], arguments.data());
      _exit(127);
    }
    std::string ports = folder_ + "/nats-server_" + std::to_string(pid_) + ".ports";
    CHECK(WaitFor([&] { return ReadPort(ports); }) && "nats-server did not start");
  }
  // As by kill -9; the store stays.
  void Kill() { End(SIGKILL); }
  void Stop() { End(SIGTERM); }
  // It hangs: its connections stay open, nothing is answered, until Continue().
  void Pause() { CHECK(kill(pid_, SIGSTOP) == 0); }
  void Continue() { CHECK(kill(pid_, SIGCONT) == 0); }

  std::string url() const { return "nats://127.0.0.1:" + port_; }
  const std::string& folder() const { return folder_; }

 private:
  // {"nats":["nats://127.0.0.1:41035"]}
  bool ReadPort(const std::string& path) {
    std::ifstream file(path);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    constexpr std::string_view kBefore = "nats://127.0.0.1:";
    size_t at = text.find(kBefore);
    if (at == std::string::npos || text.find('}') == std::string::npos) return false;
    at += kBefore.size();
    port_ = text.substr(at, text.find('"', at) - at);
    return true;
  }
  void End(int signal) {
    if (pid_ == 0) return;
    kill(pid_, signal);
    kill(pid_, SIGCONT);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  std::string folder_;
  std::string port_ = "-1";
  pid_t pid_ = 0;
};

// A nats-server for each test.
class NatsTest : public testing::Test {
 protected:
  NatsServer server;
};

}  // namespace galaxy::push
