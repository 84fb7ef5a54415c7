#include "net/connection.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "net/loop.h"
#include "net/output.h"
#include "net/sim_network.h"

namespace galaxy::push {
namespace {

// Turns the loop until `condition` holds, with a deadline against hanging.
void TurnUntil(Loop& loop, const std::function<bool()>& condition) {
  uint64_t deadline = Clock::Real().MonoMs() + 10'000;
  while (!condition()) {
    ASSERT_LT(Clock::Real().MonoMs(), deadline) << "the condition never came true";
    loop.Poll();
  }
}

struct Recorder : ConnectionHandler {
  void OnBytes(std::string_view bytes) override {
    received += bytes;
    if (on_bytes) on_bytes();
  }
  void OnWritable() override {
    ++writable;
    if (on_writable) on_writable();
  }
  void OnEnd() override {
    ended = true;
    if (on_end) on_end();
  }
  void OnClosed(const Error& error_in) override {
    closed = true;
    error = error_in;
    if (on_closed) on_closed();
  }
  std::string received;
  int writable = 0;
  bool ended = false, closed = false;
  Error error;
  std::function<void()> on_bytes, on_writable, on_end, on_closed;
};

size_t Send(Connection& connection, std::string_view bytes) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  return connection.Write({&part, 1});
}

// The contract of connection.h holds for the system's TCP (0) and for the simulated network, with
// any seed.
class Sockets : public testing::TestWithParam<uint64_t> {
 protected:
  Sockets() {
    if (GetParam() == 0) {
      system_.emplace();
    } else {
      simulated_.emplace(GetParam());
      at_ = &simulated_->AddNode("server");
      from_ = &simulated_->AddNode("client");
    }
  }
  void SetUp() override {
    auto opened = Listener::Open(
        server_loop(), {"127.0.0.1", 0}, options_,
        [this](std::unique_ptr<Connection> connection) { server_ = std::move(connection); });
    ASSERT_TRUE(opened) << opened.error().message;
    listener_ = std::move(*opened);
  }
  Loop& server_loop() { return system_ ? *system_ : at_->loop(); }
  Loop& client_loop() { return system_ ? *system_ : from_->loop(); }
  std::string client_host() { return system_ ? "127.0.0.1" : from_->host(); }

