#include "net/proxy_protocol.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "net/ip_address.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
const std::string kV4("\xc0\x00\x02\x07\x0a\x00\x00\x01\x14\x03\x01\xbb", 12);  // 192.0.2.7:5123
const std::string kV6 = std::string("\x20\x01\x0d\xb8\x00\x02", 6) + std::string(9, '\0') + "\x07" +
                        std::string(16, '\0') + std::string("\x14\x03\x01\xbb", 4);

std::string Header(int version_command, int family, const std::string& body) {
  return kSignature + static_cast<char>(version_command) + static_cast<char>(family) +
         static_cast<char>(body.size() >> 8) + static_cast<char>(body.size()) + body;
}

std::string Read(const std::string& bytes) {
  auto header = ParseProxyHeader(bytes);
  if (!header) return header.error().message;
  if (!*header) return "more";
  std::string source = (*header)->source ? (*header)->source->ToString() : "itself";
  return source + " " + std::to_string((*header)->bytes);
}

TEST(ProxyHeaderTest, NamesTheClient) {
  EXPECT_EQ(Read(Header(0x21, 0x11, kV4) + "GET"), "192.0.2.7:5123 28");
  EXPECT_EQ(Read(Header(0x21, 0x21, kV6)), "[2001:db8:2::7]:5123 52");
}

TEST(ProxyHeaderTest, SkipsTlvs) {
  EXPECT_EQ(Read(Header(0x21, 0x11, kV4 + std::string("\x04\x00\x02xx", 5))), "192.0.2.7:5123 33");
}

TEST(ProxyHeaderTest, NamesNobodyForLocalAndOtherFamilies) {
  EXPECT_EQ(Read(Header(0x20, 0x11, kV4)), "itself 28");
  EXPECT_EQ(Read(Header(0x20, 0x00, "")), "itself 16");
  EXPECT_EQ(Read(Header(0x21, 0x00, "whatever")), "itself 24");
  EXPECT_EQ(Read(Header(0x21, 0x31, std::string(216, 'p'))), "itself 232");
}

TEST(ProxyHeaderTest, WaitsForTheRest) {
  std::string whole = Header(0x21, 0x11, kV4);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(Read(whole.substr(0, size)), "more") << size;
  }
}

// semantics.md 10.4
TEST(ProxyHeaderTest, RefusesWhatIsNone) {
  std::string none = "PROXY protocol: the connection does not begin with a header of version 2";
  EXPECT_EQ(Read("GET / HTTP/1.1\r\n"), none);
  EXPECT_EQ(Read("\r\n\r\nx"), none);
  EXPECT_EQ(Read("PROXY TCP4 192.0.2.7 10.0.0.1 5123 443\r\n"), none);
  EXPECT_EQ(Read(Header(0x11, 0x11, kV4)), "PROXY protocol: the version is not 2");
  EXPECT_EQ(Read(Header(0x22, 0x11, kV4)), "PROXY protocol: an unknown command");
  std::string family = "PROXY protocol: an unknown family or transport";
  for (int bad : {0x12, 0x10, 0x22, 0x41, 0x01})
    EXPECT_EQ(Read(Header(0x21, bad, kV6)), family) << bad;
  EXPECT_EQ(Read(Header(0x21, 0x11, kV4.substr(1))), "PROXY protocol: the addresses are cut off");
  EXPECT_EQ(Read(Header(0x21, 0x21, kV4)), "PROXY protocol: the addresses are cut off");
}

// semantics.md 10.4
TEST(ProxyHeaderTest, RefusesOneOverTheLimitByItsLengthAlone) {
  std::string fits = kV4 + std::string(kProxyHeaderBytesMax - 16 - 12, 't');
  EXPECT_EQ(Read(Header(0x21, 0x11, fits)), "192.0.2.7:5123 4096");
  EXPECT_EQ(Read(Header(0x21, 0x11, fits + "t").substr(0, 16)),
            "PROXY protocol: the header is over the limit of 4096 bytes");
}

struct Recorder : ConnectionHandler {
  void OnBytes(std::string_view bytes) override {
    received += bytes;
    if (on_bytes) on_bytes();
  }
  void OnWritable() override {}
  void OnEnd() override { ended = true; }
  void OnClosed(const Error&) override { closed = true; }
  std::string received;
  bool ended = false, closed = false;
  std::function<void()> on_bytes;
};

