// What becomes of open streams when their peer's role is taken away.

#include <gtest/gtest.h>

#include "backend/publish_fixture.h"

namespace galaxy::push {
namespace {

class RoleWithdrawn : public PublishTest {
 protected:
  BackendConfig Config() override {
    BackendConfig config = PublishTest::Config();
    config.roles = [this] { return table_; };
    return config;
  }
  static std::string Entry(std::string_view role, std::string_view key) {
    return R"({"role":")" + std::string(role) + R"(","key_sha256":")" + KeyFingerprint(key) + "\"}";
  }
  // The roles file is read again and says this.
  void SetRoles(const std::string& entries) {
    table_ = *RoleTable::Parse(R"({"roles":[)" + entries + "]}");
    backend->RecheckRoles();
  }
  static Metadata Key(std::string_view key) {
    return {{"authorization", "Bearer " + std::string(key)}};
  }
  std::unique_ptr<TestCall> Producer(std::string_view key) {
    auto call = Call("/galaxy.backend.publish.v1.Publisher/PublishStream", Key(key));
    RunUntil([&] { return call->has_metadata; });
    return call;
  }

  std::shared_ptr<const RoleTable> table_ =
      *RoleTable::Parse(R"({"roles":[)" + Entry("operator", "one") + "," +
                        Entry("operator", "two") + "," + Entry("producer", "shop") + "]}");
};

TEST_F(RoleWithdrawn, ItsSubscriptionEndsAndNoOther) {
  // semantics.md 10.1
  auto out = Subscribe("tail-1", "", Key("one"));
  auto stays = Subscribe("tail-2", "", Key("two"));
  SetRoles(Entry("operator", "two") + "," + Entry("producer", "one"));
  RunUntil([&] { return out->ended; });
  EXPECT_EQ(out->end.status, GrpcStatus::kPermissionDenied);
  EXPECT_EQ(out->Trailer("push-close-reason"), "permission_denied");
  EXPECT_EQ(backend->Stats().subscriptions.ended[Code::kPermissionDenied], 1u);
  EXPECT_EQ(backend->Stats().subscriptions_open, 1u);
  EXPECT_FALSE(stays->ended);
}

TEST_F(RoleWithdrawn, ItsPublishStreamEndsAfterWhatItHandedOverIsAnswered) {
  // semantics.md 10.1
  auto out = Producer("shop");
  auto stays = Producer("two");
  out->call->Write(Event("ann").SerializeAsString());
  RunUntil([&] { return backend->Stats().publish.accepted == 1; });
  SetRoles(Entry("operator", "two"));
  out->call->Write(Event("bob").SerializeAsString());
  RunUntil([&] { return out->ended; });
  EXPECT_EQ(out->end.status, GrpcStatus::kPermissionDenied) << out->end.message;
  EXPECT_EQ(Messages<pb::PublishResult>(out->bytes).size(), 1u);
  EXPECT_EQ(backend->Stats().publish.accepted, 1u);
  EXPECT_FALSE(stays->ended);
  EXPECT_EQ(backend->Stats().roles_refused, 1u);
}

TEST_F(RoleWithdrawn, ATableThatStillHasItEndsNothing) {
  auto sub = Subscribe("tail-1", "", Key("one"));
  auto stream = Producer("shop");
  SetRoles(Entry("operator", "one") + "," + Entry("producer", "shop"));
  stream->call->Write(Event("ann").SerializeAsString());
  RunUntil([&] { return sub->Users().size() == 1; });
  EXPECT_FALSE(sub->ended);
  EXPECT_FALSE(stream->ended);
}

}  // namespace
}  // namespace galaxy::push
