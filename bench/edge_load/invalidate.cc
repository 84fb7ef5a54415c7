// Revocations while the server has other work.
#include <unistd.h>

#include <atomic>
#include <thread>

#include "edge_load/phases.h"

namespace galaxy::push::bench {
namespace {

constexpr useconds_t kBetweenUs = 5'000;
constexpr useconds_t kLookUs = 1'000;
constexpr uint64_t kClosedWithinNs = 30'000'000'000;

// Revocations of the sessions of one group, or of its users as a whole: one after the other, each
// once the one before has closed its last connection. They are sent by a thread of their own; the
// clients' thread says what was closed.
class Revocations {
 public:
  Revocations(const std::vector<std::string>& users, const std::vector<Identity>& sessions,
              bool whole)
      : first_(sessions.front().session),
        whole_(whole),
        all_(whole ? users.size() : sessions.size()) {
    for (const Identity& who : sessions) {
      One& one = Of(who);
      one.user = users[who.user];
      if (!whole) one.session = "s-" + std::to_string(who.session);
      ++one.open;
    }
  }
  void OnClosed(const Identity& who) {
    One& one = Of(who);
    if (one.sent_ns == 0) Die("a client was closed before its invalidation");
    if (--one.open > 0) return;
    one.closed_ns = NowNs();
    last_closed_ns_ = NowNs();
    ++done_;
  }
  // Sends them until all are or the time is over.
  void Send(const Address& backend, uint64_t time_ns) {
    uint64_t end = NowNs() + time_ns;
    for (size_t i = 0; i < all_.size() && NowNs() < end; ++i) {
      all_[i].sent_ns = NowNs();
      all_[i].accepted_ns = InvalidateAndWait(backend, all_[i].user, all_[i].session);
      while (done_ <= i) usleep(kLookUs);
      usleep(kBetweenUs);
    }
    over_ = true;
  }
  bool over() const { return over_; }
  bool hangs() const { return NowNs() - last_closed_ns_ > kClosedWithinNs; }
  // When it is over.
  void Tell(Samples& from_sent, Samples& from_accepted) const {
    for (const One& one : all_) {
      if (one.closed_ns == 0) return;
      from_sent.Add(one.closed_ns - one.sent_ns);
      from_accepted.Add(one.closed_ns - std::min(one.accepted_ns, one.closed_ns));
    }
  }

 private:
  struct One {
    std::string user, session;
    size_t open = 0;  // connections it has to close
    uint64_t accepted_ns = 0, closed_ns = 0;
    std::atomic<uint64_t> sent_ns{0};
  };
  One& Of(const Identity& who) { return all_[whole_ ? who.user : who.session - first_]; }

  const uint32_t first_;
  const bool whole_;
  std::vector<One> all_;
  std::atomic<size_t> done_{0};
  std::atomic<bool> over_{false};
  uint64_t last_closed_ns_ = NowNs();
};

}  // namespace

// invalidate group= (whole=0|1) busy= rate= seconds=: each session of `group`, or each of its users
// as a whole, as long as there is time, while the clients of `busy` get `rate` events a second.
void Phases::Invalidate(const Words& words) {
  Group& group = GroupOf(words);
  Group& busy = GroupOf(words, "busy");
  uint32_t number = NumberOf(group);
  Traffic traffic({.users = busy.users, .per_second = words.Number("rate", 10'000)}, publisher(),
                  *clients_);
  RunFor(0.5);
  Revocations revocations(group.users, group.sessions, words.Number("whole", 0) > 0);
  clients_->on_closed = [&](Conn& conn) {
    if (conn.identity.group != number) Die("a client was closed that nobody invalidated");
    revocations.OnClosed(conn.identity);
  };
  Span span(cpu_);
  auto time_ns = static_cast<uint64_t>(words.Number("seconds", 60) * 1e9);
  std::thread sending([&] { revocations.Send(options_.publish, time_ns); });
  while (!revocations.over()) {  // each ends with a bye: that is no refusal here
    clients_->Turn(20);
    if (revocations.hangs()) Die("an invalidated client was not closed");
  }
  double busy_part = static_cast<double>(span.cpu_ns()) / static_cast<double>(span.wall_ns());
  sending.join();
  clients_->on_closed = nullptr;
  traffic.Stop();
  Samples from_sent, from_accepted;
  revocations.Tell(from_sent, from_accepted);
  Answer()
      .Percentiles("from_sent", from_sent)
      .Percentiles("from_accepted", from_accepted)
      .Add("server_busy", busy_part)
      .Print();
}

}  // namespace galaxy::push::bench
