#include <unistd.h>

#include <array>

#include "app/commands.h"
#include "app/entry_json.h"
#include "app/terminal.h"
#include "app/tls_options.h"
#include "app/tool_run.h"
#include "base/ids.h"
#include "client/entry_subscriber.h"
#include "ops/exit_code.h"

namespace galaxy::push {
namespace {

// Unique on this network as far as a host name and a process id are: it displaces nobody (5.1).
std::string DefaultId() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return "tail-" + std::string(host.data()) + "-" + std::to_string(getpid());
}

class TailRun final : public EntrySubscriberHandler {
 public:
  TailRun(Loop& loop, uint64_t count, bool canaries)
      : loop_(loop), output_(loop), left_(count), counted_(count != 0), canaries_(canaries) {}

  int exit_code() const { return code_; }

 private:
  void OnStart(const SubscriptionStart& start) override {
    if (start.resume.empty())
      return Complain("tail", "subscribed to a backend that is not ours (no push-resume)");
    Complain("tail", "subscribed: " + start.resume +
                         (start.reason.empty() ? "" : " (" + start.reason + ")") + " after " +
                         start.start_cursor + ", head " + start.head_cursor + ", invalidations " +
                         start.invalidations);
  }
  bool OnEntry(const EntryView& entry) override {
    if (!canaries_ && entry.user_id == kCanaryUser) return true;
    output_.Line(EntryLine(entry));
    if (!counted_ || --left_ > 0) return true;
    loop_.Stop();
    return false;
  }
  void OnBroken(const Error& error, uint64_t wait_ms) override {
    Complain("tail", error.message + "; again in " + std::to_string(wait_ms) + " ms");
  }
  void OnEnded(const Error& error) override {
    Complain("tail", error.message);
    code_ = kExitRefused;
    loop_.Stop();
  }

  Loop& loop_;
  LineOutput output_;
  uint64_t left_;
  bool counted_;
  bool canaries_;
  int code_ = kExitOk;
};

class TailCommand final : public Command {
 public:
  TailCommand() {
    AddBackendClientOptions(table_, backends_, access_options_);
    table_.Text({.name = "id",
                 .text = "The gateway_client_id; by default tail-<host>-<pid>, which displaces no "
                         "gateway.",
                 .command_line = true},
                id_);
    table_.DurationMs({.name = "since",
                       .text = "Begin with the entries of this long ago, as far as the freshness "
                               "window reaches.",
                       .high = "30d",
                       .command_line = true},
                      since_ms_);
    table_.Text({.name = "cursor",
                 .text = "Begin after this entry.",
                 .placeholder = "CURSOR",
                 .command_line = true},
                cursor_);
    table_.Count({.name = "count",
                  .text = "End after so many entries; 0: never.",
                  .fallback = "0",
                  .command_line = true},
                 count_);
    table_.Flag({.name = "invalidations",
                 .text = "Begin with all retained invalidations.",
                 .command_line = true},
                invalidations_);
    table_.Text({.name = "partitions",
                 .text = "The events of these partitions only, as in 0-63,128, and every "
                         "invalidation.",
                 .fallback = "0-255",
                 .placeholder = "LIST",
                 .command_line = true},
                partitions_);
    table_.Flag({.name = "canaries",
                 .text = "Also show the backend's canary events.",
                 .command_line = true},
                canaries_);
  }
  OptionTable& options() override { return table_; }
  std::string_view summary() const override {
    return "Prints the entries of a backend's log, as a gateway sees them";
  }
  std::string_view details() const override {
    return "One line of JSON per entry, in log order, with its cursor; the payload's exact bytes "
           "are "
           "the\nstring `payload`. Resumes by itself when the stream breaks; what happens is said "
           "on standard\nerror.\n\n"
           "    galaxy-push tail\n"
           "    galaxy-push tail --since 5m --count 100\n"
           "    galaxy-push tail --backend 127.0.0.1:7400 --cursor "
           "019aad2b1d800007-019aad2b1d80\n\n"
           "Exit status: 0 ended by --count or a signal, 3 the backend refused or a subscription "
           "with the\nsame id replaced this one.\n";
  }

  int Run() override {
    if (since_ms_ != 0 && !cursor_.empty()) {
      Complain("tail", "give --since or --cursor, not both");
      return kExitUsage;
    }
    Result<PartitionSet> partitions = PartitionSet::Parse(partitions_, "--partitions");
    if (!partitions) {
      Complain("tail", partitions.error().message);
      return kExitUsage;
    }
    auto run = ToolRun::Create();
    auto access = OpenBackendAccess(access_options_);
    if (!run || !access) {
      Complain("tail", (run ? access.error() : run.error()).message);
      return run ? kExitUsage : kExitFailed;
    }
    Loop& loop = (*run)->loop();
    TailRun tail(loop, count_, canaries_);
    SubscriberOptions options;
    options.id = id_.empty() ? DefaultId() : id_;
    options.cursor = cursor_;
    if (since_ms_ != 0) options.since_ms = loop.clock().WallMs() - since_ms_;
    options.all_invalidations = invalidations_;
    options.partitions = *partitions;
    options.access = access->access;
    auto subscriber = EntrySubscriber::Start(loop, backends_, std::move(options), tail);
    loop.Run();
    return tail.exit_code();
  }

 private:
  OptionTable table_{"tail"};
  std::vector<Address> backends_;
  BackendAccessOptions access_options_;
  std::string id_, cursor_, partitions_;
  uint64_t since_ms_ = 0;
  uint64_t count_ = 0;
  bool invalidations_ = false;
  bool canaries_ = false;
};

}  // namespace

std::unique_ptr<Command> NewTailCommand() { return std::make_unique<TailCommand>(); }

}  // namespace galaxy::push
