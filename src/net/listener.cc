#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include "net/connection.h"
#include "net/endpoint.h"
#include "net/loop.h"
#include "net/loop_impl.h"
#include "net/network.h"
#include "net/proxy_protocol.h"
#include "net/tcp_connection.h"
#include "net/tls_connection.h"

namespace galaxy::push {
namespace {

using Descriptor =
    boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;
using boost::system::error_code;

// Each is a handshake and a token to verify soon; the rest waits in the kernel, and not before the
// connections that are here already.
constexpr int kAcceptsPerTurn = 8;
constexpr uint64_t kPauseMs = 100;  // after running out of descriptors or memory

// Outlives the Listener while an asio wait refers to it, and a callback that destroys the Listener.
struct Acceptor : std::enable_shared_from_this<Acceptor> {
  Acceptor(Loop& loop_in, Listener::OnConnection on_connection_in, Listener::OnError on_error_in)
      : loop(loop_in),
        descriptor(loop_in.impl().io()),
        on_connection(std::move(on_connection_in)),
        on_error(std::move(on_error_in)) {}

  void Wait();
  void AcceptSome();
  void Accepted(int fd, const sockaddr_storage& from);
  void Failed(int error_number);

  Loop& loop;
  Descriptor descriptor;
  Listener::OnConnection on_connection;
  Listener::OnError on_error;
  Timer pause;
  bool closed = false;
};

void Acceptor::Wait() {
  if (closed) return;
  descriptor.async_wait(Descriptor::wait_read, [self = shared_from_this()](error_code) {
    if (!self->closed) self->AcceptSome();
  });
}

void Acceptor::AcceptSome() {
  for (int i = 0; i < kAcceptsPerTurn && !closed; ++i) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    int fd = accept4(descriptor.native_handle(), reinterpret_cast<sockaddr*>(&from), &length,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      Accepted(fd, from);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    // The rest are faults of one connection (ECONNABORTED, EPROTO, …): take the next.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      return Failed(errno);
    }
  }
  Wait();
}

void Acceptor::Accepted(int fd, const sockaddr_storage& from) {
  auto connection = NewTcpConnection(loop, fd, FromSystem(from));
  if (connection) {
    on_connection(std::move(*connection));
  } else if (on_error) {
    on_error(connection.error());
  }
}

void Acceptor::Failed(int error_number) {
  pause = loop.RunAfter(kPauseMs, [self = weak_from_this()] {
    if (auto acceptor = self.lock()) acceptor->AcceptSome();
  });
  if (on_error) on_error(SystemError("accept a connection", error_number));
}

class TcpListener final : public Listener {
 public:
  TcpListener(std::shared_ptr<Acceptor> acceptor, Address bound)
      : acceptor_(std::move(acceptor)), bound_(std::move(bound)) {}
  ~TcpListener() override { Close(); }
  const Address& bound() const override { return bound_; }
  void Close() override {
    acceptor_->closed = true;
    acceptor_->pause.Cancel();
    error_code ignored;
    acceptor_->descriptor.close(ignored);
  }

 private:
  std::shared_ptr<Acceptor> acceptor_;
  Address bound_;
};

// A listening socket, or the error as errno.
std::expected<int, int> OpenSocket(const Endpoint& endpoint, const SocketOptions& options) {
  int fd = socket(endpoint.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(errno);
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (endpoint.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  SetSocketOptions(fd, options);
  if (bind(fd, endpoint.get(), endpoint.length) != 0 || listen(fd, SOMAXCONN) != 0) {
    int error = errno;
    close(fd);
    return std::unexpected(error);
  }
  return fd;
}

// Hands on connections whose PROXY header was read.
class ProxiedListener final : public Listener {
 public:
  ProxiedListener(std::shared_ptr<ProxyHeaderReader> reader, std::unique_ptr<Listener> lower)
      : reader_(std::move(reader)), lower_(std::move(lower)) {}
  ~ProxiedListener() override { Close(); }
  const Address& bound() const override { return lower_->bound(); }
  void Close() override {
    lower_->Close();
    reader_->Close();
  }

 private:
  std::shared_ptr<ProxyHeaderReader> reader_;
  std::unique_ptr<Listener> lower_;
};

Result<std::unique_ptr<Listener>> OpenProxied(Loop& loop, const Address& address,
                                              SocketOptions options,
                                              Listener::OnConnection on_connection,
                                              Listener::OnError on_error) {
  auto reader = std::make_shared<ProxyHeaderReader>(
      loop, *std::exchange(options.proxy_protocol_from, nullptr), options.proxy_header_timeout_ms,
      std::move(on_connection), on_error);
  options.tls = nullptr;  // it is above the header
  auto lower = Listener::Open(
      loop, address, options,
      [reader](std::unique_ptr<Connection> connection) { reader->Take(std::move(connection)); },
      std::move(on_error));
  if (!lower) return lower;
  return std::make_unique<ProxiedListener>(std::move(reader), std::move(*lower));
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::Open(Loop& loop, const Address& address,
                                                 SocketOptions options, OnConnection on_connection,
                                                 OnError on_error) {
  if (options.tls) {
    on_connection = [&loop, tls = options.tls,
                     plain = std::move(on_connection)](std::unique_ptr<Connection> connection) {
      plain(NewTlsServerConnection(loop, std::move(connection), tls()));
    };
  }
  if (options.proxy_protocol_from != nullptr) {
    return OpenProxied(loop, address, std::move(options), std::move(on_connection),
                       std::move(on_error));
  }
  if (Network* network = loop.network()) {
    return network->Listen(loop, address, options, std::move(on_connection), std::move(on_error));
  }
  Result<Endpoint> endpoint = NumericEndpoint(address);
  if (!endpoint) return std::unexpected(endpoint.error());
  std::expected<int, int> fd = OpenSocket(*endpoint, options);
  if (!fd) return std::unexpected(SystemError("listen on " + address.ToString(), fd.error()));
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  getsockname(*fd, reinterpret_cast<sockaddr*>(&bound), &length);

  auto acceptor = std::make_shared<Acceptor>(loop, std::move(on_connection), std::move(on_error));
  error_code error;
  acceptor->descriptor.assign(*fd, error);
  if (error) {
    close(*fd);
    return std::unexpected(SystemError("listen on " + address.ToString(), error.value()));
  }
  acceptor->Wait();
  return std::make_unique<TcpListener>(std::move(acceptor), FromSystem(bound));
}

}  // namespace galaxy::push
