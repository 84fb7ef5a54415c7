#include "gateway/session_index.h"

#include "base/check.h"

namespace galaxy::push {

SessionIndex::~SessionIndex() { CHECK(user_count_ == 0); }

UserNode* SessionIndex::FindNode(std::string_view user, uint64_t user_hash) const {
  auto at = nodes_.find(user_hash);
  if (at == nodes_.end()) return nullptr;
  UserNode* node = at->second;
  while (node != nullptr && node->id != user) node = node->same_hash;
  return node;
}

const UserNode* SessionIndex::Find(std::string_view user, uint64_t user_hash) const {
  return FindNode(user, user_hash);
}

void SessionIndex::Add(IndexedSession& session, std::string_view user, uint64_t user_hash,
                       std::string_view session_id) {
  CHECK(session.user_ == nullptr);
  UserNode* node = FindNode(user, user_hash);
  if (node == nullptr) {
    UserNode*& head = nodes_[user_hash];
    head = new UserNode{std::string(user), user_hash, nullptr, 0, head};
    node = head;
    ++user_count_;
  }
  session.session_id_.assign(session_id);
  session.user_ = node;
  session.prev_ = nullptr;
  session.next_ = node->first;
  if (node->first != nullptr) node->first->prev_ = &session;
  node->first = &session;
  ++node->connections;
}

void SessionIndex::Remove(IndexedSession& session) {
  UserNode* node = session.user_;
  if (node == nullptr) return;
  (session.prev_ != nullptr ? session.prev_->next_ : node->first) = session.next_;
  if (session.next_ != nullptr) session.next_->prev_ = session.prev_;
  session.user_ = nullptr;
  session.next_ = session.prev_ = nullptr;
  --node->connections;
  if (node->first == nullptr) Drop(node);
}

void SessionIndex::Drop(UserNode* node) {
  auto at = nodes_.find(node->hash);
  UserNode** link = &at->second;
  while (*link != node) link = &(*link)->same_hash;
  *link = node->same_hash;
  if (at->second == nullptr) nodes_.erase(at);
  delete node;
  --user_count_;
}

}  // namespace galaxy::push
