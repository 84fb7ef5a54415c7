#include "net/tls_connection.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "net/loop.h"

namespace galaxy::push {
namespace {

constexpr size_t kRecordBytes = 16 * 1024;  // RFC 8446 5.1: the most one record carries

// A copy of the next bytes of `parts` from `offset` on, as many as one record carries.
size_t Gather(std::span<const iovec> parts, size_t offset, std::span<char> into) {
  size_t filled = 0;
  for (const iovec& part : parts) {
    if (offset >= part.iov_len) {
      offset -= part.iov_len;
      continue;
    }
    size_t count = std::min(part.iov_len - offset, into.size() - filled);
    std::memcpy(into.data() + filled, static_cast<const char*>(part.iov_base) + offset, count);
    filled += count;
    offset = 0;
    if (filled == into.size()) break;
  }
  return filled;
}

// Between the connection below, whose handler it is, and the protocol above.
//
//   Write()        encrypts one record at a time and goes on only once the connection below has
//                  taken it: what has been encrypted and waits is bounded by one record.
//   Callbacks      The handler may destroy this within any of them: `alive_` tells.
class TlsConnection final : public Connection, private ConnectionHandler {
 public:
  using Established = std::move_only_function<void(Status)>;

  TlsConnection(Loop& loop, std::unique_ptr<Connection> lower, TlsSession session)
      : loop_(loop), lower_(std::move(lower)), session_(std::move(session)) {}
  ~TlsConnection() override { *alive_ = false; }

  // Runs the handshake without a handler. `done` may destroy this.
  void Handshake(Established done);

  void Start(ConnectionHandler& handler) override;
  void Detach() override;
  size_t Write(std::span<const iovec> bytes) override;
  void PauseReading() override;
  void ResumeReading() override;
  void ShutdownWrite() override;
  void Close() override;
  void Reset() override { lower_->Reset(); }
  size_t UnsentBytes() const override { return lower_->UnsentBytes() + session_.outgoing().size(); }
  const Address& peer() const override { return lower_->peer(); }
  std::shared_ptr<const TlsPeer> tls_peer() const override { return session_.peer(); }
  bool encrypted() const override { return true; }
  std::string_view alpn() const override { return session_.alpn(); }

 private:
  void OnBytes(std::string_view bytes) override;
  void OnWritable() override;
  void OnEnd() override;
  void OnClosed(const Error& error) override;

  // Goes on with the handshake. False: not over, or `this` may be gone.
  bool GoOn();
  void Deliver();
  void DeliverLater();
  bool Flush();
  void Broken(const Error& error);
  void TellWritable();