  void Until(const std::function<bool()>& condition) {
    if (system_) return TurnUntil(*system_, condition);
    ASSERT_TRUE(simulated_->RunUntil(condition, 60'000)) << "the condition never came true";
  }
  // Long enough for anything that is on its way.
  void Settle() {
    if (simulated_) return simulated_->RunFor(1'000);
    for (int i = 0; i < 20; ++i) system_->Poll();
  }
  void Connect() {
    client_.reset();
    server_.reset();
    connector_ =
        Connector::Start(client_loop(), listener_->bound(), {}, 5'000, [this](auto result) {
          ASSERT_TRUE(result) << result.error().message;
          client_ = std::move(*result);
        });
    Until([&] { return client_ && server_; });
  }
  void ConnectAndStart() {
    Connect();
    client_->Start(at_client_);
    server_->Start(at_server_);
  }

  std::optional<Loop> system_;
  std::optional<SimNetwork> simulated_;
  SimNode* at_ = nullptr;
  SimNode* from_ = nullptr;
  SocketOptions options_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connector> connector_;
  std::unique_ptr<Connection> client_, server_;
  Recorder at_client_, at_server_;
};

INSTANTIATE_TEST_SUITE_P(World, Sockets, testing::Range<uint64_t>(0, 6), [](const auto& world) {
  return world.param == 0 ? "Tcp" : "Simulated" + std::to_string(world.param);
});

TEST_P(Sockets, CarryBytesBothWaysAndKnowTheirPeer) {
  ConnectAndStart();
  EXPECT_EQ(Send(*client_, "ping"), 4u);
  EXPECT_EQ(Send(*server_, "pong"), 4u);
  Until([&] { return at_server_.received == "ping" && at_client_.received == "pong"; });
  EXPECT_EQ(server_->peer().host, client_host());
  EXPECT_EQ(client_->peer(), listener_->bound());
}

TEST_P(Sockets, ReportTheEndOfThePeerAndCanStillWrite) {
  ConnectAndStart();
  Send(*client_, "last");
  client_->ShutdownWrite();
  Until([&] { return at_server_.ended; });
  EXPECT_EQ(at_server_.received, "last");
  EXPECT_FALSE(at_server_.closed);
  Send(*server_, "answer");
  Until([&] { return at_client_.received == "answer"; });
}

TEST_P(Sockets, WriteTheirLastBytesWithTheEnd) {
  ConnectAndStart();
  iovec parts[] = {{const_cast<char*>("la"), 2}, {const_cast<char*>("st"), 2}};
  EXPECT_EQ(client_->WriteLast(parts), 4u);
  Until([&] { return at_server_.ended; });
  EXPECT_EQ(at_server_.received, "last");
  EXPECT_FALSE(at_server_.closed);
  Send(*server_, "answer");
  Until([&] { return at_client_.received == "answer"; });
}

TEST_P(Sockets, EndOnlyWhenTheirLastBytesWereTaken) {
  ConnectAndStart();
  server_->PauseReading();
  std::string much(64 << 20, 'x');
  iovec part{much.data(), much.size()};
  size_t taken = client_->WriteLast({&part, 1});
  ASSERT_LT(taken, much.size());
  server_->ResumeReading();
  Until([&] { return at_server_.received.size() == taken; });
  EXPECT_FALSE(at_server_.ended);
}

TEST_P(Sockets, TakeWhatFitsAndSayWhenThereIsRoomAgain) {
  ConnectAndStart();
  std::string chunk(1 << 20, 'x');
  size_t sent = 0, taken = 0;
  do sent += taken = Send(*server_, chunk);
  while (taken == chunk.size());
  EXPECT_GT(server_->UnsentBytes(), 0u);
  client_->PauseReading();
  client_->ResumeReading();
  Until([&] { return at_server_.writable > 0; });
  Until([&] { return at_client_.received.size() == sent; });
}

TEST_P(Sockets, ReadNothingWhilePausedAndAllOfItAfterwards) {
  ConnectAndStart();
  server_->PauseReading();
  Send(*client_, "early");
  Settle();
  EXPECT_EQ(at_server_.received, "");
  server_->ResumeReading();
  Until([&] { return at_server_.received == "early"; });
}

TEST_P(Sockets, PausedFromWithinTheCallbackReadNoFurther) {
  ConnectAndStart();
  at_server_.on_bytes = [&] { server_->PauseReading(); };
  std::string big(300'000, 'x');
  size_t sent = Send(*client_, big);
  Until([&] { return !at_server_.received.empty(); });
  Settle();
  EXPECT_LE(at_server_.received.size(), 64u * 1024);
  at_server_.on_bytes = nullptr;
  server_->ResumeReading();
  Until([&] { return at_server_.received.size() == sent; });
}

TEST_P(Sockets, ResetReachesThePeerAsAnErrorAndCallsNobodyHere) {
  ConnectAndStart();
  client_->Reset();
  Until([&] { return at_server_.closed; });
  EXPECT_EQ(at_server_.error.code, Code::kUnavailable);
  EXPECT_NE(at_server_.error.message.find("reset"), std::string::npos);
  EXPECT_FALSE(at_client_.closed);
}

TEST_P(Sockets, CloseSendsWhatTheKernelAccepted) {
  ConnectAndStart();
  Send(*server_, "goodbye");
  server_->Close();
  Until([&] { return at_client_.ended; });
  EXPECT_EQ(at_client_.received, "goodbye");
  EXPECT_EQ(Send(*server_, "more"), 0u);
}

TEST_P(Sockets, WriteToAVanishedPeerTakesNothingAndReportsLaterNotWithinTheCall) {
  ConnectAndStart();
  server_->PauseReading();  // so that only the write can find out
  Send(*client_, "words before the end");
  client_->Reset();
  at_server_.on_bytes = nullptr;
  size_t taken = 1;
  Until([&] { return (taken = Send(*server_, "into the void")) == 0; });
  EXPECT_FALSE(at_server_.closed);
  Until([&] { return at_server_.closed; });
}

TEST_P(Sockets, MayBeDestroyedFromWithinEveryCallback) {
  auto destroy = [this] { server_.reset(); };
  at_server_.on_bytes = destroy;
  ConnectAndStart();
  Send(*client_, std::string(200'000, 'x'));
  Until([&] { return !server_; });

  at_server_ = {};
  at_server_.on_end = destroy;
  ConnectAndStart();
  client_->Close();
  Until([&] { return !server_; });

  at_server_ = {};
  at_server_.on_closed = destroy;
  ConnectAndStart();
  client_->Reset();
  Until([&] { return !server_; });

  at_server_ = {};
  at_server_.on_writable = destroy;
  ConnectAndStart();
  std::string chunk(1 << 20, 'x');
  while (Send(*server_, chunk) == chunk.size()) {
  }
  Until([&] { return !server_; });
}

TEST_P(Sockets, DestroyedByReadingMissTheWritableThatWasReadyTogether) {
  ConnectAndStart();
  std::string chunk(1 << 20, 'x');
  while (Send(*server_, chunk) == chunk.size()) {
  }
  auto destroy = [this] { server_.reset(); };
  at_server_.on_bytes = at_server_.on_writable = destroy;
  // Both become ready before the server's side is polled: the client reads and writes in one turn.
  at_client_.on_bytes = [&] { Send(*client_, "now"); };
  Until([&] { return !server_; });
  Settle();
  EXPECT_EQ(at_server_.writable + (at_server_.received.empty() ? 0 : 1), 1);
}

TEST_P(Sockets, ChangeHandlersWithoutLosingBytes) {
  ConnectAndStart();
  Recorder second;
  at_server_.on_bytes = [&] {
    if (at_server_.received == "one") server_->Detach();
  };
  Send(*client_, "one");
  Until([&] { return at_server_.received == "one"; });
  Send(*client_, "two");
  Settle();
  server_->Start(second);
  Until([&] { return second.received == "two"; });
  EXPECT_EQ(at_server_.received, "one");
}

TEST_P(Sockets, TellTheNextHandlerThatThePeerWentWhileDetached) {
  ConnectAndStart();
  Recorder second;
  server_->Detach();
  client_->Reset();
  Settle();
  server_->Start(second);
  Until([&] { return second.closed; });
}

TEST_P(Sockets, QueueDrainsThroughManyPartialWrites) {
  ConnectAndStart();
  OutputQueue queue;
  std::string expected;
  Slice big = Slice::Own(std::string(100'000, 'b'));
  for (int i = 0; i < 200; ++i) {
    queue.Append(big);
    queue.AppendCopy("small");
    queue.Append(Slice::Static("tiny"));
    expected += std::string(big.bytes) + "smalltiny";
  }
  EXPECT_EQ(queue.bytes(), expected.size());
  bool drained = false;
  at_server_.on_writable = [&] { drained = queue.Flush(*server_); };
  EXPECT_FALSE(queue.Flush(*server_));
  Until([&] { return at_client_.received.size() == expected.size(); });
  EXPECT_TRUE(drained);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(at_client_.received, expected);
  EXPECT_EQ(big.owner.use_count(), 1);
}

TEST_P(Sockets, ListenerCloseRefusesNewConnections) {
  Address address = listener_->bound();
  listener_->Close();
  Error error;
  connector_ = Connector::Start(client_loop(), address, {}, 5'000, [&](auto result) {
    ASSERT_FALSE(result);
    error = result.error();
  });
  Until([&] { return !error.message.empty(); });
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_NE(error.message.find("refused"), std::string::npos) << error.message;
}

TEST_P(Sockets, ConnectorReachesLocalhostByName) {
  Address address{"localhost", listener_->bound().port};
  connector_ = Connector::Start(server_loop(), address, {}, 5'000, [this](auto result) {
    ASSERT_TRUE(result) << result.error().message;
    client_ = std::move(*result);
  });
  Until([&] { return client_ && server_; });
}

TEST_P(Sockets, ConnectorThatWasDestroyedDoesNotCallBack) {
  auto connector = Connector::Start(client_loop(), listener_->bound(), {}, 5'000,
                                    [](auto) { FAIL() << "was cancelled"; });
  connector.reset();
  Settle();
}

TEST_P(Sockets, ListenerMayBeDestroyedByItsCallback) {
  std::unique_ptr<Listener> own;
  std::unique_ptr<Connection> accepted;
  own = *Listener::Open(server_loop(), {"127.0.0.1", 0}, {},
                        [&](std::unique_ptr<Connection> connection) {
                          accepted = std::move(connection);
                          own.reset();
                        });
  connector_ = Connector::Start(client_loop(), own->bound(), {}, 5'000, [](auto) {});
  Until([&] { return accepted != nullptr; });
  EXPECT_EQ(own, nullptr);
}

// A plain socket that begins to connect.
int ConnectTo(uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
  return fd;
}

TEST(Listener, SurvivesRunningOutOfDescriptors) {
  FakeClock clock;
  Loop loop(clock);
  int accepted = 0;
  std::string error;
  std::vector<std::unique_ptr<Connection>> held;
  auto listener = *Listener::Open(
      loop, {"127.0.0.1", 0}, {},
      [&](std::unique_ptr<Connection> connection) {
        ++accepted;
        held.push_back(std::move(connection));
      },
      [&](const Error& failed) { error = failed.message; });
  int first = ConnectTo(listener->bound().port);
  // One more than is needed: sanitizers want a descriptor for each type they see the first time.
  TurnUntil(loop, [&] { return accepted == 1; });
  int fd = ConnectTo(listener->bound().port);

  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  int lowest = dup(fd);
  close(lowest);
  none.rlim_cur = static_cast<rlim_t>(lowest);
  setrlimit(RLIMIT_NOFILE, &none);
  TurnUntil(loop, [&] { return !error.empty(); });
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(accepted, 1);
  EXPECT_NE(error.find("Too many open files"), std::string::npos) << error;

  clock.Advance(100);
  TurnUntil(loop, [&] { return accepted == 2; });
  close(first);
  close(fd);
}

// semantics.md 8.2
TEST(Listener, HandsItsSocketOptionsToWhatItAccepts) {
  Loop loop;
  std::unique_ptr<Connection> server, client;
  auto listener = *Listener::Open(
      loop, {"127.0.0.1", 0}, {.notsent_lowat_bytes = 12'345},
      [&](std::unique_ptr<Connection> connection) { server = std::move(connection); });
  // Accepted descriptors are found by what they are connected to.
  auto connector = Connector::Start(loop, listener->bound(), {}, 5'000,
                                    [&](auto result) { client = std::move(*result); });
  TurnUntil(loop, [&] { return server && client; });
  int found = 0;
  for (int fd = 0; fd < 256; ++fd) {
    int lowat = 0, nodelay = 0;
    socklen_t length = sizeof lowat;
    if (getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, &length) != 0) continue;
    if (lowat != 12'345) continue;
    length = sizeof nodelay;
    getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &length);
    EXPECT_NE(nodelay, 0);
    ++found;
  }
  EXPECT_EQ(found, 2);  // the listening one and the accepted one
}

TEST(Connector, LetsTheKernelFindAPeerThatIsGone) {  // semantics.md 6.3
  Loop loop;
  std::unique_ptr<Connection> server, client;
  auto listener = *Listener::Open(
      loop, {"127.0.0.1", 0}, {},
      [&](std::unique_ptr<Connection> connection) { server = std::move(connection); });
  auto connector = Connector::Start(loop, listener->bound(), {.dead_after_ms = 31'000}, 5'000,
                                    [&](auto result) { client = std::move(*result); });
  TurnUntil(loop, [&] { return server && client; });
  int found = 0;
  for (int fd = 0; fd < 256; ++fd) {
    auto option = [fd](int level, int name) {
      int value = 0;
      socklen_t length = sizeof value;
      return getsockopt(fd, level, name, &value, &length) == 0 ? value : -1;
    };
    if (option(IPPROTO_TCP, TCP_USER_TIMEOUT) != 31'000) continue;
    EXPECT_NE(option(SOL_SOCKET, SO_KEEPALIVE), 0);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 15);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL), 5);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPCNT), 3);
    ++found;
  }
  EXPECT_EQ(found, 1);
}

TEST(Listener, NamesTheAddressItCannotHave) {
  Loop loop;
  auto first = Listener::Open(loop, {"127.0.0.1", 0}, {}, [](auto) {});
  ASSERT_TRUE(first);
  auto second = Listener::Open(loop, (*first)->bound(), {}, [](auto) {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find((*first)->bound().ToString()), std::string::npos);
  EXPECT_EQ(Listener::Open(loop, {"example.org", 0}, {}, [](auto) {}).error().code,
            Code::kInvalidArgument);
}

TEST(Addresses, ParseAndPrint) {
  struct Row {
    const char* text;
    const char* host;
    uint16_t port;
    bool loopback;
  };
  for (const Row& row :
       {Row{"127.0.0.1:8080", "127.0.0.1", 8080, true}, Row{"[::1]:0", "::1", 0, true},
        Row{"localhost:9000", "localhost", 9000, true}, Row{"0.0.0.0:1", "0.0.0.0", 1, false},
        Row{"127.9.9.9:1", "127.9.9.9", 1, true},
        Row{"[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1, true},
        Row{"push.example.org:443", "push.example.org", 443, false}}) {
    auto address = Address::Parse(row.text);
    ASSERT_TRUE(address) << row.text;
    EXPECT_EQ(address->host, row.host);
    EXPECT_EQ(address->port, row.port);
    EXPECT_EQ(address->IsLoopback(), row.loopback) << row.text;
    EXPECT_EQ(address->ToString(), row.text);
  }
  for (const char* text : {"", ":", "host", "host:", ":80", "host:65536", "host:-1", "host:80x",
                           "::1:80", "[::1]", "[host]:1", "a b:1", "[::1:1"}) {
    EXPECT_FALSE(Address::Parse(text)) << text;
  }
}

}  // namespace
}  // namespace galaxy::push
