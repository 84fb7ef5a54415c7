#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <vector>

#include "net/connection.h"
#include "net/endpoint.h"
#include "net/loop.h"
#include "net/loop_impl.h"
#include "net/network.h"
#include "net/tcp_connection.h"
#include "net/tls_connection.h"

namespace galaxy::push {
namespace {

using Tcp = boost::asio::ip::tcp;
using Socket = boost::asio::basic_stream_socket<Tcp, boost::asio::io_context::executor_type>;
using Resolver = boost::asio::ip::basic_resolver<Tcp, boost::asio::io_context::executor_type>;
using boost::system::error_code;

// One attempt: resolve, then try the addresses one after another until one connects or time is up.
struct Attempt : std::enable_shared_from_this<Attempt> {
  Attempt(Loop& loop_in, Address address_in, SocketOptions options_in, Connector::Done done_in)
      : loop(loop_in),
        address(std::move(address_in)),
        options(options_in),
        done(std::move(done_in)),
        resolver(loop_in.impl().io()),
        socket(loop_in.impl().io()) {}

  void Begin(uint64_t timeout_ms);
  void Resolve();
  void ConnectNext(int last_error);
  void Connected();
  void Finish(Result<std::unique_ptr<Connection>> result);
  void Stop();

  Loop& loop;
  Address address;
  SocketOptions options;
  Connector::Done done;  // empty once called or cancelled
  Resolver resolver;
  Socket socket;
  std::vector<Tcp::endpoint> endpoints;
  size_t next = 0;
  Timer timeout;
};

void Attempt::Begin(uint64_t timeout_ms) {
  timeout = loop.RunAfter(timeout_ms, [self = weak_from_this(), timeout_ms] {
    auto attempt = self.lock();
    if (!attempt) return;
    attempt->Finish(Fail(Code::kUnavailable, "connect to " + attempt->address.ToString() +
                                                 ": no answer in " + std::to_string(timeout_ms) +
                                                 " ms"));
  });
  error_code error;
  if (address.host == "localhost") {
    endpoints = {{boost::asio::ip::address_v4::loopback(), address.port},
                 {boost::asio::ip::address_v6::loopback(), address.port}};
  } else if (auto numeric = boost::asio::ip::make_address(address.host, error); !error) {
    endpoints = {{numeric, address.port}};
  }
  if (endpoints.empty()) return Resolve();
  ConnectNext(ECONNREFUSED);
}

void Attempt::Resolve() {
  resolver.async_resolve(
      address.host, std::to_string(address.port),
      [self = shared_from_this()](error_code error, const Resolver::results_type& found) {
        if (!self->done) return;
        if (error) {
          return self->Finish(
              Fail(Code::kUnavailable, "resolve " + self->address.host + ": " + error.message()));
        }
        for (const auto& entry : found) self->endpoints.push_back(entry.endpoint());
        self->ConnectNext(EADDRNOTAVAIL);
      });
}

void Attempt::ConnectNext(int last_error) {
  error_code error;
  socket.close(error);
  if (next == endpoints.size()) {
    // Never from within Start().
    return loop.Post([self = shared_from_this(), last_error] {
      self->Finish(
          std::unexpected(SystemError("connect to " + self->address.ToString(), last_error)));
    });
  }
  const Tcp::endpoint& endpoint = endpoints[next++];
  socket.open(endpoint.protocol(), error);
  if (error) return ConnectNext(error.value());
  SetSocketOptions(socket.native_handle(), options);
  socket.async_connect(endpoint, [self = shared_from_this()](error_code failed) {
    if (!self->done) return;
    if (failed) return self->ConnectNext(failed.value());
    self->Connected();
  });
}

void Attempt::Connected() {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  getpeername(socket.native_handle(), reinterpret_cast<sockaddr*>(&peer), &length);
  error_code error;
  int fd = socket.release(error);
  if (error) return ConnectNext(error.value());
  Finish(NewTcpConnection(loop, fd, FromSystem(peer)));
}

void Attempt::Finish(Result<std::unique_ptr<Connection>> result) {
  if (!done) return;
  Connector::Done last = std::move(done);
  Stop();
  last(std::move(result));
}

void Attempt::Stop() {
  done = nullptr;
  timeout.Cancel();
  resolver.cancel();
  error_code ignored;
  socket.close(ignored);
}

class TcpConnector final : public Connector {
 public:
  explicit TcpConnector(std::shared_ptr<Attempt> attempt) : attempt_(std::move(attempt)) {}
  ~TcpConnector() override { attempt_->Stop(); }

 private:
  std::shared_ptr<Attempt> attempt_;
};

}  // namespace

std::unique_ptr<Connector> Connector::Start(Loop& loop, const Address& address,
                                            SocketOptions options, uint64_t timeout_ms, Done done) {
  if (options.tls) {
    std::string name = options.tls_name.empty() ? address.host : options.tls_name;
    auto context = options.tls();
    auto lower = [&](Done then) {
      SocketOptions plain = options;
      plain.tls = nullptr;
      return Start(loop, address, std::move(plain), timeout_ms, std::move(then));
    };
    return StartTlsConnector(loop, lower, std::move(context), name, timeout_ms, std::move(done));
  }
  if (Network* network = loop.network()) {
    return network->Connect(loop, address, options, timeout_ms, std::move(done));
  }
  auto attempt = std::make_shared<Attempt>(loop, address, options, std::move(done));
  attempt->Begin(timeout_ms);
  return std::make_unique<TcpConnector>(std::move(attempt));
}

}  // namespace galaxy::push
