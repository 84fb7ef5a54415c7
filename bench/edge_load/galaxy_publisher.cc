#include "base/random.h"
#include "client/publisher.h"
#include "edge_load/publisher.h"
#include "net/loop.h"

namespace galaxy::push::bench {
namespace {

class GalaxyPublisher final : public Publisher, private PublisherHandler {
 public:
  explicit GalaxyPublisher(const Address& backend)
      : publisher_(EventPublisher::Start(
            loop_, backend, {.entries_in_flight_max = 65'536, .bytes_in_flight_max = 64u << 20},
            *this)) {}
  bool Publish(std::string_view user, std::string_view payload) override {
    id_.resize(prefix_.size());
    id_ += std::to_string(++published_);
    return publisher_->Publish({.type = EntryType::kEvent,
                                .user_id = user,
                                .kind = "bench.event",
                                .payload = payload,
                                .event_id = id_});
  }
  void Turn() override { loop_.Poll(); }
  uint64_t answered() const override { return answered_; }
  std::string cursor() const override { return cursor_; }

 private:
  void OnOutcome(const PublishOutcome& outcome) override {
    if (outcome.refusal) Die("publish refused: " + outcome.refusal->message);
    ++answered_;
    cursor_ = outcome.cursor;
  }
  void OnRoom() override {}
  void OnEnd(const Status& status) override {
    Die("the publish stream ended: " + (status ? std::string("OK") : status.error().message));
  }

  Loop loop_;
  const std::string prefix_ = std::to_string(RandomU64()) + "-";
  std::string id_ = prefix_;
  std::string cursor_;
  uint64_t published_ = 0, answered_ = 0;
  std::unique_ptr<EventPublisher> publisher_;
};

}  // namespace

std::unique_ptr<Publisher> NewGalaxyPublisher(const Address& backend) {
  return std::make_unique<GalaxyPublisher>(backend);
}

uint64_t InvalidateAndWait(const Address& backend, const std::string& user,
                           const std::string& session) {
  Loop loop;
  uint64_t acknowledged = 0;
  auto call = ClientInvalidation::Start(loop, backend, user, session, "bench", 30'000,
                                        [&](Result<std::string> cursor) {
                                          if (!cursor) Die("invalidate: " + cursor.error().message);
                                          acknowledged = NowNs();
                                          loop.Stop();
                                        });
  loop.Run();
  return acknowledged;
}

}  // namespace galaxy::push::bench
