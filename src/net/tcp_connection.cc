#include "net/tcp_connection.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <system_error>

#include "net/loop.h"
#include "net/loop_impl.h"

namespace galaxy::push {
namespace {

using Tcp = boost::asio::ip::tcp;
using Socket = boost::asio::basic_stream_socket<Tcp, boost::asio::io_context::executor_type>;
using boost::system::error_code;

constexpr int kReadsPerTurn = 4;     // then others get their turn
constexpr size_t kIovecsMax = 1024;  // IOV_MAX

// The socket and what is said of it. It outlives the Connection while an asio wait refers to it;
// `closed` ends everything.
struct Core {
  Core(Loop& loop_in, Address peer_in)
      : loop(loop_in), socket(loop_in.impl().io()), peer(std::move(peer_in)) {}

  friend void intrusive_ptr_add_ref(Core* core) { ++core->references; }
  friend void intrusive_ptr_release(Core* core) {
    if (--core->references == 0) delete core;
  }
  using Pointer = boost::intrusive_ptr<Core>;

  void WaitReadable();
  void WaitWritable();
  void Read(int rounds);
  void Closed(int error_number);
  void WriteFailed(int error_number);
  void Close();

  Loop& loop;
  Socket socket;
  ConnectionHandler* handler = nullptr;
  Address peer;
  int references = 0;
  int write_error = 0;
  bool waits_readable = false;
  bool waits_writable = false;
  bool paused = false;
  bool ended = false;   // the peer's last byte was read
  bool closed = false;  // by us, by the peer, or by an error: no further callback
};

void Core::WaitReadable() {
  if (waits_readable || paused || ended || closed || !handler) return;
  waits_readable = true;
  socket.async_wait(Socket::wait_read, [core = Pointer(this)](error_code) {
    core->waits_readable = false;
    core->Read(kReadsPerTurn);
    core->WaitReadable();
  });
}

void Core::WaitWritable() {
  if (waits_writable || closed || !handler) return;
  waits_writable = true;
  socket.async_wait(Socket::wait_write, [core = Pointer(this)](error_code) {
    core->waits_writable = false;
    if (!core->closed && core->handler) core->handler->OnWritable();
  });
}

void Core::Read(int rounds) {
  char* buffer = loop.impl().read_buffer.get();
  while (rounds-- > 0 && handler && !paused && !ended && !closed) {
    ssize_t n = recv(socket.native_handle(), buffer, Loop::Impl::kReadBufferBytes, MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) Closed(errno);
      return;
    }
    if (n == 0) {
      ended = true;
      if (write_error == 0) handler->OnEnd();
      return;
    }
    auto size = static_cast<size_t>(n);
    handler->OnBytes({buffer, size});
    if (size < Loop::Impl::kReadBufferBytes) return;
  }
}

void Core::Closed(int error_number) {
  if (closed) return;
  Close();
  if (handler) handler->OnClosed(SystemError("connection", error_number));
}

// Write() must not call back. What the peer had sent before it went is still delivered.
void Core::WriteFailed(int error_number) {
  if (write_error != 0) return;
  write_error = error_number;
  loop.Post([core = Pointer(this)] {
    core->Read(1 << 20);
    core->Closed(core->write_error);
  });
}

void Core::Close() {
  closed = true;
  error_code ignored;
  socket.close(ignored);
}

class TcpConnection final : public Connection {
 public:
  explicit TcpConnection(Core::Pointer core) : core_(std::move(core)) {}
  ~TcpConnection() override {
    core_->handler = nullptr;
    Close();
  }

  void Start(ConnectionHandler& handler) override {
    core_->handler = &handler;
    core_->paused = false;
    if (core_->closed || core_->write_error != 0 || core_->ended) return ReportLater();
    core_->WaitReadable();
  }
  void Detach() override { core_->handler = nullptr; }

  size_t Write(std::span<const iovec> bytes) override { return Send(bytes, 0); }
  size_t WriteLast(std::span<const iovec> bytes) override;
  void PauseReading() override { core_->paused = true; }
  void ResumeReading() override {
    core_->paused = false;
    core_->WaitReadable();
  }
  void ShutdownWrite() override {
    if (!core_->closed) shutdown(core_->socket.native_handle(), SHUT_WR);
  }
  void Close() override {
    if (!core_->closed) core_->Close();
  }
  void Reset() override;
  size_t UnsentBytes() const override;
  const Address& peer() const override { return core_->peer; }

