#include "net/proxy_protocol.h"

#include <string>
#include <unordered_map>
#include <utility>

#include "net/ip_address.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kFixedBytes = 16;
constexpr int kVersion = 2;
constexpr int kLocal = 0, kProxy = 1;
constexpr int kUnspecified = 0x00, kTcp4 = 0x11, kTcp6 = 0x21, kUnixStream = 0x31;
constexpr size_t kTcp4Bytes = 12, kTcp6Bytes = 36, kUnixBytes = 216;

std::unexpected<Error> Malformed(std::string why) {
  return Fail(Code::kBadRequest, "PROXY protocol: " + why);
}

uint16_t U16(std::string_view bytes) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[0]) << 8 |
                               static_cast<uint8_t>(bytes[1]));
}

// Source, destination, source port, destination port.
Result<std::optional<Address>> ParseSource(int family, std::string_view body) {
  size_t needed = family == kTcp4         ? kTcp4Bytes
                  : family == kTcp6       ? kTcp6Bytes
                  : family == kUnixStream ? kUnixBytes
                                          : 0;
  if (needed == 0 && family != kUnspecified) return Malformed("an unknown family or transport");
  if (body.size() < needed) return Malformed("the addresses are cut off");
  if (family != kTcp4 && family != kTcp6) return std::nullopt;
  size_t address_bytes = family == kTcp4 ? 4 : IpAddress::kBytes;
  std::optional<IpAddress> source = IpAddress::FromBytes(body.substr(0, address_bytes));
  return Address{source->ToString(), U16(body.substr(2 * address_bytes))};
}

// A connection whose header has been read: with the client as its peer, and the bytes that came
// behind the header still to be delivered.
class ProxiedConnection final : public Connection {
 public:
  ProxiedConnection(Loop& loop, std::unique_ptr<Connection> lower, std::optional<Address> source,
                    std::string unread)
      : loop_(loop),
        lower_(std::move(lower)),
        peer_(source ? std::move(*source) : lower_->peer()),
        unread_(std::move(unread)) {}
  ~ProxiedConnection() override { *alive_ = false; }

  void Start(ConnectionHandler& handler) override {
    handler_ = &handler;
    paused_ = false;
    unread_.empty() ? lower_->Start(handler) : DeliverLater();
  }
  void Detach() override {
    handler_ = nullptr;
    lower_->Detach();
  }
  size_t Write(std::span<const iovec> bytes) override { return lower_->Write(bytes); }
  void PauseReading() override {
    paused_ = true;
    lower_->PauseReading();
  }
  void ResumeReading() override {
    paused_ = false;
    unread_.empty() ? lower_->ResumeReading() : DeliverLater();
  }
  void ShutdownWrite() override { lower_->ShutdownWrite(); }
  void Close() override { lower_->Close(); }
  void Reset() override { lower_->Reset(); }
  size_t UnsentBytes() const override { return lower_->UnsentBytes(); }
  const Address& peer() const override { return peer_; }

 private:
  void DeliverLater() {
    loop_.Post([this, alive = alive_] {
      if (*alive) Deliver();
    });
  }
  // Those bytes first, then the connection's own; the handler may have handed over, paused or
  // destroyed this.
  void Deliver() {
    if (handler_ == nullptr || paused_ || unread_.empty()) return;
    ConnectionHandler* handler = handler_;
    std::string bytes = std::exchange(unread_, {});
    std::shared_ptr<bool> alive = alive_;
    handler->OnBytes(bytes);
    if (!*alive || handler_ != handler) return;
    lower_->Start(*handler);
    if (paused_) lower_->PauseReading();
  }

