#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "auth/mint.h"
#include "edge_load/clients.h"
#include "edge_load/commands.h"
#include "edge_load/publisher.h"
#include "edge_load/traffic.h"

namespace galaxy::push::bench {

struct LoadOptions {
  std::string dialect = "ws";  // of the clients
  std::string publisher;       // "galaxy", "floor", "nats", "nchan"
  Address server;              // where clients connect
  Address publish;             // where events go in
  std::string key_file;        // for Galaxy: the private JWK of tokens
  std::string issuer = "https://login.example", audience = "galaxy";
  std::string ca_file;       // speak TLS to the server
  std::vector<int> watched;  // the server's processes, whose CPU time is told
};

// The phases of a load, each one command and one line of figures. A phase that does not go as it
// must (a client is refused, an event does not arrive) ends the program.
class Phases {
 public:
  Phases(LoadOptions options, Input& input);
  ~Phases();
  // False: the last one.
  bool Do(const Words& words);
  Clients& clients() { return *clients_; }

 private:
  struct Group {
    std::string name;
    std::vector<std::string> users;
    std::vector<Identity> sessions;
    std::string cursor;
  };
  void Connect(const Words& words);
  void Load(const Words& words);
  void Pulses(const Words& words);
  void Live(const Words& words);
  void Idle(const Words& words);
  void Publish(const Words& words);
  void Storm(const Words& words);
  void Invalidate(const Words& words);

  static TrafficPlan PlanOf(const Group& group, const Words& words);
  void Finish(Traffic& traffic, const Group& group, uint64_t before);
  Group& GroupOf(const Words& words, const char* word = "group");
  uint32_t NumberOf(const Group& group) const;
  void Join(Group& group, size_t burst);
  void RunFor(double seconds);
  void RunUntil(const char* what, const std::function<bool()>& condition, double seconds = 60);
  void DemandNoRefusal();
  Publisher& publisher();

  LoadOptions options_;
  Input& input_;
  ProcessCpu cpu_;
  std::unique_ptr<TokenKey> key_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::vector<std::string> token_of_session_;
  std::unique_ptr<Dialect> dialect_;
  std::unique_ptr<Clients> clients_;
  std::unique_ptr<Publisher> publisher_;
};

}  // namespace galaxy::push::bench