  Loop& loop_;
  std::unique_ptr<Connection> lower_;
  TlsSession session_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  ConnectionHandler* handler_ = nullptr;
  Established established_;
  bool paused_ = false;
  bool wants_write_ = false;  // somebody was given less than he offered
  bool end_pending_ = false;  // the peer has ended, its last bytes may not be delivered yet
  bool end_told_ = false;
  bool broken_ = false;
  bool shutdown_ = false;  // after what waits
};

void TlsConnection::Handshake(Established done) {
  established_ = std::move(done);
  lower_->Start(*this);
  loop_.Post([this, alive = alive_] {
    if (*alive) GoOn();
  });
}

void TlsConnection::Start(ConnectionHandler& handler) {
  handler_ = &handler;
  paused_ = false;
  lower_->Start(*this);
  DeliverLater();  // what arrived with the handshake, or under another handler
}

void TlsConnection::Detach() {
  handler_ = nullptr;
  lower_->Detach();
}

bool TlsConnection::GoOn() {
  if (broken_) return false;
  if (session_.established()) return true;
  Result<bool> over = session_.Handshake();
  Flush();  // also the alert that says why not
  if (!over) {
    Broken(over.error());
    return false;
  }
  if (!*over) return false;
  std::shared_ptr<bool> alive = alive_;
  if (established_) {
    std::exchange(established_, nullptr)({});
  } else {
    TellWritable();
  }
  return *alive;
}

void TlsConnection::OnBytes(std::string_view bytes) {
  session_.Receive(bytes);
  if (GoOn()) Deliver();
}

void TlsConnection::Deliver() {
  std::shared_ptr<bool> alive = alive_;
  std::array<char, kRecordBytes> plain;
  while (handler_ != nullptr && !paused_ && !broken_ && !end_told_ && session_.established()) {
    Result<TlsSession::Plain> read = session_.Read(plain);
    if (!read) return Broken(read.error());
    Flush();  // an answer to a key update
    if (read->got == TlsSession::Got::kNothing && !end_pending_) return;
    if (read->got == TlsSession::Got::kBytes) {
      handler_->OnBytes({plain.data(), read->bytes});
      if (!*alive) return;
      continue;
    }
    // close_notify, or the socket's end without one: a truncated message is for the protocol
    // above to tell, HTTP knows its lengths (RFC 9112 9.8).
    end_told_ = true;
    handler_->OnEnd();
    return;
  }
}

void TlsConnection::DeliverLater() {
  loop_.Post([this, alive = alive_] {
    if (*alive && GoOn()) Deliver();
  });
}

bool TlsConnection::Flush() {
  while (!session_.outgoing().empty()) {
    std::string_view out = session_.outgoing();
    iovec part{const_cast<char*>(out.data()), out.size()};
    size_t taken = lower_->Write({&part, 1});
    session_.Sent(taken);
    if (taken < out.size()) return false;
  }
  return true;
}

size_t TlsConnection::Write(std::span<const iovec> bytes) {
  size_t size = 0;
  for (const iovec& part : bytes) size += part.iov_len;
  size_t taken = 0;
  std::array<char, kRecordBytes> record;
  while (taken < size && session_.established() && !broken_ && !shutdown_ && Flush()) {
    size_t count = Gather(bytes, taken, record);
    if (!session_.Write({record.data(), count})) break;
    taken += count;
  }
  Flush();
  if (taken < size) wants_write_ = true;
  return taken;
}

void TlsConnection::OnWritable() {
  if (!Flush()) return;
  if (shutdown_) return lower_->ShutdownWrite();
  TellWritable();
}

void TlsConnection::TellWritable() {
  if (!wants_write_ || handler_ == nullptr || !session_.established()) return;
  wants_write_ = false;
  handler_->OnWritable();
}

void TlsConnection::OnEnd() {
  end_pending_ = true;
  if (!session_.established()) {
    return Broken({Code::kUnavailable, "TLS: the peer ended the connection", {}});
  }
  Deliver();
}

void TlsConnection::OnClosed(const Error& error) {
  broken_ = true;
  if (established_) return std::exchange(established_, nullptr)(std::unexpected(error));
  if (handler_ != nullptr) handler_->OnClosed(error);
}

// The bytes of the peer are no TLS, not for us, or altered.
void TlsConnection::Broken(const Error& error) {
  if (broken_) return;
  lower_->Detach();
  lower_->Close();  // the alert still goes out
  OnClosed(error);
}

void TlsConnection::PauseReading() {
  paused_ = true;
  lower_->PauseReading();
}

void TlsConnection::ResumeReading() {
  paused_ = false;
  lower_->ResumeReading();
  DeliverLater();
}

void TlsConnection::ShutdownWrite() {
  session_.CloseNotify();
  shutdown_ = true;
  if (Flush()) lower_->ShutdownWrite();
}

void TlsConnection::Close() {
  session_.CloseNotify();
  Flush();
  lower_->Close();
}

class TlsConnector final : public Connector {
 public:
  TlsConnector(Loop& loop, std::shared_ptr<const TlsContext> context, std::string server_name,
               Done done)
      : loop_(loop),
        context_(std::move(context)),
        server_name_(std::move(server_name)),
        done_(std::move(done)) {}

  void Begin(const std::function<std::unique_ptr<Connector>(Done)>& lower, uint64_t timeout_ms) {
    timeout_ = loop_.RunAfter(timeout_ms, [this, timeout_ms] {
      Finish(
          Fail(Code::kUnavailable, "TLS: no handshake in " + std::to_string(timeout_ms) + " ms"));
    });
    lower_ = lower([this](auto result) { Connected(std::move(result)); });
  }

 private:
  void Connected(Result<std::unique_ptr<Connection>> result) {
    if (!result) return Finish(std::unexpected(result.error()));
    connection_ = std::make_unique<TlsConnection>(loop_, std::move(*result),
                                                  TlsSession::Client(context_, server_name_));
    connection_->Handshake([this](Status status) {
      if (!status) return Finish(std::unexpected(status.error()));
      connection_->Detach();
      Finish(std::move(connection_));
    });
  }

  // The connection is on the stack: what is not handed over ends with this turn.
  void Finish(Result<std::unique_ptr<Connection>> result) {
    timeout_.Cancel();
    if (connection_) loop_.Defer([gone = std::move(connection_)] {});
    Done done = std::move(done_);
    if (done) done(std::move(result));
  }

  Loop& loop_;
  const std::shared_ptr<const TlsContext> context_;
  const std::string server_name_;
  Done done_;
  Timer timeout_;
  std::unique_ptr<Connector> lower_;
  std::unique_ptr<TlsConnection> connection_;
};

}  // namespace

std::unique_ptr<Connection> NewTlsServerConnection(Loop& loop, std::unique_ptr<Connection> lower,
                                                   std::shared_ptr<const TlsContext> context) {
  return std::make_unique<TlsConnection>(loop, std::move(lower),
                                         TlsSession::Server(std::move(context)));
}

std::unique_ptr<Connector> StartTlsConnector(
    Loop& loop, const std::function<std::unique_ptr<Connector>(Connector::Done)>& lower,
    std::shared_ptr<const TlsContext> context, const std::string& server_name, uint64_t timeout_ms,
    Connector::Done done) {
  auto connector =
      std::make_unique<TlsConnector>(loop, std::move(context), server_name, std::move(done));
  connector->Begin(lower, timeout_ms);
  return connector;
}

}  // namespace galaxy::push
