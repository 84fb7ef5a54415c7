#include "history.h"

#include <algorithm>
#include <cstdio>
#include <ostream>

namespace galaxy::push::sim {

void History::Add(std::string_view who, std::string_view what) {
  char time[32];
  std::snprintf(time, sizeof time, "%7llu.%03llu  ",
                static_cast<unsigned long long>(now_ms_ / 1000),
                static_cast<unsigned long long>(now_ms_ % 1000));
  std::string line = time;
  line += who;
  line.append(who.size() < 10 ? 10 - who.size() : 0, ' ');
  line += "  ";
  line += what;
  for (char c : line) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  ++count_;
  if (echo_) *echo_ << line << '\n';
  lines_.push_back(std::move(line));
  if (lines_.size() > lines_max_) lines_.pop_front();
}

void History::Print(std::ostream& out, size_t newest) const {
  size_t from = lines_.size() - std::min(newest, lines_.size());
  if (count_ > lines_.size() - from)
    out << "  … " << count_ - (lines_.size() - from) << " lines before\n";
  for (size_t i = from; i < lines_.size(); ++i) out << lines_[i] << '\n';
}

}  // namespace galaxy::push::sim
