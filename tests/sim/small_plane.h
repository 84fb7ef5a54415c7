#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "auth/mint.h"
#include "client/event_listener.h"
#include "client/publisher.h"
#include "gateway/gateway.h"
#include "net/sim_network.h"
#include "storage/sim_disk.h"

// What the small simulated worlds have in common: devices, a producer, and gateways that believe
// one issuer. They have no oracle; each test says what it expects.

namespace galaxy::push {

inline constexpr uint16_t kSimPort = 7'000;

// A signed-in device.
class SimDevice : public EventListenerHandler {
 public:
  SimDevice(const SimNetwork& net, SimNode& node, const SimNode& gateway, std::string token)
      : net_(net) {
    auto started = EventListener::Start(
        node.loop(), {.url = "ws://" + gateway.host() + ":" + std::to_string(kSimPort)},
        [token = std::move(token)] { return token; }, *this);
    EXPECT_TRUE(started) << started.error().message;
    listener_ = std::move(*started);
  }
  int welcomes = 0, gaps = 0;
  std::vector<std::string> events;  // payloads
  std::vector<uint64_t> at_ms;      // when they came
  std::string ended;

 protected:
  void OnEnded(const ListenerEnd& end) override { ended = end.reason; }

 private:
  void OnEvent(const SignedEvent& event) override {
    events.push_back(event.payload);
    at_ms.push_back(net_.now_ms());
  }
  void OnUnverified(const SignedEvent&, const VerifyResult&) override { ADD_FAILURE(); }
  void OnGap(std::string_view, std::string_view, uint64_t) override { ++gaps; }
  void OnWelcome(const ReceivedFrame::Welcome&) override { ++welcomes; }
  void OnClockSkew(int64_t) override {}
  void OnCursor(std::string_view) override {}
  void OnState(std::string_view, std::string_view) override {}

  const SimNetwork& net_;
  std::unique_ptr<EventListener> listener_;
};

class SimProducer final : public PublisherHandler {
 public:
  SimProducer(SimNode& node, const SimNode& backend)
      : publisher_(EventPublisher::Start(node.loop(), {backend.host(), kSimPort}, {}, *this)) {}
  void Publish(const std::string& user, const std::string& payload) {
    ASSERT_TRUE(publisher_->Publish(
        {.type = EntryType::kEvent, .user_id = user, .kind = "k", .payload = payload}));
  }
  size_t acknowledged = 0;

 private:
  void OnOutcome(const PublishOutcome& outcome) override { acknowledged += !outcome.refusal; }
  void OnRoom() override {}
  void OnEnd(const Status& status) override { ADD_FAILURE() << status.error().message; }

  std::unique_ptr<EventPublisher> publisher_;
};

// The keys of a plane, and what stands on them.
class SimKeys {
 public:
  // For ten hours.
  std::string Token(const std::string& user, const std::string& session, uint64_t wall_ms) const {
    return MintToken({.issuer = "iss",
                      .audience = "aud",
                      .user_id = user,
                      .session_id = session,
                      .issued_s = wall_ms / 1000,
                      .expires_s = wall_ms / 1000 + 36'000},
                     login_);
  }
  // `config`: what differs from a gateway with its defaults on a simulated machine and disk.
  std::unique_ptr<Gateway> Open(SimNode& node, const SimDisk& disk, GatewayConfig config) const {
    config.id = node.name();
    config.listen = {"0.0.0.0", kSimPort};
    config.reload_ms = 0;
    config.data_dir = "state";
    config.state_vfs = disk.vfs();
    config.state_on_loop_ms = 10;
    TokenVerifierOptions tokens{
        .issuers = {
            {.issuer = "iss", .audience = "aud", .keys = *Jwks::Parse(login_.ToPublicJwks())}}};
    auto opened = Gateway::Open(node.loop(), std::move(config),
                                {*TokenVerifier::Create(std::move(tokens)), envelope_});
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }

 private:
  TokenKey login_ = TokenKey::Generate(TokenAlg::kEdDsa);
  SigningKeys::Snapshot envelope_ =
      *SigningKeys::FromKeys({SigningKey::Generate(SimNetwork::kEpochWallMs / 1000 - 1)});
};

}  // namespace galaxy::push
