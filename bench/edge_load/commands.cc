#include "edge_load/commands.h"

#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "edge_load/measure.h"

namespace galaxy::push::bench {

Words::Words(const std::string& line) {
  std::istringstream in(line);
  in >> verb_;
  for (std::string word; in >> word;) {
    size_t equals = word.find('=');
    if (equals == std::string::npos) Die("name=value, not " + word);
    values_[word.substr(0, equals)] = word.substr(equals + 1);
  }
}

bool Input::Next(Clients& clients, std::string& line) {
  for (;;) {
    if (size_t end = buffer_.find('\n'); end != std::string::npos) {
      line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return true;
    }
    pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                    {.fd = clients.descriptor(), .events = POLLIN}};
    poll(fds, 2, -1);
    if (fds[1].revents != 0) clients.Turn(0);
    if (fds[0].revents == 0) continue;
    char chunk[4096];
    ssize_t got = read(STDIN_FILENO, chunk, sizeof chunk);
    if (got <= 0) return false;
    buffer_.append(chunk, static_cast<size_t>(got));
  }
}

std::string Words::Text(const std::string& name, const std::string& fallback) const {
  auto found = values_.find(name);
  return found == values_.end() ? fallback : found->second;
}

double Words::Number(const std::string& name, double fallback) const {
  std::string text = Text(name);
  return text.empty() ? fallback : std::atof(text.c_str());
}

}  // namespace galaxy::push::bench
