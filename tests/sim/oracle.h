#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "event/cursor.h"

namespace galaxy::push::sim {

// What the options of a world let its oracle demand.
struct OracleRules {
  bool gapless = false;          // rings and windows are too large for any gap but `future`
  bool deduplicates = true;      // the idempotency index never overflows (2.2)
  uint64_t window_ms = 0;        // 2.2: how long a key is remembered
  uint64_t skew_max_ms = 0;      // no wall clock is further from true time
  uint64_t revoked_max_ms = 0;   // 9.5: no revoked session gets a frame later than that
  uint64_t stale_max_ms = 0;     // 9.1: an older newest entry makes a gateway STALE; 0: not checked
  uint64_t stale_spread_ms = 0;  // 9.2: then nobody is connected to it
  uint64_t leeway_ms = 0;        // 10.2
};

// The content of one event, as it was given to publish. Payloads are unique in a world.
struct EventContent {
  std::string user, session, event_id, kind, payload;
};

// Oracle holds the promises of docs/semantics.md against what publishers were told and what clients
// saw. It knows nothing of the insides: facts go in, violations come out.
//
// The model is one log: sequence number -> content, learnt from acknowledgements and from what
// clients receive. A client's view claims: "I have every event for me after `base` up to my
// position"; `base` is the head of its last fresh start or gap. Whatever is learnt later of an
// entry in between must have been received: that is how a silent gap is found, whenever the
// acknowledgement comes.
//
//   Time   True (virtual) milliseconds, passed in.
//   Ids    Publishes, invalidations and clients are numbered from 0 as they are added.
class Oracle {
 public:
  explicit Oracle(const OracleRules& rules) : rules_(rules) {}

  // --- publishers
  // Until an answer comes, and for ever if none does, it may be in the log or come to be, or not.
  size_t Publish(uint64_t now_ms, const EventContent& content);
  void Acked(uint64_t now_ms, size_t publish, std::string_view cursor, bool duplicate);
  // Refused for sure: nothing was published.
  void Refused(size_t publish, std::string_view code);
  size_t Invalidate(uint64_t now_ms, std::string user, std::string session);
  void InvalidationAcked(uint64_t now_ms, size_t invalidation, std::string_view cursor);
  void InvalidationRefused(size_t invalidation);
  // The backend began a new log: what was acknowledged lived as long as its process (memory
  // engine).
  void LogLost();

  // --- clients, as the client library tells it
  // A sign-in: a session of its own that began at `now_ms`.
  size_t AddClient(uint64_t now_ms, std::string user, std::string session);
  // The newest token that it has shown or may yet show is good until then.
  void TokenUntil(size_t client, uint64_t expires_ms);
  void Welcome(size_t client, std::string_view resume, std::string_view head);
  void Event(uint64_t now_ms, size_t client, std::string_view cursor, const EventContent& content);
  void Position(size_t client, std::string_view cursor);
  void Gap(size_t client, std::string_view reason, std::string_view head);

  // --- gateways, as their log line and their sockets tell it
  // What happened first, among what happens at the same time.
  uint64_t NextOrder() { return ++order_; }
  // The gateway said that it applied the invalidation with this cursor.
  void Applied(size_t gateway, std::string_view cursor);
  // A frame was begun on a socket of this gateway, `connection` counting its connections.
  // `presented`: the cursor that the client sent on this very connection.
  void WireWelcome(uint64_t now_ms, size_t gateway, uint64_t connection, std::string user,
                   std::string session, std::string_view resume, std::string_view presented,
                   std::string_view head);
  // `begun`: NextOrder() when its first byte was written.
  void WireEvent(uint64_t now_ms, uint64_t connection, uint64_t begun, std::string_view cursor,
                 std::string_view user, std::string_view session);
  // A position frame: what the gateway has got to.
  void WireHeartbeat(uint64_t now_ms, uint64_t connection, std::string_view cursor);
  void WirePosition(uint64_t now_ms, uint64_t connection, std::string_view cursor, bool gap);
  // Time in which that gateway did not run, or nobody could reach it: 9.5 does not count it.
  void Excuse(size_t gateway, uint64_t ms);
  // The backend lists this subscription.
  void Generation(const std::string& gateway_client_id, uint64_t generation);

