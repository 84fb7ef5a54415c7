#include <gtest/gtest.h>

#include "base/fuzz_corpus.h"

#define GALAXY_FUZZ_ENTRY WebSocketFuzzOneInput
#include "http/websocket_fuzz.cc"

namespace galaxy::push {
namespace {

TEST(WebSocketFuzz, CorpusAndItsNeighboursHold) {
  std::string client, server;
  AppendClientFrame(client, WebSocketOpcode::kText, "hello \xE2\x82\xAC");
  AppendClientFrame(client, WebSocketOpcode::kPing, "p");
  AppendClientFrame(client, WebSocketOpcode::kBinary, std::string(200, 'b'));
  AppendClientFrame(client, WebSocketOpcode::kClose, ClosePayload(1000, "bye"));
  AppendServerFrame(server, WebSocketOpcode::kText, "hello");
  AppendServerFrame(server, WebSocketOpcode::kPong, "");
  AppendServerFrame(server, WebSocketOpcode::kText, std::string(130, 't'));
  AppendServerClose(server, 4503, "revoked");
  std::string fragments;
  for (const char* part : {"one", "two", "three"}) {
    AppendServerFrame(fragments, WebSocketOpcode::kText, part);
    fragments[fragments.size() - std::string(part).size() - 2] = part[0] == 'o'   ? '\x01'
                                                                 : part[1] == 'w' ? '\x00'
                                                                                  : '\x80';
  }
  RunFuzzCorpus(WebSocketFuzzOneInput, {client, server, fragments,
                                        std::string("\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 10),
                                        std::string("\x88\x02\x03\xED", 4)});
}

}  // namespace
}  // namespace galaxy::push
