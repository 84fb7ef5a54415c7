#include "app/commands.h"
#include "app/entry_json.h"
#include "app/terminal.h"
#include "app/tool_run.h"
#include "base/file.h"
#include "client/event_listener.h"
#include "net/tls_files.h"
#include "ops/exit_code.h"

namespace galaxy::push {
namespace {

std::string Trimmed(std::string text) {
  size_t end = text.find_last_not_of(" \t\r\n");
  return text.substr(0, end == std::string::npos ? 0 : end + 1);
}

TransportKind TransportNamed(std::string_view name) {
  if (name == "ws-pb") return TransportKind::kWebSocketProto;
  if (name == "sse") return TransportKind::kSse;
  if (name == "sse-h2") return TransportKind::kSseHttp2;
  return name == "grpc" ? TransportKind::kGrpc : TransportKind::kWebSocket;
}

// Prints what a listener receives, and keeps the cursor in a file.
class ListenRun final : public EventListenerHandler {
 public:
  ListenRun(Loop& loop, uint64_t count, std::string state_file)
      : loop_(loop),
        output_(loop),
        left_(count),
        counted_(count != 0),
        state_file_(std::move(state_file)) {}

  int Finish() {
    SaveCursor();
    if (output_.failed()) return kExitFailed;
    return code_ == kExitOk && unverified_ > 0 ? kExitUnverified : code_;
  }

 private:
  void OnEvent(const SignedEvent& event) override {
    if (full()) return;
    output_.Line(EventLine(event));
    if (counted_ && --left_ == 0) loop_.Stop();
  }
  void OnUnverified(const SignedEvent& event, const VerifyResult& result) override {
    ++unverified_;
    Complain("listen", "NOT VERIFIED, dropped: cursor " + event.cursor + " " +
                           std::string(VerifyOutcomeName(result.outcome)) + ": " + result.reason);
  }
  void OnGap(std::string_view reason, std::string_view head, uint64_t) override {
    Complain("listen", "gap (" + std::string(reason) + "): events may be missing before " +
                           std::string(head));
  }
  void OnWelcome(const ReceivedFrame::Welcome& welcome) override {
    Complain("listen", "connected as user " + welcome.user + ", session " + welcome.session + ", " +
                           welcome.resume);
  }
  void OnCaughtUp() override { Complain("listen", "caught up"); }
  void OnClockSkew(int64_t offset_ms) override {
    Complain("listen", "clock_skew: this clock is " + std::to_string(offset_ms) +
                           " ms ahead of the gateway's");
  }
  // With --count the file names the last event that was printed, so that the next run goes on
  // there.
  void OnCursor(std::string_view cursor) override {
    if (cursor_full_) return;
    cursor_ = cursor;
    cursor_full_ = full();
    if (!state_file_.empty() && !save_.running())
      save_ = loop_.RunAfter(100, [this] { SaveCursor(); });
  }
  void OnState(std::string_view state, std::string_view detail) override {
    Complain("listen", std::string(state) + ": " + std::string(detail));
  }
  void OnEnded(const ListenerEnd& end) override {
    Complain("listen", "ended with code " + std::to_string(end.code) + ", verdict " +
                           std::string(VerdictName(end.verdict)) + ": " + end.reason);
    code_ = end.verdict == Verdict::kNever            ? kExitRevoked
            : end.verdict == Verdict::kReauthenticate ? kExitRefused
                                                      : kExitFailed;
    loop_.Stop();
  }

  bool full() const { return counted_ && left_ == 0; }
  // What the file names was printed before: after a crash a line may come twice, none is missing.
  void SaveCursor() {
    output_.Flush();
    if (state_file_.empty() || cursor_.empty() || output_.failed()) return;
    if (Status ok = WriteFileAtomic(state_file_, cursor_ + "\n", 0644); !ok)
      Complain("listen", ok.error().message);
  }

