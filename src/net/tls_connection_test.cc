#include <gtest/gtest.h>

#include <functional>

#include "crypto/test_certificates.h"
#include "net/connection.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

struct Recorder : ConnectionHandler {
  void OnBytes(std::string_view bytes) override {
    received += bytes;
    if (on_bytes) on_bytes();
  }
  void OnWritable() override {
    if (on_writable) on_writable();
  }
  void OnEnd() override { ended = true; }
  void OnClosed(const Error& why) override { closed = why.message; }
  std::string received, closed;
  bool ended = false;
  std::function<void()> on_bytes, on_writable;
};

class TlsConnections : public testing::Test {
 protected:
  void Until(const std::function<bool()>& condition) {
    uint64_t deadline = Clock::Real().MonoMs() + 10'000;
    while (!condition()) {
      ASSERT_LT(Clock::Real().MonoMs(), deadline) << "the condition never came true";
      loop_.Poll();
    }
  }
  void Listen(bool tls = true) {
    SocketOptions options;
    if (tls) options.tls = [this] { return server_context_; };
    listener_ = *Listener::Open(loop_, {"127.0.0.1", 0}, options, [this](auto connection) {
      server_ = std::move(connection);
      server_->Start(at_server_);
    });
  }
  void Connect(std::string name = "") {
    SocketOptions options;
    options.tls = [this] { return client_context_; };
    options.tls_name = std::move(name);
    connector_ = Connector::Start(loop_, listener_->bound(), options, 5'000, [this](auto result) {
      if (result) client_ = std::move(*result);
      connected_ = result ? "yes" : result.error().message;
    });
    Until([&] { return !connected_.empty(); });
  }
  void ConnectAndStart() {
    Listen();
    Connect();
    ASSERT_EQ(connected_, "yes");
    client_->Start(at_client_);
  }
  static size_t Send(Connection& connection, std::string_view bytes) {
    // In two pieces, as headers and bodies come.
    iovec parts[2] = {
        {const_cast<char*>(bytes.data()), bytes.size() / 3},
        {const_cast<char*>(bytes.data()) + bytes.size() / 3, bytes.size() - bytes.size() / 3}};
    return connection.Write(parts);
  }

  TestCertificates files_;
  TlsOptions both_ = files_.Mutual({.dns_names = {"gw-1"}, .ip_addresses = {"127.0.0.1"}});
  std::shared_ptr<const TlsContext> server_context_ = *TlsContext::Server(both_);
  std::shared_ptr<const TlsContext> client_context_ = *TlsContext::Client(both_);
  Loop loop_;
  Recorder at_server_, at_client_;
  std::unique_ptr<Connection> server_, client_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connector> connector_;
  std::string connected_;
};

TEST_F(TlsConnections, CarryBytesAndNameThePeer) {
  ConnectAndStart();
  EXPECT_EQ(Send(*client_, "hello"), 5u);
  Until([&] { return at_server_.received == "hello"; });
  EXPECT_EQ(Send(*server_, "answer"), 6u);
  Until([&] { return at_client_.received == "answer"; });
  ASSERT_NE(server_->tls_peer(), nullptr);
  EXPECT_EQ(server_->tls_peer()->dns_names, std::vector<std::string>{"gw-1"});
  EXPECT_EQ(client_->alpn(), "h2");
}

TEST_F(TlsConnections, CarryMoreThanTheKernelTakesAtOnce) {
  ConnectAndStart();
  std::string all(5'000'000, '\0');
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>(i * 31 >> 3);
  size_t sent = 0;
  bool blocked = false;
  auto go_on = [&] {
    while (sent < all.size()) {
      size_t taken = Send(*client_, std::string_view(all).substr(sent));
      sent += taken;
      if (sent == all.size()) return;
      blocked = true;
      return;
    }
  };
  at_client_.on_writable = go_on;
  go_on();
  Until([&] { return at_server_.received.size() == all.size(); });
  EXPECT_TRUE(at_server_.received == all);
  EXPECT_TRUE(blocked);
}

TEST_F(TlsConnections, APausedReaderGetsNothingUntilItResumes) {
  ConnectAndStart();
  at_server_.on_bytes = [&] { server_->PauseReading(); };
  std::string text(100'000, 'x');
  Send(*client_, text);
  Until([&] { return !at_server_.received.empty(); });
  size_t first = at_server_.received.size();
  EXPECT_LE(first, 16'384u);
  for (int i = 0; i < 50; ++i) loop_.Poll();
  EXPECT_EQ(at_server_.received.size(), first);
  at_server_.on_bytes = nullptr;
  server_->ResumeReading();
  Until([&] { return at_server_.received.size() == text.size(); });
}

TEST_F(TlsConnections, AnEndIsTold) {
  ConnectAndStart();
  Send(*client_, "last words");
  client_->ShutdownWrite();
  Until([&] { return at_server_.ended; });
  EXPECT_EQ(at_server_.received, "last words");
  Send(*server_, "still here");
  Until([&] { return at_client_.received == "still here"; });
}

TEST_F(TlsConnections, AHandlerMayDestroyTheConnectionAsBytesArrive) {
  ConnectAndStart();
  at_server_.on_bytes = [&] { server_.reset(); };
  Send(*client_, std::string(100'000, 'x'));
  Until([&] { return !at_client_.closed.empty() || at_client_.ended; });
  EXPECT_FALSE(at_server_.received.empty());
}

TEST_F(TlsConnections, TheWrongNameFailsTheConnect) {
  Listen();
  Connect("other.example");
  EXPECT_NE(connected_.find("TLS"), std::string::npos) << connected_;
  EXPECT_EQ(client_, nullptr);
}

TEST_F(TlsConnections, APeerWithoutTlsFailsTheConnect) {
  Listen(false);
  at_server_.on_bytes = [&] { Send(*server_, "HTTP/1.1 400 Bad Request\r\n\r\n"); };
  Connect();
  EXPECT_NE(connected_.find("TLS"), std::string::npos) << connected_;
}

TEST_F(TlsConnections, PlaintextToATlsListenerIsClosed) {
  Listen();
  connector_ = Connector::Start(loop_, listener_->bound(), {}, 5'000, [this](auto result) {
    client_ = std::move(*result);
    client_->Start(at_client_);
    Send(*client_, "GET / HTTP/1.1\r\n\r\n");
  });
  Until([&] { return !at_server_.closed.empty(); });
  EXPECT_TRUE(at_server_.received.empty());
  EXPECT_NE(at_server_.closed.find("TLS"), std::string::npos) << at_server_.closed;
}

TEST_F(TlsConnections, NewFilesAreForNewConnectionsAndLeaveTheOldOnesAlone) {
  ConnectAndStart();
  TestCertificates other;
  server_context_ = *TlsContext::Server(other.Holding({.ip_addresses = {"127.0.0.1"}}));
  Send(*client_, "old");
  Until([&] { return at_server_.received == "old"; });
  connected_.clear();
  std::unique_ptr<Connection> old_server = std::move(server_);
  Connect();
  EXPECT_NE(connected_.find("TLS"), std::string::npos) << connected_;
}

}  // namespace
}  // namespace galaxy::push
