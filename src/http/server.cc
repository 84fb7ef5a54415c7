#include "http/server.h"

#include <string>
#include <unordered_map>

#include "http/connection_gate.h"
#include "http/server_connection.h"
#include "net/connection.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

// RFC 9113 3.4. No HTTP/1.1 request begins with it.
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class Server;

// A connection that has not said yet which protocol it speaks.
class Sniffer final : public ConnectionHandler {
 public:
  Sniffer(Server& server, uint64_t id, std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection;
  std::string bytes;

 private:
  void OnBytes(std::string_view bytes) override;
  void OnWritable() override {}
  void OnEnd() override;
  void OnClosed(const Error& error) override;

  Server& server_;
  uint64_t id_;
  Timer timeout_;
};

class Server final : public HttpServer {
 public:
  Server(Loop& loop, HttpLimits limits, RequestHandler& handler)
      : loop_(loop), limits_(limits), handler_(handler) {}

  Status Listen(const Address& address);
  const Address& bound() const override { return listener_->bound(); }
  const HttpStats& stats() const override { return stats_; }
  void Drain(uint64_t deadline_ms, std::function<void()> done) override;

  // For the sniffers.
  void Decide(uint64_t id, bool http2);
  void Remove(uint64_t id);
  void Refused(HttpAbuse kind) { stats_.Refused(kind); }
  Loop& loop() { return loop_; }
  const HttpLimits& limits() const { return limits_; }

 private:
  // One of the two; none while the factory runs.
  struct Entry {
    std::unique_ptr<Sniffer> sniffer;
    std::unique_ptr<ServerConnection> connection;
    GateTicket ticket;
  };
  void Accept(std::unique_ptr<Connection> connection);
  void AcceptFailed(const Error& error);
  void AbortAll();
  void CheckDrained();

  Loop& loop_;
  const HttpLimits limits_;
  RequestHandler& handler_;
  HttpStats stats_;
  // For what is deferred: gone when the server is.
  std::shared_ptr<Server*> self_ = std::make_shared<Server*>(this);
  std::unordered_map<uint64_t, Entry> connections_;
  uint64_t next_id_ = 0;
  bool draining_ = false;
  std::function<void()> drained_;
  Timer deadline_;
  std::unique_ptr<Listener> listener_;
};

Sniffer::Sniffer(Server& server, uint64_t id, std::unique_ptr<Connection> connection_in)
    : connection(std::move(connection_in)), server_(server), id_(id) {
  connection->Start(*this);
  timeout_ = server.loop().RunAfter(server.limits().head_timeout_ms, [this] {
    server_.Refused(HttpAbuse::kSlowHandshake);
    server_.Remove(id_);
  });
}

void Sniffer::OnBytes(std::string_view arrived) {
  bytes += arrived;
  std::string_view begin = std::string_view(bytes).substr(0, kPreface.size());
  if (!kPreface.starts_with(begin)) return server_.Decide(id_, false);
  if (begin.size() == kPreface.size()) server_.Decide(id_, true);
}

void Sniffer::OnEnd() { server_.Remove(id_); }

void Sniffer::OnClosed(const Error&) { server_.Remove(id_); }

Status Server::Listen(const Address& address) {
  auto listener = Listener::Open(
      loop_, address, limits_.socket,
      [this](std::unique_ptr<Connection> connection) { Accept(std::move(connection)); },
      [this](const Error& error) { AcceptFailed(error); });
  if (!listener) return std::unexpected(listener.error());
  listener_ = std::move(*listener);
  return {};
}

void Server::Accept(std::unique_ptr<Connection> connection) {
  ++stats_.connections_total;
  GateTicket ticket;
  if (limits_.gate != nullptr) {
    std::optional<uint64_t> entered = limits_.gate->Enter(connection->peer());
    if (!entered) {
      ++stats_.turned_away_total;
      return connection->Reset();
    }
    ticket = GateTicket(*limits_.gate, *entered);
  }
  ++stats_.connections_open;
  uint64_t id = next_id_++;
  Entry& entry = connections_[id];
  entry.ticket = std::move(ticket);
  entry.sniffer = std::make_unique<Sniffer>(*this, id, std::move(connection));
}

void Server::AcceptFailed(const Error& error) {
  switch (error.code) {  // proxy_protocol.h
    case Code::kPermissionDenied:
      return Refused(HttpAbuse::kProxyUntrusted);
    case Code::kBadRequest:
    case Code::kDeadlineExceeded:
      return Refused(HttpAbuse::kProxyHeader);
    default:
      ++stats_.accept_errors_total;
  }
}

void Server::Decide(uint64_t id, bool http2) {
  // The sniffer is on the stack: it ends with this turn.
  std::unique_ptr<Sniffer> sniffer = std::move(connections_[id].sniffer);
  std::unique_ptr<Connection> connection = std::move(sniffer->connection);
  connection->Detach();
  auto create = http2 ? NewHttp2ServerConnection : NewHttp1ServerConnection;
  auto created = create(loop_, std::move(connection), std::move(sniffer->bytes), limits_, handler_,
                        stats_, [this, id](ServerConnection*) { Remove(id); });
  loop_.Defer([ended = std::move(sniffer)] {});
  connections_[id].connection = std::move(created);
  if (draining_) connections_[id].connection->Drain();
}

// Whoever calls may be the one that is removed: it ends with this turn.
void Server::Remove(uint64_t id) {
  loop_.Defer([self = std::weak_ptr(self_), id] {
    auto server = self.lock();
    if (!server || (*server)->connections_.erase(id) == 0) return;
    --(*server)->stats_.connections_open;
    (*server)->CheckDrained();
  });
}

void Server::Drain(uint64_t deadline_ms, std::function<void()> done) {
  if (draining_) return;
  draining_ = true;
  drained_ = std::move(done);
  listener_->Close();
  deadline_ = loop_.RunAfter(deadline_ms, [this] { AbortAll(); });
  std::erase_if(connections_, [this](const auto& entry) {
    bool undecided = entry.second.sniffer != nullptr;
    if (undecided) --stats_.connections_open;
    return undecided;
  });
  for (auto& [id, entry] : connections_) {
    if (entry.connection) entry.connection->Drain();  // else its factory is on the stack
  }
  loop_.Defer([self = std::weak_ptr(self_)] {
    if (auto server = self.lock()) (*server)->CheckDrained();
  });
}

void Server::AbortAll() {
  for (auto& [id, entry] : connections_) {
    if (entry.connection) entry.connection->Abort();
  }
}

void Server::CheckDrained() {
  if (!draining_ || !connections_.empty() || !drained_) return;
  deadline_.Cancel();
  std::exchange(drained_, nullptr)();
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Open(Loop& loop, const Address& address,
                                                     HttpLimits limits, RequestHandler& handler) {
  auto server = std::make_unique<Server>(loop, limits, handler);
  if (Status listening = server->Listen(address); !listening) {
    return std::unexpected(listening.error());
  }
  return server;
}

}  // namespace galaxy::push