  void Violate(std::string_view rule, std::string text);

  // --- asked by the world
  const std::vector<std::string>& violations() const { return violations_; }
  // Of the newest event acknowledged in this log; nothing when there is none.
  std::optional<Cursor> newest_acked() const { return newest_acked_; }
  std::optional<Cursor> PositionOf(size_t client) const { return clients_[client].position; }
  // By the acknowledged invalidations, clocks considered (8.5): certainly, or at least perhaps.
  bool SurelyRevoked(size_t client) const;
  bool PerhapsRevoked(size_t client) const;
  size_t events_seen() const { return events_seen_; }
  size_t events_acked() const { return events_acked_; }
  size_t gaps_seen() const { return gaps_seen_; }

 private:
  enum class Outcome : uint8_t { kOpen, kAcked, kRefused };
  using Key = std::string;  // user, session, event_id
  struct PublishFact {
    size_t content;
    uint64_t submitted_ms;
    uint64_t floor;  // the newest sequence acknowledged before it was submitted
  };
  struct ContentFact {
    EventContent content;
    Key key;
    size_t publishes = 0, refused = 0;
  };
  struct Placement {
    uint64_t sequence;
    uint64_t known_ms;
  };
  struct Entry {
    Cursor cursor;
    size_t content;  // kInvalidation for an invalidation
  };
  struct InvalidationFact {
    std::string user, session;
    uint64_t submitted_ms;
    uint64_t acked_ms = 0;
    Outcome outcome = Outcome::kOpen;
    std::optional<Cursor> cursor;
    bool forgotten = false;
  };
  struct ClientFact {
    std::string user, session;
    uint64_t began_ms;
    std::optional<Cursor> base, position;
    uint64_t token_until_ms = 0;
    std::map<uint64_t, size_t> received;  // sequence -> content, since base
    std::set<std::string> event_ids;
  };
  struct Wire {
    size_t gateway;
    size_t client;
    uint64_t last = 0;
  };
  static constexpr size_t kInvalidation = ~size_t{0};

  std::optional<Cursor> Parse(std::string_view cursor, std::string_view whose);
  // An entry of the log became known. False: it contradicts what was known.
  bool Learn(uint64_t now_ms, Cursor cursor, size_t content);
  void CheckIdempotency(const PublishFact& fact, Cursor cursor, bool duplicate);
  void CheckCovered(size_t client, uint64_t after, uint64_t up_to);
  bool Means(const ContentFact& content, const ClientFact& client) const;
  bool SurelyMeans(const InvalidationFact& invalidation, const ClientFact& client) const;
  void CheckNotRevoked(const ClientFact& client, Cursor event);
  std::string Name(const ClientFact& client) const { return client.user + "/" + client.session; }

  const OracleRules rules_;
  std::vector<PublishFact> publishes_;
  std::vector<ContentFact> contents_;
  std::map<std::string, size_t> content_by_payload_;
  std::map<Key, std::vector<Placement>> placements_;
  std::map<uint64_t, Entry> log_;
  std::map<std::string, std::map<uint64_t, size_t>> log_of_user_;
  std::vector<InvalidationFact> invalidations_;
  std::vector<ClientFact> clients_;
  std::map<std::string, size_t> client_of_session_;
  bool AppliedBefore(size_t gateway, const InvalidationFact& invalidation, uint64_t order) const;

  uint64_t order_ = 0;
  std::map<std::pair<size_t, uint64_t>, uint64_t> applied_;  // gateway, sequence -> order
  std::map<uint64_t, Wire> wires_;
  std::map<size_t, uint64_t> excused_ms_;
  std::map<std::string, uint64_t> generations_;
  std::optional<Cursor> newest_acked_;
  size_t events_seen_ = 0, events_acked_ = 0, gaps_seen_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace galaxy::push::sim
