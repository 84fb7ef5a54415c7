#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "edge_load/clients.h"

namespace galaxy::push::bench {

// The words of one command: name=value each.
class Words {
 public:
  explicit Words(const std::string& line);
  const std::string& verb() const { return verb_; }
  std::string Text(const std::string& name, const std::string& fallback = {}) const;
  double Number(const std::string& name, double fallback) const;
  uint64_t Count(const std::string& name, uint64_t fallback) const {
    return static_cast<uint64_t>(Number(name, static_cast<double>(fallback)));
  }

 private:
  std::string verb_;
  std::map<std::string, std::string> values_;
};

// Standard input, line by line.
class Input {
 public:
  // Waits for a line while the clients are served. False at the end.
  bool Next(Clients& clients, std::string& line);

 private:
  std::string buffer_;
};

}  // namespace galaxy::push::bench
