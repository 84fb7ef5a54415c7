#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "app/demo_call.h"
#include "app/demo_logout.h"
#include "auth/mint.h"
#include "http/client.h"
#include "http/exchange.h"
#include "net/address.h"
#include "net/connection.h"

namespace galaxy::push {

class Loop;

inline constexpr std::string_view kDemoUser = "commander-7";
inline constexpr std::string_view kDemoIssuer = "https://login.galaxy.demo";
inline constexpr std::string_view kDemoAudience = "galaxy";
inline constexpr std::string_view kDemoPlane = "galaxy";
struct DemoDevice {
  std::string_view session;
  std::string_view name;
};
inline constexpr DemoDevice kDemoDevices[] = {{"bridge-tablet", "Bridge tablet"},
                                              {"pocket-phone", "Pocket phone"}};

// A token for one session of the demo's user, good for an hour.
std::string MintDemoToken(const TokenKey& key, std::string_view session, uint64_t now_ms);

// Where the page and the plane behind it are.
struct DemoPlane {
  Address page, backend, gateway;
  // HTTP/1.1 with the producer's certificate, and without any; none: all of it is plaintext.
  TlsSource producer, anybody;
};

// DemoPage is the web server of `galaxy-push demo`: the files of web/ and sdk/js/src, and the small
// API of web/README.md. It hands out tokens to whoever asks, so it is for loopback only: the Host
// of a request must be this very address (a name that was rebound to it is not), and an Origin,
// where there is one, this page's.
//
//   Threads  One loop.
//   Limits   A body of 1 MiB, kSessionsMax sign-ins, kLogoutsMax of them being signed out.
class DemoPage final : public RequestHandler {
 public:
  static constexpr size_t kSessionsMax = 1'000;
  static constexpr size_t kLogoutsMax = 20;
  // Gets a sentence for people on what happened.
  using Tell = std::function<void(const std::string& sentence)>;

  DemoPage(Loop& loop, TokenKey key, Tell tell = {});
  ~DemoPage() override;
  // Before the first request.
  void SetPlane(DemoPlane plane);

  void OnRequest(Exchange& exchange) override;

 private:
  using Answer = void (DemoPage::*)(const std::shared_ptr<Exchange>&, const std::string& body);
  static Answer AnswerAt(std::string_view path);
  Status CheckCaller(const RequestHead& request) const;
  void AnswerToken(const std::shared_ptr<Exchange>& exchange, const std::string& body);
  void AnswerEvents(const std::shared_ptr<Exchange>& exchange, const std::string& body);
  void AnswerInvalidations(const std::shared_ptr<Exchange>& exchange, const std::string& body);
  void AnswerLogouts(const std::shared_ptr<Exchange>& exchange, const std::string& body);
  void Forward(const std::shared_ptr<Exchange>& exchange, std::string path, std::string body);
  void OnLogout(Exchange& exchange, Result<DemoLogout::Outcome> outcome);
  void RespondFile(Exchange& exchange) const;
  void RespondConfig(Exchange& exchange) const;
  void RespondJson(Exchange& exchange, int status, std::string body) const;
  Headers SafeHeaders() const;
  std::string Scheme() const { return plane_.anybody ? "https" : "http"; }
  // For what is within its own callback: it goes at the end of the turn.
  template <typename Map>
  void Leave(Map& running, uint64_t id);

  Loop& loop_;
  const TokenKey key_;
  const Tell tell_;
  std::set<std::string, std::less<>> sessions_;
  DemoPlane plane_;
  std::string policy_;
  std::unique_ptr<HttpClient> backend_client_;
  uint64_t next_id_ = 0;
  std::map<uint64_t, std::shared_ptr<DemoCall>> calls_;
  std::map<uint64_t, std::shared_ptr<DemoLogout>> logouts_;
};

}  // namespace galaxy::push