  Loop& loop_;
  const std::unique_ptr<Connection> lower_;
  const Address peer_;
  std::string unread_;
  ConnectionHandler* handler_ = nullptr;
  bool paused_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

Result<std::optional<ProxyHeader>> ParseProxyHeader(std::string_view bytes) {
  if (!bytes.starts_with(kSignature.substr(0, bytes.size()))) {
    return Malformed("the connection does not begin with a header of version 2");
  }
  if (bytes.size() < kFixedBytes) return std::nullopt;
  auto version_command = static_cast<uint8_t>(bytes[12]);
  int command = version_command & 0xf;
  if (version_command >> 4 != kVersion) return Malformed("the version is not 2");
  if (command != kLocal && command != kProxy) return Malformed("an unknown command");
  size_t length = U16(bytes.substr(14));
  if (kFixedBytes + length > kProxyHeaderBytesMax) {
    return Malformed("the header is over the limit of " + std::to_string(kProxyHeaderBytesMax) +
                     " bytes");
  }
  if (bytes.size() < kFixedBytes + length) return std::nullopt;
  ProxyHeader header{.bytes = kFixedBytes + length, .source = std::nullopt};
  if (command == kLocal) return header;
  auto source = ParseSource(static_cast<uint8_t>(bytes[13]), bytes.substr(kFixedBytes, length));
  if (!source) return std::unexpected(source.error());
  header.source = std::move(*source);
  return header;
}

struct ProxyHeaderReader::State : std::enable_shared_from_this<State> {
  // A connection that has not said its header yet.
  struct Pending final : ConnectionHandler {
    Pending(State& the_state, std::unique_ptr<Connection> the_connection)
        : state(the_state), connection(std::move(the_connection)) {}
    void OnBytes(std::string_view arrived) override {
      bytes += arrived;
      Result<std::optional<ProxyHeader>> header = ParseProxyHeader(bytes);
      if (!header) return state.Refuse(*this, header.error());
      if (*header) state.HandOver(*this, std::move(**header));
    }
    void OnWritable() override {}
    void OnEnd() override { state.Drop(*this); }
    void OnClosed(const Error&) override { state.Drop(*this); }

    State& state;
    std::unique_ptr<Connection> connection;
    std::string bytes;
    Timer timeout;
  };

  State(Loop& the_loop, const IpPrefixes& the_trusted, uint64_t the_timeout_ms,
        Listener::OnConnection connected, Listener::OnError failed)
      : loop(the_loop),
        trusted(the_trusted),
        timeout_ms(the_timeout_ms),
        on_connection(std::move(connected)),
        on_error(std::move(failed)) {}

  void Refuse(Pending& one, const Error& error) {
    one.connection->Reset();
    Drop(one);
    if (on_error) on_error(error);
  }
  void HandOver(Pending& one, ProxyHeader header) {
    std::unique_ptr<Connection> connection = std::move(one.connection);
    connection->Detach();
    std::string unread = one.bytes.substr(header.bytes);
    Drop(one);
    on_connection(std::make_unique<ProxiedConnection>(loop, std::move(connection),
                                                      std::move(header.source), std::move(unread)));
  }
  // It may be on the stack: it ends with this turn.
  void Drop(Pending& one) {
    one.timeout.Cancel();
    auto at = pending.find(&one);
    loop.Defer([gone = std::move(at->second), self = shared_from_this()] {});
    pending.erase(at);
  }

  Loop& loop;
  const IpPrefixes& trusted;
  const uint64_t timeout_ms;
  const Listener::OnConnection on_connection;
  const Listener::OnError on_error;
  std::unordered_map<Pending*, std::unique_ptr<Pending>> pending;
};

ProxyHeaderReader::ProxyHeaderReader(Loop& loop, const IpPrefixes& trusted, uint64_t timeout_ms,
                                     Listener::OnConnection on_connection,
                                     Listener::OnError on_error)
    : state_(std::make_shared<State>(loop, trusted, timeout_ms, std::move(on_connection),
                                     std::move(on_error))) {}

ProxyHeaderReader::~ProxyHeaderReader() = default;

void ProxyHeaderReader::Close() { state_->pending.clear(); }

void ProxyHeaderReader::Take(std::unique_ptr<Connection> connection) {
  State& state = *state_;
  std::optional<IpAddress> peer = IpAddress::Parse(connection->peer().host);
  if (!peer || !state.trusted.Contains(*peer)) {
    connection->Reset();
    if (state.on_error) {
      state.on_error({Code::kPermissionDenied, "PROXY protocol: the peer is no trusted proxy", ""});
    }
    return;
  }
  auto made = std::make_unique<State::Pending>(state, std::move(connection));
  State::Pending& one = *made;
  state.pending.emplace(&one, std::move(made));
  one.timeout = state.loop.RunAfter(state.timeout_ms, [&state, &one] {
    state.Refuse(one, {Code::kDeadlineExceeded, "PROXY protocol: no header came in time", ""});
  });
  one.connection->Start(one);
}

}  // namespace galaxy::push