 private:
  void ReportLater();
  size_t Send(std::span<const iovec> bytes, int flags);

  Core::Pointer core_;
};

// The peer went while the connection was between two handlers.
void TcpConnection::ReportLater() {
  core_->loop.Post([core = core_] {
    if (!core->handler) return;
    bool lost = core->closed || core->write_error != 0;
    if (!lost) return core->handler->OnEnd();
    if (!core->closed) core->Close();
    core->handler->OnClosed(SystemError("connection", ECONNRESET));
  });
}

// The bytes wait in the kernel for the end that follows at once.
size_t TcpConnection::WriteLast(std::span<const iovec> bytes) {
  size_t offered = 0;
  for (const iovec& part : bytes) offered += part.iov_len;
  size_t taken = Send(bytes, MSG_MORE);
  if (taken == offered) ShutdownWrite();
  return taken;
}

size_t TcpConnection::Send(std::span<const iovec> bytes, int flags) {
  size_t taken = 0;
  while (!bytes.empty() && !core_->closed && core_->write_error == 0) {
    size_t count = std::min(bytes.size(), kIovecsMax);
    size_t offered = 0;
    for (const iovec& part : bytes.first(count)) offered += part.iov_len;
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(bytes.data());
    message.msg_iovlen = count;
    int all_flags = MSG_NOSIGNAL | MSG_DONTWAIT | flags;
    int fd = core_->socket.native_handle();
    // Most writes are one frame, and the kernel has less to check of one buffer.
    ssize_t n = count == 1 ? send(fd, bytes[0].iov_base, bytes[0].iov_len, all_flags)
                           : sendmsg(fd, &message, all_flags);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
        core_->WaitWritable();
      } else {
        core_->WriteFailed(errno);
      }
      break;
    }
    taken += static_cast<size_t>(n);
    if (static_cast<size_t>(n) < offered) {
      core_->WaitWritable();
      break;
    }
    bytes = bytes.subspan(count);
  }
  return taken;
}

void TcpConnection::Reset() {
  if (core_->closed) return;
  linger abort{1, 0};
  setsockopt(core_->socket.native_handle(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  core_->Close();
}

size_t TcpConnection::UnsentBytes() const {
  int bytes = 0;
  if (core_->closed || ioctl(core_->socket.native_handle(), SIOCOUTQ, &bytes) != 0) return 0;
  return static_cast<size_t>(std::max(bytes, 0));
}

}  // namespace

Result<std::unique_ptr<Connection>> NewTcpConnection(Loop& loop, int fd, Address peer) {
  bool v6 = peer.host.find(':') != std::string::npos;
  Core::Pointer core(new Core(loop, std::move(peer)));
  error_code error;
  core->socket.assign(v6 ? Tcp::v6() : Tcp::v4(), fd, error);
  if (error) {
    close(fd);
    return std::unexpected(SystemError("register a socket", error.value()));
  }
  return std::make_unique<TcpConnection>(std::move(core));
}

void SetSocketOptions(int fd, const SocketOptions& options) {
  auto set = [fd](int level, int name, int value) {
    setsockopt(fd, level, name, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.notsent_lowat_bytes > 0) {
    set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, options.notsent_lowat_bytes);
  }
  if (options.receive_buffer_bytes > 0) set(SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes);
  if (options.send_buffer_bytes > 0) set(SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes);
  if (options.dead_after_ms > 0) {
    int seconds = std::max(options.dead_after_ms / 1000, 1);
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, std::max(seconds / 2, 1));
    set(IPPROTO_TCP, TCP_KEEPINTVL, std::max(seconds / 6, 1));
    set(IPPROTO_TCP, TCP_KEEPCNT, 3);
    // Ends it at its time whatever the probes' number, and also when unanswered data is out.
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, seconds * 1000);
  }
}

Error SystemError(std::string_view what, int error_number) {
  std::string text(what);
  text += ": " + std::generic_category().message(error_number);
  return Error{Code::kUnavailable, std::move(text), {}};
}

}  // namespace galaxy::push
