#pragma once

#include <memory>
#include <string>
#include <thread>

#include "app/backend_node.h"
#include "app/demo_files.h"
#include "app/demo_page.h"
#include "app/demo_traffic.h"
#include "app/gateway_node.h"
#include "app/tls_options.h"
#include "http/server.h"
#include "net/loop.h"

namespace galaxy::push {

struct DemoOptions {
  Address page;
  BackendNodeOptions backend;
  GatewayNodeOptions gateway;
  ProcessOptions process;
  uint64_t traffic_ms = 0;
  bool tls = false;
};

// A loop on a thread of its own. What lives on the loop is built before Start() and destroyed after
// Join().
class LoopThread {
 public:
  Loop& loop() { return loop_; }
  void Start() {
    thread_ = std::thread([this] { loop_.Run(); });
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  Loop loop_;
  std::thread thread_;
};

// Demo wires all of `galaxy-push demo`: members in the order of dependence.
//   Threads  Open() and Run() on one, which the page's loop gets; backend and gateway have theirs.
class Demo {
 public:
  Demo(DemoOptions options, Logger& logger);

  Status Open();
  std::string ReadyJson() const;
  // What to open, what goes on and what to try, on standard output.
  void PrintWelcome() const;
  // Until RequestStop(), then drained.
  void Run();
  // Any thread.
  void RequestStop() {
    page_loop_.Post([this] { Drain(); });
  }

 private:
  // What this process is a client with; all null without TLS.
  struct ClientTls {
    OpenedAccess traffic;  // as a producer
    std::unique_ptr<TlsFiles> producer, anybody;
  };
  Status OpenPage();
  Status OpenBackend();
  Status OpenGateway();
  Status OpenClients();
  std::string Scheme() const { return options_.tls ? "https" : "http"; }
  std::string PageUrl() const { return Scheme() + "://" + page_server_->bound().ToString() + "/"; }
  std::string Commands() const;
  std::string TlsWords() const;
  std::string AdminWords() const;
  void Drain();
  void EndGateway();

  const DemoOptions options_;
  Logger& logger_;
  const TokenKey key_;
  std::unique_ptr<DemoFiles> files_;
  LoopThread backend_thread_;
  std::unique_ptr<BackendNode> backend_;
  LoopThread gateway_thread_;
  std::unique_ptr<GatewayNode> gateway_;
  Loop page_loop_;
  ClientTls tls_;
  std::unique_ptr<TlsFiles> page_tls_;
  DemoPage page_;
  std::unique_ptr<HttpServer> page_server_;
  std::unique_ptr<DemoTraffic> traffic_;
  bool draining_ = false;
};

}  // namespace galaxy::push
