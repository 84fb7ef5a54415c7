// The log of a backend over a real nats-server.
#include <gtest/gtest.h>

#include "event/partition.h"
#include "log/log_contract.h"
#include "log/shared_log.h"
#include "log_nats/nats_fixture.h"
#include "log_nats/nats_stream.h"

namespace galaxy::push {
namespace {

Result<std::unique_ptr<Log>> OpenOn(const std::string& url,
                                    std::vector<std::shared_ptr<NatsConnection>>& connections,
                                    const Log::Options& options, NatsStream::Options stream = {}) {
  auto connection = NatsConnection::Open({.urls = {url}, .name = "test"});
  if (!connection) return std::unexpected(connection.error());
  connections.push_back(std::move(*connection));
  auto log = SharedLog::Open(options, {},
                             std::make_unique<NatsStream>(*connections.back(), std::move(stream)),
                             Clock::Real());
  if (!log) return std::unexpected(log.error());
  return std::unique_ptr<Log>(std::move(*log));
}

LogOpen NatsStore() {
  auto server = std::make_shared<NatsServer>();
  auto connections = std::make_shared<std::vector<std::shared_ptr<NatsConnection>>>();
  return [server, connections](const Log::Options& options) {
    return OpenOn(server->url(), *connections, options);
  };
}

INSTANTIATE_TEST_SUITE_P(Engines, LogContract,
                         testing::Values(LogMaker{"jetstream", true, NatsStore}),
                         [](const auto& maker) { return maker.param.name; });

// Backends that share one nats-server.
class NatsLog : public NatsTest {
 protected:
  struct Node {
    std::unique_ptr<Log> log;
    std::optional<Error> fatal;

    bool Work() { return log->Work(Clock::Real().WallMs(), Clock::Real().MonoMs()); }
    bool Until(const std::function<bool()>& condition) {
      return WaitFor([&] {
        while (Work()) {
        }
        return condition();
      });
    }
    AckBox Submit(const std::vector<EntryView>& views) { return SubmitAll(*log, views); }
    AckResults Publish(const std::vector<EntryView>& views) {
      auto box = Submit(views);
      EXPECT_TRUE(Until([&] { return box->has_value(); }));
      return box->value_or(AckResults(views.size(), Ack{}));
    }
    std::vector<std::string> Contents() const { return RingContents(*log); }
  };

