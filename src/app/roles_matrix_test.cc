#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "app/backend_node.h"
#include "app/dev_ca.h"
#include "app/gateway_node.h"
#include "auth/mint.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "http/client.h"

namespace galaxy::push {
namespace {

// What each endpoint of a plane takes: the roles of which one is needed, or "anybody". The admin
// ports are on loopback here, where /metrics is open; ops/admin_test.cc has the other case.
using Rows = std::map<std::string, std::string>;

const Rows kBackendRows = {
    {"/galaxy.backend.push.v1.Push/SubscribePush", "gateway operator"},
    {"/galaxy.backend.publish.v1.Publisher/Publish", "producer operator"},
    {"/galaxy.backend.publish.v1.Publisher/PublishStream", "producer operator"},
    {"/galaxy.backend.publish.v1.Publisher/Invalidate", "producer operator"},
    {"/v1/events", "producer operator"},
    {"/v1/invalidations", "producer operator"},
    {"/v1/backchannel-logout", "anybody"},
    {"/v1/security-events", "anybody"},
    {"/grpc.health.v1.Health/Check", "anybody"},
    {"/grpc.health.v1.Health/Watch", "anybody"},
    {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "anybody"},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "anybody"},
};
const Rows kBackendAdminRows = {
    {"/livez", "anybody"},
    {"/readyz", "anybody"},
    {"/metrics", "anybody"},
    {"/v1/subscriptions", "operator"},
};
const Rows kGatewayAdminRows = {
    {"/livez", "anybody"},
    {"/readyz", "anybody"},
    {"/metrics", "anybody"},
    {"/v1/sessions", "operator"},
    {"/v1/backends", "operator"},
    {"/v1/confirm-unknown", "operator"},
};

// Who asks: what it shows, and the role that the file has for it.
struct Peer {
  std::string name;
  std::string certificate;  // of the CA's folder; empty: none
  std::string key;          // bearer; empty: none
  std::string role;         // "nothing": no proof at all, "stranger": one without a role
};
const Peer kPeers[] = {
    {"without any proof", "", "", "nothing"},
    {"by a certificate without a role", "stranger", "", "stranger"},
    {"by a key without a role", "", "stranger-key", "stranger"},
    {"as a gateway, by certificate", "gw-1", "", "gateway"},
    {"as a producer, by certificate", "producer", "", "producer"},
    {"as a producer, by key", "", "producer-key", "producer"},
    {"as an operator, by certificate", "operator", "", "operator"},
    {"as an operator, by key", "", "operator-key", "operator"},
};

enum class Answer { kServed, kUnauthenticated, kPermissionDenied, kFailed };

// One request without a body, to its end.
class Ask final : ResponseHandler {
 public:
  Ask(Loop& loop, HttpClient& client, RequestHead head) : loop_(loop) {
    request_ = client.Start(std::move(head), nullptr, *this);
    timeout_ = loop.RunAfter(20'000, [&loop] { loop.Stop(); });
    loop.Run();
  }
  Answer answer() const { return answer_; }

 private:
  void OnHead(const ResponseHead& head) override {
    answer_ = head.status == 401   ? Answer::kUnauthenticated
              : head.status == 403 ? Answer::kPermissionDenied
                                   : Answer::kServed;
    ReadStatus(head.headers);
  }
  void OnBody(std::string_view) override {}
  void OnEnd(const Headers& trailers) override {
    ReadStatus(trailers);
    loop_.Stop();
  }
  void OnFailed(const Error&) override {
    answer_ = Answer::kFailed;
    loop_.Stop();
  }
  void ReadStatus(const Headers& headers) {
    auto status = headers.Get("grpc-status");
    if (status == "16") answer_ = Answer::kUnauthenticated;
    if (status == "7") answer_ = Answer::kPermissionDenied;
  }

  Loop& loop_;
  Answer answer_ = Answer::kFailed;
  std::unique_ptr<ClientRequest> request_;
  Timer timeout_;
};

class RolesMatrix : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(MakeDevCa({.folder = folder_,
                           .hosts = {},
                           .gateways = {"gw-1", "stranger"},
                           .now_s = Clock::Real().WallMs() / 1000,
                           .lifetime_s = 3600}));
    Write("roles.json", R"({"roles":[{"role":"gateway","san":"gw-1"},
        {"role":"producer","san":"galaxy:producer"},{"role":"operator","san":"galaxy:operator"},
        {"role":"producer","key_sha256":")" +
                            KeyFingerprint("producer-key") +
                            R"("},{"role":"operator","key_sha256":")" +
                            KeyFingerprint("operator-key") + R"("}]})");
    Write("jwks.json", TokenKey::Generate(TokenAlg::kEdDsa).ToPublicJwks());
    Write("issuers.json",
          R"({"issuers":[{"issuer":"i","audience":"a","jwks":")" + File("jwks.json") + R"("}]})");
    StartBackend();
    StartGateway();
  }
  void TearDown() override {
    gateway_.reset();
    backend_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string File(const std::string& name) const { return folder_ + "/" + name; }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomic(File(name), text));
  }
  ServerTlsOptions Server() const {
    return {.prefix = {},
            .certificate_file = File("server.crt"),
            .key_file = File("server.key"),
            .ca_file = File("ca.crt")};
  }
  void StartBackend() {
    BackendNodeOptions options;
    options.config.listen = options.admin.listen = {"127.0.0.1", 0};
    options.engine = "memory";
    options.tls = options.admin.tls = Server();
    options.roles_file = File("roles.json");
    options.issuers_file = File("issuers.json");
    auto node = BackendNode::Start(loop_, options, logger_);
    ASSERT_TRUE(node) << node.error().message;
    backend_ = std::move(*node);
  }
  void StartGateway() {
    GatewayNodeOptions options;
    options.config.id = "gw-1";
    options.config.listen = options.admin.listen = {"127.0.0.1", 0};
    options.config.backends = {backend_->listen()};
    options.config.data_dir = File("gw-1");
    options.issuer.jwks = File("jwks.json");
    options.issuer.issuer.issuer = options.issuer.issuer.audience = "i";
    options.admin.tls = Server();
    options.roles_file = File("roles.json");
    options.backend.ca = File("ca.crt");
    options.backend.certificate_file = File("gw-1.crt");
    options.backend.key_file = File("gw-1.key");
    auto node = GatewayNode::Start(loop_, options, logger_);
    ASSERT_TRUE(node) << node.error().message;
    gateway_ = std::move(*node);
  }

  std::unique_ptr<HttpClient> Connect(const Address& address, const Peer& peer) {
    TlsOptions tls{.ca_file = File("ca.crt"), .alpn = {"h2"}};
    if (!peer.certificate.empty()) {
      tls.certificate_file = File(peer.certificate + ".crt");
      tls.key_file = File(peer.certificate + ".key");
    }
    auto context = TlsContext::Client(tls);
    EXPECT_TRUE(context);
    HttpClientLimits limits;
    limits.socket.tls = [context = *context] { return context; };
    return HttpClient::NewHttp2(loop_, address, limits);
  }
  Answer Get(HttpClient& client, const std::string& path, const Peer& peer) {
    bool grpc = path.starts_with("/galaxy.") || path.starts_with("/grpc.");
    bool get = path == "/livez" || path == "/readyz" || path == "/metrics" ||
               path == "/v1/subscriptions" || path == "/v1/sessions";
    RequestHead head{.method = get ? "GET" : "POST", .path = path};
    head.scheme = "https";
    head.authority = "localhost";
    if (grpc) head.headers = {{"content-type", "application/grpc"}, {"te", "trailers"}};
    if (!peer.key.empty()) head.headers.Add("authorization", "Bearer " + peer.key);
    return Ask(loop_, client, std::move(head)).answer();
  }

  void CheckPort(const std::string& port, const Address& address,
                 const std::vector<std::string>& endpoints, const Rows& rows) {
    std::set<std::string> listed;
    for (const auto& [path, roles] : rows) listed.insert(path);
    EXPECT_EQ(std::set<std::string>(endpoints.begin(), endpoints.end()), listed)
        << port << ": every endpoint has a row, and every row an endpoint";
    for (const Peer& peer : kPeers) {
      std::unique_ptr<HttpClient> client = Connect(address, peer);
      for (const auto& [path, roles] : rows) {
        bool may = roles == "anybody" || roles.find(peer.role) != std::string::npos;
        Answer wanted = may                      ? Answer::kServed
                        : peer.role == "nothing" ? Answer::kUnauthenticated
                                                 : Answer::kPermissionDenied;
        EXPECT_EQ(Get(*client, path, peer), wanted) << port << " " << path << " " << peer.name;
      }
    }
  }

  const std::string folder_ = testing::TempDir() + "roles-" + std::to_string(RandomU64());
  Logger logger_{LogLevel::kError};
  Loop loop_;
  std::unique_ptr<BackendNode> backend_;
  std::unique_ptr<GatewayNode> gateway_;
};

TEST_F(RolesMatrix, EveryEndpointTakesItsRolesAndNoOther) {
  // semantics.md 10.1
  CheckPort("backend", backend_->listen(), backend_->Endpoints(), kBackendRows);
  CheckPort("backend admin", backend_->admin(), backend_->AdminEndpoints(), kBackendAdminRows);
  CheckPort("gateway admin", gateway_->admin(), gateway_->AdminEndpoints(), kGatewayAdminRows);
}

}  // namespace
}  // namespace galaxy::push
