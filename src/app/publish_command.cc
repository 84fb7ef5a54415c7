#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/commands.h"
#include "app/publish_run.h"
#include "app/tls_options.h"
#include "app/tool_run.h"
#include "base/file.h"
#include "ops/exit_code.h"

namespace galaxy::push {
namespace {

// Closes itself, unless it is standard input.
class InputFile {
 public:
  explicit InputFile(const std::string& path)
      : fd_(path.empty() || path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  }
  ~InputFile() {
    if (fd_ > STDIN_FILENO) close(fd_);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  int fd() const { return fd_; }
  // 0 when it is no regular file.
  uint64_t size() const {
    struct stat info {};
    return fstat(fd_, &info) == 0 && S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size)
                                                           : 0;
  }

 private:
  int fd_;
};

class PublishCommand final : public Command {
 public:
  PublishCommand() {
    AddBackendClientOptions(table_, run_.backend, access_options_);
    Event("user", "Publish one event for this user instead of reading lines.", user_);
    Event("session", "The one event: for this device session only.", session_);
    Event("kind", "The one event: its kind.", kind_);
    Event("payload", "The one event: a JSON object, or @FILE.", payload_, "{}");
    Event("event-id", "The one event: its id; the backend makes one when there is none.",
          event_id_);
    Event("request-id", "The one event: correlation id.", request_id_);
    Event("trace-id", "The one event: correlation id.", trace_id_);
    table_.Text({.name = "file",
                 .text = "Read lines from here; without it, or -, from standard input.",
                 .placeholder = "FILE",
                 .positional = true,
                 .command_line = true},
                file_);
    table_.Flag({.name = "quiet", .text = "No line per entry, only the summary."}, run_.quiet);
    table_.DurationMs({.name = "timeout",
                       .text = "Give up when the backend answers nothing for so long.",
                       .fallback = "10s",
                       .low = "1ms",
                       .high = "1h"},
                      run_.timeout_ms);
  }
  OptionTable& options() override { return table_; }
  std::string_view summary() const override {
    return "Publishes one event, or one per line of a file or of standard input";
  }
  std::string_view details() const override {
    return "A line is an object as POST /v1/events takes it: user_id, kind, payload (a JSON "
           "object, "
           "whose\nbytes travel verbatim), and, where wanted, device_session_id, event_id, "
           "request_id, trace_id.\nPrints one line per entry, in order: {\"cursor\":…,"
           "\"duplicate\":false} or {\"error\":{…}}; the\nsummary, and for a file a progress bar, "
           "go to standard error. When both go to a terminal, only refused\nentries have their "
           "line.\n\n"
           "    galaxy-push publish --user u-1 --kind game.turn.ready --payload '{\"turn\":7}'\n"
           "    galaxy-push publish events.ndjson > results.ndjson\n"
           "    jq -c . events.json | galaxy-push publish --backend 127.0.0.1:7400 --quiet\n\n"
           "Exit status: 0 all accepted, 1 the backend could not be reached or went away (publish "
           "again with\nthe same event_id: it is published once), 3 at least one entry was "
           "refused.\n";
  }

  int Run() override {
    if (!user_.empty() && !file_.empty()) return Wrong("give --user or a file, not both");
    if (user_.empty() && !(session_ + kind_ + event_id_ + request_id_ + trace_id_).empty())
      return Wrong("option user is required for one event: give --user");
    auto run = ToolRun::Create();
    if (!run) return Wrong(run.error().message);
    auto access = OpenBackendAccess(access_options_);
    if (!access) return Wrong(access.error().message);
    run_.access = access->access;
    return user_.empty() ? RunLines((*run)->loop()) : RunOne((*run)->loop());
  }

 private:
  void Event(const char* name, const char* text, std::string& target, const char* fallback = "") {
    table_.Text({.name = name, .text = text, .fallback = fallback, .command_line = true}, target);
  }
  static int Wrong(std::string_view message) {
    Complain("publish", message);
    return kExitUsage;
  }

  int RunOne(Loop& loop) {
    if (payload_.starts_with('@')) {
      Result<std::string> text = ReadFile(payload_.substr(1));
      if (!text) return Wrong(text.error().message);
      payload_ = std::move(*text);
    }
    EntryView event;
    event.type = EntryType::kEvent;
    event.user_id = user_;
    event.device_session_id = session_;
    event.kind = kind_;
    event.payload = payload_;
    event.event_id = event_id_;
    event.request_id = request_id_;
    event.trace_id = trace_id_;
    PublishRun run(loop, run_);
    run.PublishOne(event);
    loop.Run();
    return run.Finish();
  }

  int RunLines(Loop& loop) {
    InputFile input(file_);
    if (input.fd() < 0) return Wrong(file_ + ": " + std::strerror(errno));
    PublishRun run(loop, run_);
    run.PublishLines(input.fd(), input.size());
    loop.Run();
    return run.Finish();
  }

  OptionTable table_{"publish"};
  PublishRun::Options run_;
  BackendAccessOptions access_options_;
  std::string user_, session_, kind_, payload_, event_id_, request_id_, trace_id_, file_;
};

}  // namespace

std::unique_ptr<Command> NewPublishCommand() { return std::make_unique<PublishCommand>(); }

}  // namespace galaxy::push
