#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/publisher.h"
#include "history.h"
#include "http/client.h"
#include "net/sim_network.h"
#include "oracle.h"

namespace galaxy::push::sim {

// One POST to the backend, over HTTP/1.1 and a connection of its own.
class HttpPost;

// SimPublisher is the application server: it publishes over one PublishStream (a new one whenever
// the old one broke), posts over HTTP, and invalidates. Every answer, and that none came, goes to
// the oracle.
class SimPublisher final : PublisherHandler {
 public:
  SimPublisher(SimNetwork& network, SimNode& host, Address backend, Oracle& oracle,
               History& history);
  ~SimPublisher() override;

  void Publish(const EventContent& content);
  // One object when there is one, else an array.
  void PublishHttp(const std::vector<EventContent>& contents);
  void Invalidate(const std::string& user, const std::string& session, std::string_view reason);
  // Whether every publish has its answer, or never will.
  bool idle() const { return waiting_.empty() && posts_.empty() && invalidations_.empty(); }
  // Drops what is finished. From outside of callbacks.
  void Sweep();

 private:
  friend class HttpPost;
  struct PendingInvalidation {
    size_t id;
    std::unique_ptr<ClientInvalidation> call;
    bool done = false;
  };

  void OnOutcome(const PublishOutcome& outcome) override;
  void OnRoom() override {}
  void OnEnd(const Status& status) override;

  void Take(size_t publish, const PublishOutcome& outcome);
  void Note(std::string_view what) { history_.Add("app", what); }
  uint64_t now_ms() const { return network_.wall_ms(); }

  SimNetwork& network_;
  SimNode& host_;
  const Address backend_;
  Oracle& oracle_;
  History& history_;
  std::unique_ptr<EventPublisher> stream_;
  bool stream_ended_ = false;
  Timer watch_;
  std::deque<size_t> waiting_;  // publishes on the stream, in order
  std::list<std::unique_ptr<HttpPost>> posts_;
  std::list<PendingInvalidation> invalidations_;
};

}  // namespace galaxy::push::sim
