#include "app/demo_traffic.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "app/demo_page.h"
#include "base/random.h"

namespace galaxy::push {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 12> kSystems = {
    "Kepler-22", "Vega",   "Tau Ceti",  "Procyon",         "Gliese 581", "Arcturus",
    "Deneb",     "Altair", "Fomalhaut", "Epsilon Eridani", "Ζ Reticuli", "Wolf 359"};
constexpr std::array<std::string_view, 10> kFleets = {
    "Aurora",  "Long Night", "Iron Tide",  "Second Dawn", "Sjöfartare",
    "Kestrel", "Vanguard",   "Perihelion", "Quiet Storm", "Old Guard"};
constexpr std::array<std::string_view, 6> kOpponents = {"The Hegemony",     "Syndicate of Lyra",
                                                        "The Hollow Court", "Free Miners",
                                                        "House Tarn",       "Dominion of Nine"};
struct Line {
  std::string_view from;
  std::string_view text;
};
constexpr std::array<Line, 12> kChat = {{
    {"Ada", "Well met, commander."},
    {"Brandt", "Holding Vega for two more turns, then I need you there."},
    {"Юки", "Мой флот у Tau Ceti, жду сигнала."},
    {"Ada", "Did you just scout my border? 😄"},
    {"Ngozi", "Trade you the Gliese mines for passage through Deneb."},
    {"Brandt", "They jumped. Whole fleet. I did not see that coming."},
    {"Ines", "Orders are in. Sleep well."},
    {"Ngozi", "gg, that battle report was something else"},
    {"Юки", "Next turn, same plan?"},
    {"Ines", "Careful: \"The Hollow Court\" never keeps a treaty."},
    {"Ada", "Peace until turn 60?"},
    {"Brandt", "Reinforcements: 14 frigates, 2 carriers, 1 very old cruiser."},
}};

DemoEvent Make(std::string kind, const Json& payload, std::string session = {}) {
  return {std::move(session), std::move(kind), payload.dump()};
}

}  // namespace

DemoGame::DemoGame(uint64_t pause_ms, Random random)
    : pause_ms_(pause_ms), random_(std::move(random)), turn_(7 + random_() % 30) {}

uint64_t DemoGame::PauseMs() { return pause_ms_ / 2 + random_() % (pause_ms_ + 1); }

DemoEvent DemoGame::Next() {
  uint64_t dice = random_() % 10;
  if (dice < 2) return Turn();
  if (dice < 5) return Fleet();
  if (dice < 7) return Battle();
  return Chat();
}

DemoEvent DemoGame::Turn() {
  return Make("game.turn.ready", {{"turn", turn_++}, {"deadline_s", 900 * (1 + random_() % 48)}});
}

DemoEvent DemoGame::Fleet() {
  return Make("game.fleet.arrived", {{"fleet", kFleets[random_() % kFleets.size()]},
                                     {"system", kSystems[random_() % kSystems.size()]},
                                     {"ships", 1 + random_() % 60}});
}

DemoEvent DemoGame::Battle() {
  constexpr std::array<std::string_view, 3> kWinners = {"you", "they", "nobody"};
  return Make("game.battle.report", {{"system", kSystems[random_() % kSystems.size()]},
                                     {"opponent", kOpponents[random_() % kOpponents.size()]},
                                     {"winner", kWinners[random_() % kWinners.size()]},
                                     {"losses", random_() % 24}});
}

// Now and then a word for one device only: the other one must not show it.
DemoEvent DemoGame::Chat() {
  const Line& line = kChat[random_() % kChat.size()];
  uint64_t to = random_() % 5;
  std::string session(to < std::size(kDemoDevices) ? kDemoDevices[to].session : "");
  return Make("game.chat.message", {{"from", line.from}, {"text", line.text}}, std::move(session));
}

DemoTraffic::DemoTraffic(Loop& loop, const Address& backend, BackendAccess access,
                         uint64_t pause_ms, Logger& logger)
    : loop_(loop),
      backend_(backend),
      access_(std::move(access)),
      logger_(logger),
      game_(pause_ms, RandomU64) {}

void DemoTraffic::Start() {
  publisher_ = EventPublisher::Start(loop_, backend_, {.access = access_}, *this);
  timer_ = loop_.RunAfter(game_.PauseMs(), [this] { PublishNext(); });
}

void DemoTraffic::Stop() {
  timer_.Cancel();
  publisher_.reset();
}

void DemoTraffic::PublishNext() {
  DemoEvent made = game_.Next();
  EntryView event;
  event.type = EntryType::kEvent;
  event.user_id = kDemoUser;
  event.device_session_id = made.session;
  event.kind = made.kind;
  event.payload = made.payload;
  publisher_->Publish(event);
  timer_ = loop_.RunAfter(game_.PauseMs(), [this] { PublishNext(); });
}

void DemoTraffic::OnOutcome(const PublishOutcome& outcome) {
  if (outcome.refusal)
    logger_.Warn("Sample event refused.", {{"reason", outcome.refusal->message}});
}

void DemoTraffic::OnEnd(const Status& status) {
  logger_.Warn("Sample traffic was cut off, it starts again.",
               {{"reason", status ? std::string("the stream ended") : status.error().message}});
  timer_ = loop_.RunAfter(1'000, [this] { Start(); });
}

}  // namespace galaxy::push
