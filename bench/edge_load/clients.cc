#include "edge_load/clients.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace galaxy::push::bench {
namespace {

constexpr size_t kReadBytes = 256 * 1024;
constexpr int kEventsPerTurn = 512;
constexpr size_t kEndedMax = 1024;

}  // namespace

Clients::Clients(const Address& server, const Dialect& dialect,
                 std::shared_ptr<const TlsContext> tls)
    : server_(server),
      dialect_(dialect),
      tls_(std::move(tls)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      buffer_(kReadBytes),
      plain_(kReadBytes) {}

Clients::~Clients() {
  for (auto& conn : conns_) {
    if (conn->fd >= 0) close(conn->fd);
  }
  CloseEnded();
  close(epoll_);
  close(wake_);
}

void Clients::Connect(const std::vector<Identity>& identities, size_t burst) {
  queued_.erase(queued_.begin(), queued_.begin() + static_cast<ptrdiff_t>(queued_next_));
  queued_next_ = 0;
  queued_.insert(queued_.end(), identities.begin(), identities.end());
  burst_ = burst;
  ConnectNext();
}

void Clients::ConnectNext() {
  while (under_way_ < burst_ && queued_next_ < queued_.size()) Open(queued_[queued_next_++]);
}

void Clients::Open(const Identity& identity) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) Die(std::string("socket: ") + strerror(errno));
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(server_.port);
  inet_pton(AF_INET, server_.host.c_str(), &to.sin_addr);
  auto conn = std::make_unique<Conn>();
  conn->fd = fd;
  conn->identity = identity;
  conn->stamp_ns = NowNs();
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS)
    Die(std::string("connect: ") + strerror(errno));
  epoll_event event{.events = EPOLLOUT, .data = {.ptr = conn.get()}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  ++under_way_;
  conns_.push_back(std::move(conn));
}

void Clients::OnConnected(Conn& conn) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(conn.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) Die(std::string("connect: ") + strerror(error));
  epoll_event event{.events = EPOLLIN, .data = {.ptr = &conn}};
  epoll_ctl(epoll_, EPOLL_CTL_MOD, conn.fd, &event);
  if (tls_) {
    conn.stage = Stage::kHandshake;
    conn.tls = std::make_unique<TlsSession>(TlsSession::Client(tls_, server_.host));
    return Ciphertext(conn, {});
  }
  conn.stage = Stage::kHead;
  SendRaw(conn, dialect_.Greeting(conn.identity));
}

void Clients::Turn(int timeout_ms) {
  std::array<epoll_event, kEventsPerTurn> events;
  int count = epoll_wait(epoll_, events.data(), kEventsPerTurn, timeout_ms);
  for (int i = 0; i < count; ++i) {
    auto& conn = *static_cast<Conn*>(events[static_cast<size_t>(i)].data.ptr);
    if (conn.stage == Stage::kConnecting) {
      OnConnected(conn);
    } else if (conn.stage != Stage::kClosed) {
      OnReadable(conn);
    }
  }
  if (count == 0 || ended_.size() >= kEndedMax) CloseEnded();
  shown_.store(delivered_[shown_group_], std::memory_order_release);
  if (waiting.load() && waiting.exchange(false)) {
    uint64_t one = 1;
    if (write(wake_, &one, sizeof one) < 0) Die("eventfd");
  }
  ConnectNext();
}

