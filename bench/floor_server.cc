// The floor: a bare epoll loop that does nothing but send. It knows no sessions, no queue bound and
// no signature; what waits for a client when the loop has read what there is goes out in one send.
// What a push server costs beyond this is what its promises cost.
//
//   floor_server            prints the port of clients and the port of the publisher
//
// Clients: GET /sub/NAME as a WebSocket (RFC 6455). The publisher, one TCP connection: u32 bytes of
// NAME, u32 bytes of payload, NAME, payload, one after the other; each goes to all clients of NAME.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

constexpr size_t kReadBytes = 256 * 1024;
constexpr std::string_view kAccepted =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";  // of the key that edge_load
                                                                   // sends

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct Channel;

struct Peer {
  int fd = -1;
  enum class Kind : uint8_t { kClients, kPublishers, kClient, kPublisher } kind;
  bool blocked = false;
  Channel* channel = nullptr;
  std::string pending;  // what the kernel did not take; the head of a request before that
};

// What is published under one name.
struct Channel {
  std::vector<Peer*> peers;
  std::string frames;  // of this turn, the same bytes for all
};

class Floor {
 public:
  Floor() : epoll_(epoll_create1(EPOLL_CLOEXEC)), buffer_(kReadBytes) {
    int clients = Listen(Peer::Kind::kClients);
    int publishers = Listen(Peer::Kind::kPublishers);
    std::printf("%d %d\n", clients, publishers);
    std::fflush(stdout);
  }

  [[noreturn]] void Run() {
    std::array<epoll_event, 512> events;
    for (;;) {
      int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<size_t>(i)];
        auto& peer = *static_cast<Peer*>(event.data.ptr);
        if (event.events & EPOLLOUT) Flush(peer);
        if (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) OnReadable(peer);
      }
      for (Channel* channel : dirty_) SendTo(*channel);
      dirty_.clear();
      gone_.clear();
    }
  }

 private:
  int Listen(Peer::Kind kind) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    if (bind(fd, reinterpret_cast<sockaddr*>(&here), size) != 0 || listen(fd, 4096) != 0)
      Die("listen");
    getsockname(fd, reinterpret_cast<sockaddr*>(&here), &size);
    Add(fd, kind);
    return ntohs(here.sin_port);
  }
  void Add(int fd, Peer::Kind kind) {
    auto peer = std::make_unique<Peer>();
    peer->fd = fd;
    peer->kind = kind;
    epoll_event event{.events = EPOLLIN, .data = {.ptr = peer.get()}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    peers_[fd] = std::move(peer);
  }
  void Accept(Peer& listener) {
    for (;;) {
      int fd = accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      int one = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      bool client = listener.kind == Peer::Kind::kClients;
      Add(fd, client ? Peer::Kind::kClient : Peer::Kind::kPublisher);
    }
  }
  void OnReadable(Peer& peer) {
    if (peer.kind == Peer::Kind::kClients || peer.kind == Peer::Kind::kPublishers)
      return Accept(peer);
    ssize_t got = recv(peer.fd, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return Leave(peer);
    std::string_view bytes(buffer_.data(), static_cast<size_t>(got));
    if (peer.kind == Peer::Kind::kPublisher) return OnPublished(peer, bytes);
    if (peer.channel == nullptr)
      OnHead(peer, bytes);  // and nothing that a client says later counts
  }
  void OnHead(Peer& peer, std::string_view bytes) {
    peer.pending += bytes;
    if (peer.pending.find("\r\n\r\n") == std::string::npos) return;
    constexpr std::string_view kBegin = "GET /sub/";
    size_t end = peer.pending.find(' ', kBegin.size());
    if (!peer.pending.starts_with(kBegin) || end == std::string::npos) return Leave(peer);
    peer.channel = &channels_[peer.pending.substr(kBegin.size(), end - kBegin.size())];
    peer.channel->peers.push_back(&peer);
    std::string().swap(peer.pending);
    Send(peer, kAccepted);
  }
  void OnPublished(Peer& peer, std::string_view bytes) {
    size_t used = 0;
    if (!peer.pending.empty()) {
      peer.pending += bytes;
      used = Publish(peer.pending);
      peer.pending.erase(0, used);
      return;
    }
    used = Publish(bytes);
    peer.pending.assign(bytes.substr(used));
  }
  size_t Publish(std::string_view bytes) {
    size_t used = 0;
    while (bytes.size() - used >= 8) {
      std::array<uint32_t, 2> head;
      std::memcpy(head.data(), bytes.data() + used, sizeof head);
      size_t name = ntohl(head[0]), payload = ntohl(head[1]);
      if (bytes.size() - used - 8 < name + payload) break;
      name_.assign(bytes.substr(used + 8, name));
      Append(name_, bytes.substr(used + 8 + name, payload));
      used += 8 + name + payload;
    }
    return used;
  }
  void Append(const std::string& name, std::string_view payload) {
    auto found = channels_.find(name);
    if (found == channels_.end()) return;
    std::string& out = found->second.frames;
    if (out.empty()) dirty_.push_back(&found->second);
    out += '\x81';
    if (payload.size() < 126) {
      out += static_cast<char>(payload.size());
    } else {
      int bytes = payload.size() < 65'536 ? 2 : 8;
      out += static_cast<char>(bytes == 2 ? 126 : 127);
      for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(payload.size() >> (8 * i));
    }
    out += payload;
  }
  void SendTo(Channel& channel) {
    for (Peer* peer : channel.peers) Send(*peer, channel.frames);
    channel.frames.clear();
  }
  void Send(Peer& peer, std::string_view bytes) {
    if (peer.blocked) {
      peer.pending += bytes;
      return;
    }
    ssize_t sent = send(peer.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent == static_cast<ssize_t>(bytes.size())) return;
    peer.pending.assign(bytes.substr(sent < 0 ? 0 : static_cast<size_t>(sent)));
    Block(peer, true);
  }
  void Flush(Peer& peer) {
    if (!peer.blocked) return;
    ssize_t sent = send(peer.fd, peer.pending.data(), peer.pending.size(), MSG_NOSIGNAL);
    if (sent > 0) peer.pending.erase(0, static_cast<size_t>(sent));
    if (peer.pending.empty()) Block(peer, false);
  }
  void Block(Peer& peer, bool blocked) {
    peer.blocked = blocked;
    uint32_t what = blocked ? EPOLLIN | EPOLLOUT : EPOLLIN;
    epoll_event event{.events = what, .data = {.ptr = &peer}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, peer.fd, &event);
  }
  void Leave(Peer& peer) {
    if (peer.channel != nullptr) std::erase(peer.channel->peers, &peer);
    close(peer.fd);
    gone_.push_back(std::move(peers_[peer.fd]));  // an event of this turn may still name it
    peer.channel = nullptr;
  }

  int epoll_;
  std::unordered_map<int, std::unique_ptr<Peer>> peers_;
  std::unordered_map<std::string, Channel> channels_;
  std::vector<Channel*> dirty_;
  std::vector<std::unique_ptr<Peer>> gone_;
  std::vector<char> buffer_;
  std::string name_;
};

}  // namespace

int main() {
  Floor floor;
  floor.Run();
}
