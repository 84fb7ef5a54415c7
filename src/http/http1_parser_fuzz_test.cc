#include <gtest/gtest.h>

#include "base/fuzz_corpus.h"

#define GALAXY_FUZZ_ENTRY Http1ParserFuzzOneInput
#include "http/http1_parser_fuzz.cc"

namespace galaxy::push {
namespace {

TEST(Http1ParserFuzz, CorpusAndItsNeighboursHold) {
  RunFuzzCorpus(
      Http1ParserFuzzOneInput,
      {"GET /a?b=c HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n\r\nGET / HTTP/1.1",
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloPOST",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
       "5;a=\"b\"\r\nhello\r\n0\r\nT: v\r\n\r\nrest",
       "\r\nOPTIONS * HTTP/1.0\r\n\r\n", "GET http://h/x HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
       "HTTP/1.1 204 No Content\r\n\r\n",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody",
       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"});
}

}  // namespace
}  // namespace galaxy::push
