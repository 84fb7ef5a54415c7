#include "oracle.h"

#include <algorithm>

namespace galaxy::push::sim {
namespace {

constexpr uint64_t kSlackMs = 2'000;

uint64_t Less(uint64_t value, uint64_t by) { return value - std::min(value, by); }

}  // namespace

void Oracle::Violate(std::string_view rule, std::string text) {
  violations_.push_back("semantics.md " + std::string(rule) + ": " + std::move(text));
}

std::optional<Cursor> Oracle::Parse(std::string_view cursor, std::string_view whose) {
  Result<Cursor> parsed = Cursor::Parse(cursor);
  if (parsed) return *parsed;
  Violate("1.1", std::string(whose) + " has the cursor '" + std::string(cursor) + "'");
  return std::nullopt;
}

// --- publishers

size_t Oracle::Publish(uint64_t now_ms, const EventContent& content) {
  auto [at, fresh] = content_by_payload_.try_emplace(content.payload, contents_.size());
  if (fresh) {
    Key key;
    if (!content.event_id.empty())
      key = content.user + '\n' + content.session + '\n' + content.event_id;
    contents_.push_back({content, std::move(key), 0, 0});
  }
  ++contents_[at->second].publishes;
  publishes_.push_back({at->second, now_ms, newest_acked_ ? newest_acked_->sequence : 0});
  return publishes_.size() - 1;
}

void Oracle::Acked(uint64_t now_ms, size_t publish, std::string_view text, bool duplicate) {
  const PublishFact& fact = publishes_[publish];
  ++events_acked_;
  std::optional<Cursor> cursor = Parse(text, "an acknowledgement");
  if (!cursor) return;
  if (!duplicate && cursor->sequence <= fact.floor)
    Violate("1.2", "the new cursor " + std::string(text) +
                       " does not sort after one that was acknowledged before, sequence " +
                       std::to_string(fact.floor));
  CheckIdempotency(fact, *cursor, duplicate);
  if (!Learn(now_ms, *cursor, fact.content)) return;
  if (!newest_acked_ || *newest_acked_ < *cursor) newest_acked_ = cursor;
}

// 2.2, before the new placement is learnt.
void Oracle::CheckIdempotency(const PublishFact& fact, Cursor cursor, bool duplicate) {
  const ContentFact& content = contents_[fact.content];
  if (content.key.empty()) {
    if (duplicate) Violate("2.2", "an event without event_id is called a duplicate");
    return;
  }
  if (duplicate && content.publishes < 2)
    Violate("2.2", "the first publish of " + content.content.payload + " is called a duplicate");
  if (!rules_.deduplicates) return;
  auto known = placements_.find(content.key);
  if (known == placements_.end()) return;
  for (const Placement& placement : known->second) {
    bool before = placement.known_ms < fact.submitted_ms;
    bool lasts = fact.submitted_ms <
                 Less(placement.known_ms + rules_.window_ms, 4 * rules_.skew_max_ms + kSlackMs);
    if (!before || !lasts || placement.sequence == cursor.sequence) continue;
    // Without a duplicate mark another sequence is a second event; with it, not the first cursor.
    Violate("2.2", "the key of " + content.content.payload + " has sequence " +
                       std::to_string(placement.sequence) + " inside the window, and now " +
                       std::to_string(cursor.sequence) + (duplicate ? " as a duplicate" : ""));
  }
}

void Oracle::Refused(size_t publish, std::string_view code) {
  ContentFact& content = contents_[publishes_[publish].content];
  ++content.refused;
  if (code == "already_exists") {
    bool other = std::any_of(contents_.begin(), contents_.end(), [&](const ContentFact& c) {
      return c.key == content.key && &c != &content;
    });
    if (!other || content.key.empty())
      Violate("2.2", content.content.payload + " is in conflict with nothing");
  }
}

bool Oracle::Learn(uint64_t now_ms, Cursor cursor, size_t content) {
  auto [at, fresh] = log_.try_emplace(cursor.sequence, Entry{cursor, content});
  if (!fresh) {
    if (at->second.content == content && at->second.cursor == cursor) return true;
    Violate("2.1", "the cursor " + cursor.Format() + " names two things, or has two times (" +
                       at->second.cursor.Format() + ")");
    return false;
  }
  if (content == kInvalidation) return true;
  const ContentFact& fact = contents_[content];
  log_of_user_[fact.content.user].emplace(cursor.sequence, content);
  if (!fact.key.empty()) placements_[fact.key].push_back({cursor.sequence, now_ms});
  for (size_t i = 0; i < clients_.size(); ++i) {
    const ClientFact& client = clients_[i];
    if (!client.base || client.user != fact.content.user) continue;
    if (client.base->sequence < cursor.sequence && cursor.sequence <= client.position->sequence)
      CheckCovered(i, cursor.sequence - 1, cursor.sequence);
  }
  return true;
}

size_t Oracle::Invalidate(uint64_t now_ms, std::string user, std::string session) {
  invalidations_.push_back(
      {.user = std::move(user), .session = std::move(session), .submitted_ms = now_ms});
  return invalidations_.size() - 1;
}

void Oracle::InvalidationAcked(uint64_t now_ms, size_t invalidation, std::string_view text) {
  InvalidationFact& fact = invalidations_[invalidation];
  fact.outcome = Outcome::kAcked;
  fact.acked_ms = now_ms;
  fact.cursor = Parse(text, "an invalidation's acknowledgement");
  if (!fact.cursor || !Learn(now_ms, *fact.cursor, kInvalidation)) return;
  if (!newest_acked_ || *newest_acked_ < *fact.cursor) newest_acked_ = fact.cursor;
}

void Oracle::InvalidationRefused(size_t invalidation) {
  invalidations_[invalidation].outcome = Outcome::kRefused;
}

void Oracle::LogLost() {
  placements_.clear();
  newest_acked_.reset();
  for (InvalidationFact& invalidation : invalidations_) invalidation.forgotten = true;
}

// --- clients

size_t Oracle::AddClient(uint64_t now_ms, std::string user, std::string session) {
  client_of_session_[user + '\n' + session] = clients_.size();
  clients_.push_back({.user = std::move(user), .session = std::move(session), .began_ms = now_ms});
  return clients_.size() - 1;
}

void Oracle::TokenUntil(size_t client, uint64_t expires_ms) {
  clients_[client].token_until_ms = expires_ms;
}

void Oracle::Welcome(size_t client, std::string_view resume, std::string_view head) {
  ClientFact& fact = clients_[client];
  if (resume == "gap") return;  // the library says it as a gap next
  if (resume == "resumed") {
    if (!fact.position) Violate("7.4", Name(fact) + " had no cursor and is resumed");
    return;
  }
  if (fact.position) Violate("7.4", Name(fact) + " had a cursor and is started afresh");
  fact.base = fact.position = Parse(head, "a welcome");
}

void Oracle::Gap(size_t client, std::string_view reason, std::string_view head) {
  ClientFact& fact = clients_[client];
  ++gaps_seen_;
  if (rules_.gapless && reason != "future")
    Violate("7.4", Name(fact) + " was told of a gap (" + std::string(reason) +
                       ") where nothing can be missing");
  fact.base = fact.position = Parse(head, "a gap");
  fact.received.clear();
  fact.event_ids.clear();
}

void Oracle::Position(size_t client, std::string_view text) {
  ClientFact& fact = clients_[client];
  std::optional<Cursor> cursor = Parse(text, "a position");
  if (!cursor) return;
  if (!fact.position || !fact.base) {
    Violate("7.4", Name(fact) + " has a position before a start");
    return;
  }
  if (*cursor < *fact.position)
    Violate("7.1",
            Name(fact) + " fell back from " + fact.position->Format() + " to " + cursor->Format());
  uint64_t before = fact.position->sequence;
  fact.position = cursor;
  CheckCovered(client, before, cursor->sequence);
}

void Oracle::CheckCovered(size_t client, uint64_t after, uint64_t up_to) {
  const ClientFact& fact = clients_[client];
  auto log = log_of_user_.find(fact.user);
  if (log == log_of_user_.end()) return;
  uint64_t from = std::max(after, fact.base->sequence);
  for (auto at = log->second.upper_bound(from); at != log->second.end() && at->first <= up_to;
       ++at) {
    const ContentFact& content = contents_[at->second];
    if (!Means(content, fact) || fact.received.contains(at->first)) continue;
    // The client's own filter drops what was published again under the same id.
    if (fact.event_ids.contains(content.content.event_id)) continue;
    Violate("7.4", "a silent gap: " + Name(fact) + " is at " + fact.position->Format() +
                       " and never got " + log_.at(at->first).cursor.Format() + " " +
                       content.content.payload);
  }
}

bool Oracle::Means(const ContentFact& content, const ClientFact& client) const {
  return content.content.user == client.user &&
         (content.content.session.empty() || content.content.session == client.session);
}

void Oracle::Event(uint64_t now_ms, size_t client, std::string_view text,
                   const EventContent& content) {
  ClientFact& fact = clients_[client];
  ++events_seen_;
  std::optional<Cursor> cursor = Parse(text, "an event");
  if (!cursor) return;
  CheckNotRevoked(fact, *cursor);
  auto known = content_by_payload_.find(content.payload);
  if (known == content_by_payload_.end())
    return Violate("7.1", Name(fact) + " got what nobody published: " + content.payload);
  const ContentFact& published = contents_[known->second];
  if (published.content.user != content.user || published.content.session != content.session ||
      published.content.kind != content.kind ||
      (!published.content.event_id.empty() && published.content.event_id != content.event_id))
    Violate("7.1", Name(fact) + " got " + content.payload + " altered");
  if (!Means(published, fact))
    Violate("7.3", Name(fact) + " got " + content.payload + ", which is for " +
                       published.content.user + "/" + published.content.session);
  if (published.refused == published.publishes)
    Violate("2.3", Name(fact) + " got " + content.payload + ", which was refused");
  if (!fact.base) return Violate("7.4", Name(fact) + " got an event before a start");
  if (cursor->sequence <= fact.position->sequence)
    Violate("7.1", Name(fact) + " is at " + fact.position->Format() + " and got " +
                       cursor->Format() + " again or too late");
  fact.received.emplace(cursor->sequence, known->second);
  if (!content.event_id.empty()) fact.event_ids.insert(content.event_id);
  Learn(now_ms, *cursor, known->second);
}

// --- revocation

// 8.5 goes by seconds of clocks that may be off; only what every clock agrees on is demanded.
bool Oracle::SurelyMeans(const InvalidationFact& invalidation, const ClientFact& client) const {
  if (invalidation.outcome != Outcome::kAcked || !invalidation.cursor || invalidation.forgotten)
    return false;
  if (invalidation.user != client.user) return false;
  if (!invalidation.session.empty()) return invalidation.session == client.session;
  uint64_t earliest =
      std::min(invalidation.cursor->time_ms, Less(invalidation.submitted_ms, rules_.skew_max_ms));
  return client.began_ms / 1000 <= Less(earliest, 1'000) / 1000;
}

bool Oracle::SurelyRevoked(size_t client) const {
  return std::any_of(invalidations_.begin(), invalidations_.end(), [&](const auto& invalidation) {
    return SurelyMeans(invalidation, clients_[client]);
  });
}

bool Oracle::PerhapsRevoked(size_t client) const {
  const ClientFact& fact = clients_[client];
  for (const InvalidationFact& invalidation : invalidations_) {
    if (invalidation.outcome == Outcome::kRefused || invalidation.user != fact.user) continue;
    if (!invalidation.session.empty()) {
      if (invalidation.session == fact.session) return true;
      continue;
    }
    uint64_t latest = invalidation.cursor ? invalidation.cursor->time_ms : ~uint64_t{0};
    // A gateway whose clock is behind takes the sign-in for earlier than it was (10.2).
    if (Less(fact.began_ms, 2 * rules_.skew_max_ms + kSlackMs) <= latest) return true;
  }
  return false;
}

void Oracle::CheckNotRevoked(const ClientFact& client, Cursor event) {
  for (const InvalidationFact& invalidation : invalidations_) {
    if (!SurelyMeans(invalidation, client) || event < *invalidation.cursor) continue;
    Violate("8.2", Name(client) + " got " + event.Format() + " beyond its invalidation " +
                       invalidation.cursor->Format());
  }
}

void Oracle::Applied(size_t gateway, std::string_view text) {
  if (auto cursor = Parse(text, "an applied invalidation"))
    applied_.emplace(std::pair(gateway, cursor->sequence), NextOrder());
}

bool Oracle::AppliedBefore(size_t gateway, const InvalidationFact& invalidation,
                           uint64_t order) const {
  auto at = applied_.find({gateway, invalidation.cursor->sequence});
  return at != applied_.end() && at->second < order;
}

// 4.1. A clock that stepped back while a commit was lost may show it (backend/subscriptions.h).
void Oracle::Generation(const std::string& gateway_client_id, uint64_t generation) {
  uint64_t& newest = generations_[gateway_client_id];
  if (generation < newest && rules_.skew_max_ms == 0)
    Violate("4.1", "the generation of " + gateway_client_id + " falls from " +
                       std::to_string(newest) + " to " + std::to_string(generation));
  newest = generation;
}

void Oracle::Excuse(size_t gateway, uint64_t ms) { excused_ms_[gateway] += ms; }

// --- sockets

void Oracle::WireWelcome(uint64_t now_ms, size_t gateway, uint64_t connection, std::string user,
                         std::string session, std::string_view resume, std::string_view presented,
                         std::string_view head_text) {
  auto client = client_of_session_.find(user + '\n' + session);
  if (client == client_of_session_.end())
    return Violate("10.2", "a welcome for " + user + "/" + session + ", who never signed in");
  const ClientFact& fact = clients_[client->second];
  std::optional<Cursor> head = Parse(head_text, "a welcome");
  std::optional<Cursor> from = resume == "resumed" ? Parse(presented, "a client") : head;
  // 9.2
  if (head && rules_.stale_max_ms != 0 &&
      now_ms > head->time_ms + rules_.stale_max_ms + 2 * rules_.skew_max_ms)
    Violate("9.2", "gateway " + std::to_string(gateway) + " lets " + Name(fact) +
                       " in and has heard nothing newer than " + head->Format());
  wires_[connection] = {gateway, client->second, from ? from->sequence : 0};
  for (const InvalidationFact& invalidation : invalidations_) {
    if (!SurelyMeans(invalidation, fact)) continue;
    if (AppliedBefore(gateway, invalidation, ~uint64_t{0}))
      Violate("8.3", Name(fact) + " was admitted at gateway " + std::to_string(gateway) +
                         " after it had applied " + invalidation.cursor->Format());
  }
}

void Oracle::WireEvent(uint64_t now_ms, uint64_t connection, uint64_t begun, std::string_view text,
                       std::string_view user, std::string_view session) {
  auto at = wires_.find(connection);
  if (at == wires_.end()) return Violate("7.4", "an event comes before the welcome");
  std::optional<Cursor> cursor = Parse(text, "an event");
  if (!cursor) return;
  const ClientFact& fact = clients_[at->second.client];
  if (user != fact.user || (!session.empty() && session != fact.session))
    Violate("7.3", "an event for " + std::string(user) + "/" + std::string(session) +
                       " on the connection of " + Name(fact));
  for (const InvalidationFact& invalidation : invalidations_) {
    if (!SurelyMeans(invalidation, fact)) continue;
    if (AppliedBefore(at->second.gateway, invalidation, begun))
      Violate("8.2", "an event was begun on a socket of " + Name(fact) + " after gateway " +
                         std::to_string(at->second.gateway) + " had applied " +
                         invalidation.cursor->Format());
  }
  if (cursor->sequence <= at->second.last)
    Violate("7.1", "on the connection of " + Name(fact) + " the event " + cursor->Format() +
                       " comes after sequence " + std::to_string(at->second.last));
  WirePosition(now_ms, connection, text, false);
}

void Oracle::WireHeartbeat(uint64_t now_ms, uint64_t connection, std::string_view text) {
  auto at = wires_.find(connection);
  std::optional<Cursor> cursor = Parse(text, "a position");
  if (at != wires_.end() && cursor && rules_.stale_max_ms != 0 &&
      now_ms > cursor->time_ms + rules_.stale_max_ms + rules_.stale_spread_ms +
                   2 * rules_.skew_max_ms + excused_ms_[at->second.gateway])
    Violate("9.2", "gateway " + std::to_string(at->second.gateway) + " still serves " +
                       Name(clients_[at->second.client]) + " and has heard nothing newer than " +
                       cursor->Format());
  WirePosition(now_ms, connection, text, false);
}

void Oracle::WirePosition(uint64_t now_ms, uint64_t connection, std::string_view text, bool gap) {
  auto at = wires_.find(connection);
  if (at == wires_.end()) return;
  std::optional<Cursor> cursor = Parse(text, "a frame");
  if (!cursor) return;
  Wire& wire = at->second;
  const ClientFact& fact = clients_[wire.client];
  if (!gap && cursor->sequence < wire.last)
    Violate("7.1", "on the connection of " + Name(fact) + " " + cursor->Format() +
                       " comes after sequence " + std::to_string(wire.last));
  wire.last = cursor->sequence;
  uint64_t token_until_ms =
      fact.token_until_ms + rules_.leeway_ms + rules_.skew_max_ms + excused_ms_[wire.gateway];
  if (fact.token_until_ms != 0 && now_ms > token_until_ms + 2 * kSlackMs)
    Violate("8.8", Name(fact) + " is served beyond the end of its token");
  // 9.5
  for (const InvalidationFact& invalidation : invalidations_) {
    if (!SurelyMeans(invalidation, fact)) continue;
    uint64_t until = invalidation.acked_ms + rules_.revoked_max_ms + excused_ms_[wire.gateway];
    if (now_ms > until)
      Violate("9.5", Name(fact) + " is still served " +
                         std::to_string(now_ms - invalidation.acked_ms) +
                         " ms after its invalidation was acknowledged");
  }
}

}  // namespace galaxy::push::sim