  Loop& loop_;
  LineOutput output_;
  uint64_t left_;
  bool counted_;
  std::string state_file_;
  std::string cursor_;
  bool cursor_full_ = false;
  uint64_t unverified_ = 0;
  int code_ = kExitOk;
  Timer save_;
};

class ListenCommand final : public Command {
 public:
  ListenCommand() {
    table_.Text({.name = "transport",
                 .text = "How to connect: WebSocket with JSON or protobuf, SSE over HTTP/1.1 or "
                         "HTTP/2, gRPC.",
                 .fallback = "ws",
                 .choices = {"ws", "ws-pb", "sse", "sse-h2", "grpc"}},
                transport_);
    table_.Text({.name = "url",
                 .text = "The gateway: ws:// or wss://HOST:PORT, for every transport; the path is "
                         "/v1/events unless it is given.",
                 .fallback = "ws://127.0.0.1:7410/v1/events",
                 .placeholder = "URL"},
                listener_.url);
    table_.Text({.name = "token",
                 .text = "The client's token; other users of this machine can see it, prefer "
                         "--token-file.",
                 .secret = true},
                token_);
    table_.Text({.name = "token-file",
                 .text = "A file with the token, read anew for each connect and refresh.",
                 .placeholder = "FILE"},
                token_file_);
    table_.Text({.name = "jwks",
                 .text = "The envelope keys to trust: a URL or a file; by default the "
                         "gateway's /.well-known/jwks.json.",
                 .placeholder = "URL|FILE"},
                listener_.jwks);
    table_.Text({.name = "ca",
                 .text = "For wss and https: the CAs that may sign the server's certificate, PEM; "
                         "without it those that the system trusts.",
                 .placeholder = "FILE"},
                ca_file_);
    table_.Text({.name = "plane",
                 .text = "The issuer that envelopes must have, the gateway's --plane.",
                 .fallback = "galaxy"},
                listener_.plane);
    table_.Text({.name = "cursor",
                 .text = "Resume after this position.",
                 .placeholder = "CURSOR",
                 .command_line = true},
                listener_.cursor);
    table_.Text({.name = "state-file",
                 .text = "Keeps the newest position: resume there, and write it as it moves.",
                 .placeholder = "FILE"},
                state_file_);
    table_.Count({.name = "count",
                  .text = "End after so many events; 0: never.",
                  .fallback = "0",
                  .command_line = true},
                 count_);
  }
  OptionTable& options() override { return table_; }
  std::string_view summary() const override {
    return "Connects to a gateway as a client would, verifies and prints events";
  }
  std::string_view details() const override {
    return "One line of JSON per verified event, in order and once; the payload's exact bytes are "
           "the "
           "string\n`payload`. Reconnects and resumes by itself; connection, gaps, clock skew and "
           "events that do not\nverify are told on standard error.\n\n"
           "    galaxy-push listen --token-file phone.token\n"
           "    galaxy-push listen --url ws://127.0.0.1:7410/v1/events --token-file phone.token "
           "\\\n"
           "        --jwks http://127.0.0.1:7410/.well-known/jwks.json --state-file phone.cursor\n"
           "    galaxy-push listen --token-file phone.token --count 1\n"
           "    galaxy-push listen --token-file phone.token --transport grpc\n\n"
           "Exit status: 0 ended by --count or a signal, 1 it could not go on, 3 the token was "
           "refused or\nhas expired (verdict reauthenticate), 4 the session was revoked (verdict "
           "never), 5 ended like 0\nbut an event did not verify.\n";
  }

  int Run() override {
    if (token_.empty() == token_file_.empty()) {
      Complain("listen", "give --token-file or --token, one of them");
      return kExitUsage;
    }
    if (listener_.cursor.empty() && !state_file_.empty()) {
      Result<std::string> kept = ReadFile(state_file_);
      if (kept) listener_.cursor = Trimmed(std::move(*kept));
    }
    listener_.transport = TransportNamed(transport_);
    std::vector<std::unique_ptr<TlsFiles>> ca;
    for (auto [source, protocol] :
         {std::pair(&listener_.tls, "http/1.1"), std::pair(&listener_.tls_http2, "h2")}) {
      if (ca_file_.empty()) break;
      auto files =
          TlsFiles::Open(TlsFiles::Side::kClient, {.ca_file = ca_file_, .alpn = {protocol}});
      if (!files) {
        Complain("listen", files.error().message);
        return kExitUsage;
      }
      *source = (*files)->source();
      ca.push_back(std::move(*files));
    }
    auto run = ToolRun::Create();
    if (!run) {
      Complain("listen", run.error().message);
      return kExitFailed;
    }
    Loop& loop = (*run)->loop();
    ListenRun listen(loop, count_, state_file_);
    auto listener = EventListener::Start(loop, listener_, TokenOf(), listen);
    if (!listener) {
      Complain("listen", listener.error().message);
      return kExitUsage;
    }
    loop.Run();
    return listen.Finish();
  }

 private:
  TokenSource TokenOf() const {
    return [this]() -> Result<std::string> {
      if (token_file_.empty()) return token_;
      Result<std::string> text = ReadFile(token_file_, 16 * 1024);
      if (!text) return std::unexpected(text.error());
      return Trimmed(std::move(*text));
    };
  }

  OptionTable table_{"listen"};
  ListenerOptions listener_;
  std::string transport_, token_, token_file_, state_file_, ca_file_;
  uint64_t count_ = 0;
};

}  // namespace

std::unique_ptr<Command> NewListenCommand() { return std::make_unique<ListenCommand>(); }

}  // namespace galaxy::push
