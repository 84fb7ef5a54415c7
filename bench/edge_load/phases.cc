#include "edge_load/phases.h"

#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/clock.h"

namespace galaxy::push::bench {
namespace {

constexpr uint64_t kTokenLifeS = 6 * 3600;

std::shared_ptr<const TlsContext> TlsOf(const LoadOptions& options) {
  if (options.ca_file.empty()) return nullptr;
  TlsOptions tls{.ca_file = options.ca_file};
  tls.alpn = {options.dialect == "grpc" ? "h2" : "http/1.1"};
  auto context = TlsContext::Client(tls);
  if (!context) Die(context.error().message);
  return *context;
}

}  // namespace

Phases::Phases(LoadOptions options, Input& input)
    : options_(std::move(options)), input_(input), cpu_(options_.watched) {
  if (!options_.key_file.empty()) {
    auto key = TokenKey::Load(options_.key_file);
    if (!key) Die(key.error().message);
    key_ = std::make_unique<TokenKey>(std::move(*key));
  }
  auto group_of = [this](const Identity& who) -> Group& { return *groups_[who.group]; };
  DialectOptions dialect{
      .authority = options_.server.ToString(),
      .tls = !options_.ca_file.empty(),
      .token = [this](const Identity& who) { return token_of_session_[who.session]; },
      .cursor = [group_of](const Identity& who) { return group_of(who).cursor; },
      .user = [group_of](const Identity& who) { return group_of(who).users[who.user]; }};
  dialect_ = NewDialect(options_.dialect, std::move(dialect));
  if (!dialect_) Die("unknown dialect " + options_.dialect);
  clients_ = std::make_unique<Clients>(options_.server, *dialect_, TlsOf(options_));
}

Phases::~Phases() = default;

// Made when it is needed: a server may not wait for long for a connection's first words.
Publisher& Phases::publisher() {
  if (!publisher_) publisher_ = NewPublisher(options_.publisher, options_.publish);
  return *publisher_;
}

bool Phases::Do(const Words& words) {
  if (words.verb() == "connect") {
    Connect(words);
  } else if (words.verb() == "load") {
    Load(words);
  } else if (words.verb() == "pulses") {
    Pulses(words);
  } else if (words.verb() == "live") {
    Live(words);
  } else if (words.verb() == "idle") {
    Idle(words);
  } else if (words.verb() == "publish") {
    Publish(words);
  } else if (words.verb() == "storm") {
    Storm(words);
  } else if (words.verb() == "invalidate") {
    Invalidate(words);
  } else if (words.verb() == "quit") {
    return false;
  } else {
    Die("unknown command " + words.verb());
  }
  return true;
}

// group=NAME users=U sessions=S: declares it (S sessions of each user) the first time it is named.
Phases::Group& Phases::GroupOf(const Words& words, const char* word) {
  std::string name = words.Text(word, "a");
  for (auto& group : groups_) {
    if (group->name == name) return *group;
  }
  if (groups_.size() == kGroupsMax) Die("too many groups");
  auto number = static_cast<uint32_t>(groups_.size());
  auto& group = *groups_.emplace_back(std::make_unique<Group>());
  group.name = name;
  uint64_t now_s = Clock::Real().WallMs() / 1000;
  auto users = static_cast<uint32_t>(words.Count("users", 1));
  uint64_t sessions = words.Count("sessions", 1);
  for (uint32_t u = 0; u < users; ++u) group.users.push_back(name + "-" + std::to_string(u));
  for (uint64_t s = 0; s < sessions; ++s) {
    for (uint32_t u = 0; u < users; ++u) {
      auto session = static_cast<uint32_t>(token_of_session_.size());
      group.sessions.push_back({.group = number, .user = u, .session = session});
      token_of_session_.push_back(key_ ? MintToken({.issuer = options_.issuer,
                                                    .audience = options_.audience,
                                                    .user_id = group.users[u],
                                                    .session_id = "s-" + std::to_string(session),
                                                    .issued_s = now_s,
                                                    .expires_s = now_s + kTokenLifeS},
                                                   *key_)
                                       : std::string());
    }
  }
  return group;
}

uint32_t Phases::NumberOf(const Group& group) const {
  for (uint32_t i = 0; i < groups_.size(); ++i) {
    if (groups_[i].get() == &group) return i;
  }
  Die("no such group");
}

void Phases::RunFor(double seconds) {
  uint64_t end = NowNs() + static_cast<uint64_t>(seconds * 1e9);
  for (uint64_t now = NowNs(); now < end; now = NowNs())
    clients_->Turn(static_cast<int>((end - now) / 1'000'000) + 1);
}

void Phases::RunUntil(const char* what, const std::function<bool()>& condition, double seconds) {
  uint64_t end = NowNs() + static_cast<uint64_t>(seconds * 1e9);
  while (!condition()) {
    if (NowNs() > end) Die(std::string("not in time: ") + what);
    clients_->Turn(1);
    DemandNoRefusal();
  }
}

void Phases::DemandNoRefusal() {
  if (!clients_->refusal().empty()) Die("the server says: " + clients_->refusal());
}

void Phases::Join(Group& group, size_t burst) {
  size_t wanted = clients_->ready() + group.sessions.size();
  clients_->Connect(group.sessions, burst);
  RunUntil("every client admitted", [&] { return clients_->ready() >= wanted; }, 120);
}

// connect group= users= sessions= burst=
void Phases::Connect(const Words& words) {
  Group& group = GroupOf(words);
  Span span(cpu_);
  Join(group, words.Count("burst", 64));
  auto count = static_cast<double>(group.sessions.size());
  Answer()
      .Add("connected", count)
      .Add("seconds", static_cast<double>(span.wall_ns()) / 1e9)
      .Add("server_cpu_us_each", static_cast<double>(span.cpu_ns()) / 1e3 / count)
      .Print();
}

TrafficPlan Phases::PlanOf(const Group& group, const Words& words) {
  return {.users = group.users,
          .fan = group.sessions.size() / group.users.size(),
          .payload_bytes = words.Count("payload", 256),
          .window = words.Count("window", 1'024),
          .per_second = words.Number("rate", 0)};
}

// Ends the traffic while the clients are served, and demands that each event arrived once.
// `before`: what `group` had got when the traffic began.
void Phases::Finish(Traffic& traffic, const Group& group, uint64_t before) {
  uint32_t number = NumberOf(group);
  uint64_t fan = group.sessions.size() / group.users.size();
  std::atomic<bool> stopped{false};
  std::thread stopping([&] {
    traffic.Stop();
    stopped = true;
  });
  RunUntil("every event delivered", [&] {
    return stopped && clients_->delivered(number) - before >= traffic.published() * fan;
  });
  stopping.join();
  RunFor(0.05);
  if (clients_->delivered(number) - before != traffic.published() * fan)
    Die("more was delivered than published");
}

// load group= seconds= warm= payload= (window= | rate=)
void Phases::Load(const Words& words) {
  Group& group = GroupOf(words);
  uint32_t number = NumberOf(group);
  clients_->Show(number);
  uint64_t delivered_begin = clients_->delivered(number);
  Traffic traffic(PlanOf(group, words), publisher(), *clients_);
  RunFor(words.Number("warm", 0.5));
  Samples latency;
  if (words.Number("rate", 0) > 0) clients_->Time(&latency, number);
  uint64_t before = clients_->delivered(number), bytes_before = clients_->bytes();
  Span span(cpu_);
  RunFor(words.Number("seconds", 3));
  auto wall = static_cast<double>(span.wall_ns());
  auto cpu = static_cast<double>(span.cpu_ns());
  auto delivered = static_cast<double>(clients_->delivered(number) - before);
  auto bytes = static_cast<double>(clients_->bytes() - bytes_before);
  clients_->Time(nullptr, 0);
  Finish(traffic, group, delivered_begin);
  if (delivered == 0) Die("nothing was delivered within the time");
  Answer()
      .Add("deliveries", delivered)
      .Add("per_second", delivered / wall * 1e9)
      .Add("cpu_us_each", cpu / 1e3 / delivered)
      .Add("server_busy", cpu / wall)
      .Add("bytes_each", bytes / delivered)
      .Percentiles("latency", latency)
      .Print();
}

// live group= rate= payload=: until the next line of standard input, which is taken. Answers
// first once an event has arrived, and so all that was published before.
void Phases::Live(const Words& words) {
  Group& group = GroupOf(words);
  uint32_t number = NumberOf(group);
  clients_->Show(number);
  uint64_t before = clients_->delivered(number);
  Traffic traffic(PlanOf(group, words), publisher(), *clients_);
  RunUntil("the first event", [&] { return clients_->delivered(number) > before; });
  Answer().Add("live", 1).Print();
  Samples latency;
  clients_->Time(&latency, number);
  std::string line;
  input_.Next(*clients_, line);
  clients_->Time(nullptr, 0);
  Finish(traffic, group, before);
  Answer().Percentiles("latency", latency).Print();
}

// idle seconds=
void Phases::Idle(const Words& words) {
  uint64_t bytes_before = clients_->bytes();
  Span span(cpu_);
  RunFor(words.Number("seconds", 5));
  auto cpu = static_cast<double>(span.cpu_ns());
  Answer()
      .Add("server_cpu_ns", cpu)
      .Add("server_busy", cpu / static_cast<double>(span.wall_ns()))
      .Add("bytes", static_cast<double>(clients_->bytes() - bytes_before))
      .Print();
}

// publish group= users= sessions= count= payload=: while nobody of that group is connected. The
// group's clients will resume from before the first of them.
void Phases::Publish(const Words& words) {
  Group& group = GroupOf(words);
  uint64_t count = words.Count("count", 1);
  StampedPayload payload(words.Count("payload", 256));
  Span span(cpu_);
  auto send = [&](uint64_t events, const auto& user) {
    uint64_t wanted = publisher().answered() + events;
    for (uint64_t n = 0; publisher().answered() < wanted;) {
      while (n < events && publisher().Publish(user(n), payload.Now())) ++n;
      uint64_t answered = publisher().answered();
      publisher().Turn();
      clients_->Turn(0);
      if (publisher().answered() == answered) usleep(50);
    }
  };
  send(1, [](uint64_t) { return std::string_view("nobody"); });
  group.cursor = publisher().cursor();
  send(count, [&](uint64_t n) { return std::string_view(group.users[n % group.users.size()]); });
  Answer()
      .Add("published", static_cast<double>(count))
      .Add("seconds", static_cast<double>(span.wall_ns()) / 1e9)
      .Add("server_cpu_us_each",
           static_cast<double>(span.cpu_ns()) / 1e3 / static_cast<double>(count))
      .Print();
}

}  // namespace galaxy::push::bench
