#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace galaxy::push {

class IndexedSession;

// All connections of one user on this loop.
struct UserNode {
  std::string id;
  uint64_t hash = 0;
  IndexedSession* first = nullptr;
  uint32_t connections = 0;
  UserNode* same_hash = nullptr;  // another user whose id has the same 64-bit hash
};

// What the index needs of a connection; the part of ClientSession that is looked up.
class IndexedSession {
 public:
  IndexedSession() = default;
  IndexedSession(const IndexedSession&) = delete;
  IndexedSession& operator=(const IndexedSession&) = delete;

  const UserNode* user() const { return user_; }  // null: not in the index
  std::string_view session_id() const { return session_id_; }
  IndexedSession* next_of_user() const { return next_; }

  // docs/semantics.md 7.3: an event or an invalidation with a session is for that one only, without
  // it for every session of the user.
  bool IsMeantBy(std::string_view device_session_id) const {
    return device_session_id.empty() || device_session_id == session_id_;
  }

 private:
  friend class SessionIndex;
  UserNode* user_ = nullptr;
  IndexedSession* next_ = nullptr;
  IndexedSession* prev_ = nullptr;
  std::string session_id_;
};

// SessionIndex finds the connections of a user: user -> sessions -> connections.
//
//   Ownership  Of the user nodes; the sessions belong to their transports and leave before they
//              die.
//   Threads    One loop.
//   Cost       Find(): one probe by a hash that the caller has, no allocation.
class SessionIndex {
 public:
  SessionIndex() = default;
  ~SessionIndex();
  SessionIndex(const SessionIndex&) = delete;
  SessionIndex& operator=(const SessionIndex&) = delete;

  // `user_hash` is a keyed hash of `user`, the same for all calls.
  void Add(IndexedSession& session, std::string_view user, uint64_t user_hash,
           std::string_view session_id);
  void Remove(IndexedSession& session);
  // Null when nobody of that user is connected.
  const UserNode* Find(std::string_view user, uint64_t user_hash) const;

  size_t users() const { return user_count_; }

 private:
  struct HashIsKey {
    using is_avalanching = void;
    size_t operator()(uint64_t key) const { return key; }
  };
  UserNode* FindNode(std::string_view user, uint64_t user_hash) const;
  void Drop(UserNode* node);

  boost::unordered_flat_map<uint64_t, UserNode*, HashIsKey> nodes_;
  size_t user_count_ = 0;
};

}  // namespace galaxy::push
