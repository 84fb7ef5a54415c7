#include "app/commands.h"
#include "app/entry_json.h"
#include "app/terminal.h"
#include "app/tls_options.h"
#include "app/tool_run.h"
#include "client/publisher.h"
#include "ops/exit_code.h"

namespace galaxy::push {
namespace {

class InvalidateCommand final : public Command {
 public:
  InvalidateCommand() {
    AddBackendClientOptions(table_, backend_, access_options_);
    table_.Text({.name = "user", .text = "Whose session.", .required = true, .command_line = true},
                user_);
    table_.Text({.name = "session",
                 .text = "The device session; without it every session of the user.",
                 .command_line = true},
                session_);
    table_.Text({.name = "reason",
                 .text = "A code that both sides log and the client is told.",
                 .command_line = true},
                reason_);
    table_.DurationMs({.name = "timeout",
                       .text = "How long to wait for the answer.",
                       .fallback = "10s",
                       .low = "1ms",
                       .high = "1h"},
                      timeout_ms_);
  }
  OptionTable& options() override { return table_; }
  std::string_view summary() const override {
    return "Revokes one device session, or every session of a user";
  }
  std::string_view details() const override {
    return "Prints {\"cursor\":…} once the backend has made the invalidation durable. Gateways "
           "close "
           "the\nsession's connections and refuse its token from then on; a later sign-in is "
           "good.\n\n"
           "    galaxy-push invalidate --user u-1 --session phone --reason lost\n"
           "    galaxy-push invalidate --user u-1 --reason password-changed\n\n"
           "Exit status: 0 done, 1 the backend did not answer, 3 it refused.\n";
  }

  int Run() override {
    auto run = ToolRun::Create();
    auto access = OpenBackendAccess(access_options_);
    if (!run || !access) {
      Complain("invalidate", (run ? access.error() : run.error()).message);
      return run ? kExitUsage : kExitFailed;
    }
    int code = kExitFailed;
    Loop& loop = (*run)->loop();
    LineOutput output(loop);
    auto call = ClientInvalidation::Start(
        loop, backend_, user_, session_, reason_, timeout_ms_,
        [&](Result<std::string> cursor) {
          if (cursor) output.Line("{\"cursor\":\"" + *cursor + "\"}");
          if (!cursor) Complain("invalidate", cursor.error().message);
          code = cursor ? kExitOk : StatusOf(cursor.error());
          loop.Stop();
        },
        access->access);
    loop.Run();
    return code;
  }

 private:
  static int StatusOf(const Error& error) {
    return Describe(error.code).http_status < 500 && error.code != Code::kCancelled ? kExitRefused
                                                                                    : kExitFailed;
  }

  OptionTable table_{"invalidate"};
  Address backend_;
  BackendAccessOptions access_options_;
  std::string user_, session_, reason_;
  uint64_t timeout_ms_ = 0;
};

}  // namespace

std::unique_ptr<Command> NewInvalidateCommand() { return std::make_unique<InvalidateCommand>(); }

}  // namespace galaxy::push
