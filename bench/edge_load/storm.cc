// The phases where many things happen to clients at once.
#include <unistd.h>

#include <atomic>
#include <thread>

#include "edge_load/phases.h"

namespace galaxy::push::bench {
namespace {

// A revocation that is under way: who publishes it says when, who reads says when it was done.
struct Revocation {
  std::string user, session;
  size_t open = 0;  // connections it has to close; the clients' thread
  std::atomic<uint64_t> sent_ns{0}, accepted_ns{0}, closed_ns{0};
};

constexpr useconds_t kBetweenUs = 5'000;
constexpr uint64_t kClosedWithinNs = 30'000'000'000;

}  // namespace

// storm group= behind= burst=: all clients of `group`, each `behind` events late, resume at once.
void Phases::Storm(const Words& words) {
  Group& group = GroupOf(words);
  uint64_t behind = words.Count("behind", 100);
  uint32_t number = NumberOf(group);
  Samples caught_up;
  uint64_t begin = NowNs();
  size_t caught_up_before = clients_->caught_up();
  uint64_t events_before = clients_->delivered(number);
  clients_->on_caught_up = [&](Conn&) { caught_up.Add(NowNs() - begin); };
  Span span(cpu_);
  clients_->Connect(group.sessions, words.Count("burst", 1'000));
  RunUntil("every client caught up",
           [&] { return clients_->caught_up() - caught_up_before >= group.sessions.size(); });
  auto wall = static_cast<double>(span.wall_ns());
  auto cpu = static_cast<double>(span.cpu_ns());
  clients_->on_caught_up = nullptr;
  uint64_t replayed = clients_->delivered(number) - events_before;
  if (replayed != group.sessions.size() * behind)
    Die("replayed " + std::to_string(replayed) + " events, not " +
        std::to_string(group.sessions.size() * behind));
  Answer()
      .Add("seconds", wall / 1e9)
      .Add("clients", static_cast<double>(group.sessions.size()))
      .Add("replayed", static_cast<double>(replayed))
      .Add("cpu_us_each", cpu / 1e3 / static_cast<double>(replayed))
      .Percentiles("caught_up", caught_up)
      .Print();
}

// invalidate group= (whole=0|1) busy= rate=: each session of `group`, or each of its users as a
// whole, one after the other, while the clients of `busy` get `rate` events a second.
void Phases::Invalidate(const Words& words) {
  Group& group = GroupOf(words);
  Group& busy = GroupOf(words, "busy");
  bool whole = words.Number("whole", 0) > 0;
  uint32_t number = NumberOf(group);
  size_t fan = group.sessions.size() / group.users.size();
  std::vector<Revocation> all(whole ? group.users.size() : group.sessions.size());
  auto place_of = [&](const Identity& who) -> size_t {
    return whole ? who.user : who.session - group.sessions.front().session;
  };
  for (const Identity& who : group.sessions) {
    Revocation& revocation = all[place_of(who)];
    revocation.user = group.users[who.user];
    if (!whole) revocation.session = "s-" + std::to_string(who.session);
  }
  for (Revocation& revocation : all) revocation.open = whole ? fan : 1;
  std::atomic<size_t> done{0};
  clients_->on_closed = [&](Conn& conn) {
    if (conn.identity.group != number) Die("a client was closed that nobody invalidated");
    Revocation& revocation = all[place_of(conn.identity)];
    if (revocation.sent_ns == 0) Die("a client was closed before its invalidation");
    if (--revocation.open == 0) {
      revocation.closed_ns = NowNs();
      ++done;
    }
  };
  Traffic traffic({.users = busy.users, .per_second = words.Number("rate", 10'000)}, publisher(),
                  *clients_);
  RunFor(0.5);
  Span span(cpu_);
  std::thread revoking([&] {
    for (size_t i = 0; i < all.size(); ++i) {
      all[i].sent_ns = NowNs();
      all[i].accepted_ns = InvalidateAndWait(options_.publish, all[i].user, all[i].session);
      while (done <= i) usleep(200);
      usleep(kBetweenUs);
    }
  });
  uint64_t moved = NowNs();
  for (size_t seen = 0; done < all.size();) {  // each ends with a bye: that is no refusal here
    clients_->Turn(20);
    if (done > seen) moved = NowNs();
    seen = done;
    if (NowNs() - moved > kClosedWithinNs) Die("an invalidated client was not closed");
  }
  double busy_part = static_cast<double>(span.cpu_ns()) / static_cast<double>(span.wall_ns());
  revoking.join();
  clients_->on_closed = nullptr;
  std::thread stopping([&] { traffic.Stop(); });
  RunFor(0.2);
  stopping.join();
  Samples from_sent, from_accepted;
  for (Revocation& revocation : all) {
    from_sent.Add(revocation.closed_ns - revocation.sent_ns);
    from_accepted.Add(revocation.closed_ns > revocation.accepted_ns
                          ? revocation.closed_ns - revocation.accepted_ns
                          : 0);
  }
  Answer()
      .Percentiles("from_sent", from_sent)
      .Percentiles("from_accepted", from_accepted)
      .Add("server_busy", busy_part)
      .Print();
}

}  // namespace galaxy::push::bench