class ProxiedListener : public testing::Test {
 protected:
  void Open(const char* trusted) {
    trusted_ = *IpPrefixes::Parse({trusted});
    SocketOptions options;
    options.proxy_protocol_from = &trusted_;
    listener_ = *Listener::Open(
        loop_, {"127.0.0.1", 0}, options,
        [this](std::unique_ptr<Connection> connection) { server_ = std::move(connection); },
        [this](const Error& error) { errors_.push_back(error.code); });
  }
  void Connect() {
    connector_ = Connector::Start(loop_, listener_->bound(), {}, 5'000, [this](auto result) {
      client_ = std::move(*result);
      client_->Start(at_client_);
    });
    Until([this] { return client_ != nullptr; });
  }
  void Send(const std::string& bytes) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    ASSERT_EQ(client_->Write({&part, 1}), bytes.size());
  }
  void Until(const std::function<bool()>& condition) {
    uint64_t deadline = Clock::Real().MonoMs() + 10'000;
    while (!condition()) {
      ASSERT_LT(Clock::Real().MonoMs(), deadline) << "the condition never came true";
      loop_.Poll();
    }
  }

  FakeClock clock_;
  Loop loop_{clock_};
  IpPrefixes trusted_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connector> connector_;
  std::unique_ptr<Connection> client_, server_;
  Recorder at_client_, at_server_;
  std::vector<Code> errors_;
};

TEST_F(ProxiedListener, HandsOnWhatFollowsWithTheClientAsPeer) {
  Open("127.0.0.0/8");
  Connect();
  std::string header = Header(0x21, 0x11, kV4);
  Send(header.substr(0, 9));
  for (int i = 0; i < 20; ++i) loop_.Poll();
  EXPECT_EQ(server_, nullptr);
  Send(header.substr(9) + "hello");
  Until([this] { return server_ != nullptr; });
  EXPECT_EQ(server_->peer().ToString(), "192.0.2.7:5123");
  server_->Start(at_server_);
  EXPECT_EQ(at_server_.received, "") << "no callback from within Start()";
  Until([this] { return at_server_.received == "hello"; });
  Send(" again");
  Until([this] { return at_server_.received == "hello again"; });
  std::string answer = "answer";
  iovec part{answer.data(), answer.size()};
  server_->Write({&part, 1});
  Until([this] { return at_client_.received == "answer"; });
  client_->ShutdownWrite();
  Until([this] { return at_server_.ended; });
}

// The first handler looks at the bytes and hands the connection over, as HttpServer does.
TEST_F(ProxiedListener, MayBeHandedOverFromWithinTheFirstBytes) {
  Open("127.0.0.0/8");
  Connect();
  Send(Header(0x21, 0x11, kV4) + "hello");
  Until([this] { return server_ != nullptr; });
  Recorder first;
  first.on_bytes = [&] {
    server_->Detach();
    server_->Start(at_server_);
    server_->PauseReading();
  };
  server_->Start(first);
  Until([&] { return first.received == "hello"; });
  Send("more");
  for (int i = 0; i < 20; ++i) loop_.Poll();
  EXPECT_EQ(at_server_.received, "");
  server_->ResumeReading();
  Until([this] { return at_server_.received == "more"; });
}

TEST_F(ProxiedListener, MayBeDestroyedFromWithinTheFirstBytes) {
  Open("127.0.0.0/8");
  Connect();
  Send(Header(0x21, 0x11, kV4) + "hello");
  Until([this] { return server_ != nullptr; });
  at_server_.on_bytes = [this] { server_.reset(); };
  server_->Start(at_server_);
  Until([this] { return at_client_.ended || at_client_.closed; });
}

// semantics.md 10.4
TEST_F(ProxiedListener, ClosesWhatIsNotTrusted) {
  Open("10.0.0.0/8");
  Connect();
  Until([this] { return at_client_.closed || at_client_.ended; });
  EXPECT_EQ(errors_, std::vector{Code::kPermissionDenied});
  EXPECT_EQ(server_, nullptr);
}

// semantics.md 10.4
TEST_F(ProxiedListener, ClosesWhatBeginsOtherwise) {
  Open("127.0.0.0/8");
  Connect();
  Send("GET / HTTP/1.1\r\n\r\n");
  Until([this] { return at_client_.closed || at_client_.ended; });
  EXPECT_EQ(errors_, std::vector{Code::kBadRequest});
}

// semantics.md 10.4
TEST_F(ProxiedListener, ClosesWhatSendsNoHeaderInTime) {
  Open("127.0.0.0/8");
  Connect();
  Send(kSignature.substr(0, 5));
  for (int i = 0; i < 20; ++i) loop_.Poll();
  clock_.Advance(4'900);
  for (int i = 0; i < 20; ++i) loop_.Poll();
  EXPECT_TRUE(errors_.empty());
  clock_.Advance(200);
  Until([this] { return at_client_.closed || at_client_.ended; });
  EXPECT_EQ(errors_, std::vector{Code::kDeadlineExceeded});
}

TEST_F(ProxiedListener, LetsGoOfWhatWaitsWhenItCloses) {
  Open("127.0.0.0/8");
  Connect();
  Send(kSignature.substr(0, 5));
  for (int i = 0; i < 20; ++i) loop_.Poll();
  listener_.reset();
  Until([this] { return at_client_.closed || at_client_.ended; });
  EXPECT_TRUE(errors_.empty());
}

}  // namespace
}  // namespace galaxy::push