void Clients::OnReadable(Conn& conn) {
  ssize_t got = recv(conn.fd, buffer_.data(), buffer_.size(), 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return Shut(conn);
  bytes_ += static_cast<uint64_t>(got);
  std::string_view bytes(buffer_.data(), static_cast<size_t>(got));
  conn.tls ? Ciphertext(conn, bytes) : Plain(conn, bytes);
}

void Clients::Plain(Conn& conn, std::string_view bytes) {
  if (conn.carry.empty()) {
    size_t used = dialect_.Hear(conn, bytes, *this);
    if (used < bytes.size()) conn.carry.assign(bytes.substr(used));
    return;
  }
  conn.carry.append(bytes);
  size_t used = dialect_.Hear(conn, conn.carry, *this);
  conn.carry.erase(0, used);
  if (conn.carry.empty()) std::string().swap(conn.carry);
}

void Clients::Ciphertext(Conn& conn, std::string_view bytes) {
  TlsSession& tls = *conn.tls;
  tls.Receive(bytes);
  if (!tls.established()) {
    Result<bool> done = tls.Handshake();
    if (!done) return OnBye(conn, "TLS: " + done.error().message);
    if (*done) {
      conn.stage = Stage::kHead;
      if (Status status = tls.Write(dialect_.Greeting(conn.identity)); !status) return Shut(conn);
    }
  }
  while (conn.stage != Stage::kClosed && tls.established()) {
    Result<TlsSession::Plain> plain = tls.Read(plain_);
    if (!plain) return Shut(conn);
    if (plain->got != TlsSession::Got::kBytes) break;
    Plain(conn, {plain_.data(), plain->bytes});
  }
  if (conn.stage == Stage::kClosed || tls.outgoing().empty()) return;
  SendRaw(conn, tls.outgoing());
  tls.Sent(tls.outgoing().size());
}

// What a client says is little and always has room.
void Clients::SendRaw(Conn& conn, std::string_view bytes) {
  ssize_t sent = send(conn.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return;
  if (sent != static_cast<ssize_t>(bytes.size())) Die("a client's socket has no room");
}

void Clients::Reply(Conn& conn, std::string_view bytes) {
  if (!conn.tls) return SendRaw(conn, bytes);
  if (!conn.tls->Write(bytes)) Die("TLS write");
}

void Clients::OnEvent(Conn& conn, std::string_view body) {
  ++conn.events;
  ++delivered_[conn.identity.group];
  if (samples_ == nullptr || conn.identity.group != timed_group_) return;
  if (uint64_t stamp = StampIn(body)) samples_->Add(NowNs() - stamp);
}

void Clients::OnReady(Conn& conn) {
  if (conn.stage == Stage::kReady) return;
  conn.stage = Stage::kReady;
  ++ready_;
  --under_way_;
}

void Clients::OnCaughtUp(Conn& conn) {
  if (std::exchange(conn.caught_up, true)) return;
  ++caught_up_;
  if (on_caught_up) on_caught_up(conn);
}

void Clients::OnBye(Conn&, std::string_view text) {
  if (refusal_.empty()) refusal_ = text.substr(0, 300);
}

void Clients::Shut(Conn& conn) {
  if (conn.stage == Stage::kClosed) return;
  if (conn.stage != Stage::kReady) --under_way_;
  conn.stage = Stage::kClosed;
  ++closed_;
  epoll_ctl(epoll_, EPOLL_CTL_DEL, conn.fd, nullptr);
  ended_.push_back(std::exchange(conn.fd, -1));
  if (on_closed) on_closed(conn);
}

// Closing takes longer than to hear of an end: it waits until there is nothing to hear, so that what
// is measured is the server's.
void Clients::CloseEnded() {
  for (int fd : ended_) close(fd);
  ended_.clear();
}

StampedPayload::StampedPayload(size_t bytes)
    : text_("{\"stamp\":\"00000000000000000000\",\"x\":\"") {
  if (bytes < 64) Die("a payload is at least 64 bytes");
  text_ += std::string(bytes - text_.size() - 2, 'x') + "\"}";
}

std::string_view StampedPayload::Now() {
  uint64_t now = NowNs();
  for (size_t i = 30; i-- > 10; now /= 10) text_[i] = static_cast<char>('0' + now % 10);
  return text_;
}

uint64_t StampIn(std::string_view body) {
  size_t at = body.find("stamp");
  if (at == std::string_view::npos) return 0;
  at = body.find_first_of("0123456789", at);
  uint64_t value = 0;
  for (; at < body.size() && body[at] >= '0' && body[at] <= '9'; ++at)
    value = value * 10 + static_cast<uint64_t>(body[at] - '0');
  return value;
}

}  // namespace galaxy::push::bench