  std::unique_ptr<Node> Open(NatsStream::Options stream = {}) {
    auto node = std::make_unique<Node>();
    auto log = OpenOn(server.url(), connections_, {}, std::move(stream));
    EXPECT_TRUE(log) << log.error().message;
    node->log = std::move(*log);
    node->log->SetOnFatal([it = node.get()](const Error& error) { it->fatal = error; });
    return node;
  }
  Error Refused(NatsStream::Options stream) {
    auto log = OpenOn(server.url(), connections_, {}, std::move(stream));
    EXPECT_FALSE(log);
    return log ? Error{} : log.error();
  }
  std::vector<std::shared_ptr<NatsConnection>> connections_;
};

TEST_F(NatsLog, TwoBackendsHaveOneLog) {
  // semantics.md 1.3, 2.2
  auto a = Open();
  auto b = Open();
  AckResults first = a->Publish({TestEvent("1"), TestInvalidation("bob")});
  AckResults second = b->Publish({TestEvent("2"), TestEvent("1"), TestEvent("1", "ann", "[]")});
  EXPECT_EQ(second[1], (Ack{first[0]->cursor, true}));
  EXPECT_EQ(second[2].error().code, Code::kAlreadyExists);
  ASSERT_TRUE(a->Until([&] { return a->log->ring().head() == second[0]->cursor; }));
  EXPECT_EQ(a->Contents(), b->Contents());
  EXPECT_EQ(a->Contents().size(), 3u);
}

TEST_F(NatsLog, WhatWaitsWhileTheServersAreAwayIsPublishedOnceWhenTheyAreBack) {
  // semantics.md 2.1
  auto a = Open();
  AckResults before = a->Publish({TestEvent("1")});
  server.Kill();
  auto waiting = a->Submit({TestEvent("2"), TestInvalidation("bob")});
  EXPECT_FALSE(WaitFor([&] { return a->Work(), waiting->has_value(); }, 1));
  server.Start();
  ASSERT_TRUE(a->Until([&] { return waiting->has_value(); }));
  ASSERT_TRUE((**waiting)[0]);
  EXPECT_GT((**waiting)[0]->cursor, before[0]->cursor);
  EXPECT_EQ(a->Contents().size(), 3u);
  auto b = Open();
  EXPECT_EQ(a->Contents(), b->Contents());
  EXPECT_FALSE(a->fatal);
}

TEST_F(NatsLog, AServerThatHangsIsNoHoleAndNoDuplicate) {
  // semantics.md 2.1
  auto a = Open();
  auto b = Open();
  server.Pause();
  auto waiting = a->Submit({TestEvent("1"), TestEvent("2")});
  EXPECT_FALSE(WaitFor([&] { return a->Work(), waiting->has_value(); }, 4));
  server.Continue();
  ASSERT_TRUE(a->Until([&] { return waiting->has_value(); }));
  AckResults after = b->Publish({TestEvent("3")});
  ASSERT_TRUE(a->Until([&] { return a->log->ring().head() == after[0]->cursor; }));
  EXPECT_EQ(a->Contents().size(), 3u);
  EXPECT_EQ(a->Contents(), b->Contents());
}

TEST_F(NatsLog, InvalidationsOutliveTheWindow) {
  // semantics.md 3.2
  NatsStream::Options brief{.window_ms = 500};
  Cursor head;
  {
    auto a = Open(brief);
    a->Publish({TestEvent("1"), TestInvalidation("bob")});
    head = a->Publish({TestInvalidation("eve")})[0]->cursor;
  }
  std::unique_ptr<Node> b;
  ASSERT_TRUE(WaitFor([&] {
    b = Open(brief);
    return b->Contents().empty();
  }));
  EXPECT_EQ(b->log->retained().size(), 2u);
  EXPECT_EQ(b->log->ring().head(), head);  // its time, too: it can be resumed at
  std::optional<Status> known;
  b->log->AwaitHead([&](const Status& status) { known = status; });
  EXPECT_TRUE(b->Until([&] { return known.has_value(); }));
  EXPECT_TRUE(*known);
}

TEST_F(NatsLog, NothingOfAnEntryIsInASubjectOrAHeader) {
  auto a = Open();
  a->Publish({{.type = EntryType::kEvent,
               .user_id = "secret-user",
               .payload = "{}",
               .event_id = "secret-id"}});
  natsMsg* raw = nullptr;
  jsCtx* context = nullptr;
  ASSERT_EQ(natsConnection_JetStream(&context, connections_.back()->get(), nullptr), NATS_OK);
  JsContextHandle holder(context);
  ASSERT_EQ(js_GetMsg(&raw, context, "galaxy-log", 1, nullptr, nullptr), NATS_OK);
  NatsHandle<natsMsg, natsMsg_Destroy> message(raw);
  EXPECT_EQ(std::string(natsMsg_GetSubject(raw)),
            "galaxy.e." + std::to_string(PartitionOf("secret-user")));
  const char** keys = nullptr;
  int count = 0;
  ASSERT_EQ(natsMsgHeader_Keys(raw, &keys, &count), NATS_OK);
  ASSERT_EQ(count, 1);
  EXPECT_STREQ(keys[0], "Nats-Msg-Id");
  const char* id = nullptr;
  ASSERT_EQ(natsMsgHeader_Get(raw, keys[0], &id), NATS_OK);
  EXPECT_EQ(std::string(id).size(), 43u);
  free(keys);
}

TEST_F(NatsLog, BackendsThatStartTogetherAgreeOnTheBeginning) {
  // semantics.md 1.2, 1.6
  std::vector<std::unique_ptr<Node>> nodes(4);
  std::vector<std::thread> threads;
  std::mutex mutex;  // of connections_
  for (auto& node : nodes) {
    threads.emplace_back([&] {
      auto connection = NatsConnection::Open({.urls = {server.url()}, .name = "test"});
      ASSERT_TRUE(connection);
      NatsConnection& at = **connection;
      {
        std::lock_guard lock(mutex);
        connections_.push_back(std::move(*connection));
      }
      auto log = SharedLog::Open({}, {}, std::make_unique<NatsStream>(at, NatsStream::Options{}),
                                 Clock::Real());
      ASSERT_TRUE(log) << log.error().message;
      node = std::make_unique<Node>();
      node->log = std::move(*log);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& node : nodes) {
    EXPECT_EQ(node->log->ring().log_start(), nodes[0]->log->ring().log_start());
  }
}

TEST_F(NatsLog, OpensALogWhoseNewestPlacesAreEmpty) {
  // semantics.md 3.1, 3.2
  auto a = Open();
  a->Publish({TestEvent("1"), TestInvalidation("ann"), TestInvalidation("bob"), TestEvent("2")});
  jsCtx* context = nullptr;
  ASSERT_EQ(natsConnection_JetStream(&context, connections_.back()->get(), nullptr), NATS_OK);
  JsContextHandle holder(context);
  ASSERT_EQ(js_DeleteMsg(context, "galaxy-invalidations", 2, nullptr, nullptr), NATS_OK);
  ASSERT_EQ(js_DeleteMsg(context, "galaxy-log", 4, nullptr, nullptr), NATS_OK);
  auto b = Open({.open_timeout_ms = 5'000});
  EXPECT_EQ(b->Contents().size(), 3u);
  EXPECT_EQ(b->log->retained().size(), 2u);
}

TEST_F(NatsLog, AStreamThatIsNotWhatTheLogNeedsIsRefusedByName) {
  Open({.window_ms = 60'000});
  Error error = Refused({.window_ms = 120'000});
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_NE(error.message.find("galaxy-log keeps messages for 60 s, the window is 120 s"),
            std::string::npos)
      << error.message;
  error = Refused({.window_ms = 60'000, .retained_ms = 400ull * 24 * 3600 * 1000});
  EXPECT_NE(error.message.find("galaxy-invalidations"), std::string::npos) << error.message;
  error = Refused({.prefix = "other", .replicas = 3, .open_timeout_ms = 500});
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_NE(error.message.find("other-log"), std::string::npos) << error.message;
}

TEST_F(NatsLog, AnEntryThatTheServersWouldNotTakeIsFoundAtTheStart) {
  Error error = Refused({.entry_bytes_max = 2'000'000});
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_NE(error.message.find("max_payload"), std::string::npos) << error.message;
}

TEST_F(NatsLog, WithoutAServerTheStartSaysSo) {
  std::string url = server.url();
  server.Kill();
  Error error = Refused({.open_timeout_ms = 300});
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_EQ(error.message, "no NATS server can be reached");
}

}  // namespace
}  // namespace galaxy::push
