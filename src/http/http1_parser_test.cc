#include "http/http1_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace galaxy::push {
namespace {

struct Message : Http1Parser::BodySink {
  void OnParsedBody(std::string_view bytes) override { body += bytes; }
  std::string body;
  int status = 0;  // of the refusal, 0: none
  bool done = false;
  RequestHead request;
  ResponseHead response;
  Headers trailers;
  std::string rest;  // after the message
};

// Feeds as a connection does: what is not taken is offered again with what follows.
Message FeedAll(Http1Parser& parser, Message& message, std::string_view bytes, size_t piece) {
  std::string waiting;
  for (size_t i = 0; i < bytes.size() && message.status == 0;) {
    std::string_view next = bytes.substr(i, piece);
    i += next.size();
    waiting += next;
    for (;;) {
      auto used = parser.Feed(waiting);
      if (!used) {
        message.status = used.error().status;
        break;
      }
      waiting.erase(0, *used);
      if (*used == 0) break;
    }
  }
  message.done = parser.done();
  message.rest = waiting;
  return message;
}

Message ParseRequest(std::string_view bytes, size_t piece = ~size_t{0}, HttpLimits limits = {}) {
  Message message;
  auto parser = Http1Parser::ForRequest(limits, message);
  FeedAll(*parser, message, bytes, piece);
  if (message.status == 0 && parser->head_done()) {
    message.request = parser->TakeRequest();
    message.trailers = parser->trailers();
  }
  return message;
}

TEST(Http1Parser, ReadsARequestHoweverItsBytesAreCut) {
  std::string bytes =
      "\r\nPOST /v1/events?a=1&b=%20 HTTP/1.1\r\nHost: push.example:8080\r\nX-Mixed:  a value \r\n"
      "Transfer-Encoding: chunked\r\n\r\n5;ext=\"x\"\r\nhello\r\n10\r\n, galaxy of push\r\n0\r\n"
      "X-Trailer: t\r\n\r\nGET /next";
  for (size_t piece : {1u, 2u, 3u, 5u, 17u, 1000u}) {
    Message message = ParseRequest(bytes, piece);
    ASSERT_EQ(message.status, 0) << piece;
    EXPECT_TRUE(message.done);
    EXPECT_EQ(message.request.method, "POST");
    EXPECT_EQ(message.request.path, "/v1/events");
    EXPECT_EQ(message.request.query, "a=1&b=%20");
    EXPECT_EQ(message.request.authority, "push.example:8080");
    EXPECT_EQ(message.request.scheme, "http");
    EXPECT_EQ(message.request.version, 11);
    EXPECT_EQ(message.request.headers.Get("x-mixed"), "a value");
    EXPECT_EQ(message.body, "hello, galaxy of push");
    EXPECT_EQ(message.trailers.Get("x-trailer"), "t");
    EXPECT_EQ(message.rest, "GET /next");
  }
}

TEST(Http1Parser, ABodyThatBeginsWithWhiteSpaceIsNoFoldedLine) {
  for (size_t piece : {1u, 3u, 1000u}) {
    Message message =
        ParseRequest("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n {}\t", piece);
    ASSERT_EQ(message.status, 0) << piece;
    EXPECT_EQ(message.body, " {}\t");
  }
}

TEST(Http1Parser, ReadsAbsoluteAndAsteriskTargets) {
  Message absolute = ParseRequest("GET http://other:81/p?q HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(absolute.request.path, "/p");
  EXPECT_EQ(absolute.request.query, "q");
  EXPECT_EQ(absolute.request.authority, "other:81");
  EXPECT_EQ(ParseRequest("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n").request.path, "/");
  EXPECT_EQ(ParseRequest("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").request.path, "*");
}

TEST(Http1Parser, RefusesWhatAnotherParserCouldReadDifferently) {
  struct Row {
    const char* what;
    std::string bytes;
    int status;
  };
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
  for (const Row& row : std::vector<Row>{
           {"length and chunked", post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            400},
           {"chunked and length", post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            400},
           {"two lengths", post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},
           {"the same length twice", post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
           {"a list of lengths", post + "Content-Length: 3, 3\r\n\r\n", 400},
           {"a negative length", post + "Content-Length: -3\r\n\r\n", 400},
           {"a length with a sign", post + "Content-Length: +3\r\n\r\n", 400},
           {"a hexadecimal length", post + "Content-Length: 0x3\r\n\r\n", 400},
           {"a length beyond 64 bits", post + "Content-Length: 18446744073709551616\r\n\r\n", 400},
           {"an empty length", post + "Content-Length:\r\n\r\n", 400},
           {"another coding", post + "Transfer-Encoding: gzip\r\n\r\n", 501},
           {"chunked not last", post + "Transfer-Encoding: chunked, identity\r\n\r\n", 501},
           {"chunked after another", post + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
           {"a coding twice",
            post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
           {"a disguised coding", post + "Transfer-Encoding: xchunked\r\n\r\n", 501},
           {"a coding with a vertical tab",
            post + "Transfer-Encoding: \x0b"
                   "chunked\r\n\r\n",
            400},
           {"a coding in HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
           {"a folded line", "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", 400},
           {"a folded first field", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
           {"a bare LF", "GET / HTTP/1.1\nHost: h\r\n\r\n", 400},
           {"bare LFs only", "GET / HTTP/1.1\nHost: h\n\n", 400},
           {"a bare CR", "GET / HTTP/1.1\r\nHost: h\rA: b\r\n\r\n", 400},
           {"space before the colon", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400},
           {"an empty name", "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", 400},
           {"no colon", "GET / HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n", 400},
           {"NUL in a value", std::string("GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n", 35), 400},
           {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
           {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
           {"a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
           {"a host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
           {"a relative target", "GET x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
           {"a target with a fragment", "GET /#x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
           {"a target with raw UTF-8", "GET /\xC3\xA4 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
           {"an absolute target with a user", "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
           {"CONNECT", "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 501},
           {"two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
           {"a tab for a space", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
           {"HTTP/0.9", "GET /\r\n\r\n", 400},
           {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505},
           {"HTTP/3.0", "GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505},
           {"lower-case http", "GET / http/1.1\r\nHost: h\r\n\r\n", 505},
           {"TLS", "\x16\x03\x01\x02", 400},
           {"a chunk that is no number", post + "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400},
           {"a chunk with a sign", post + "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n", 400},
           {"a chunk with 0x", post + "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n", 400},
           {"a chunk of 17 digits",
            post + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", 400},
           {"a chunk longer than it says", post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
            400},
           {"a chunk without CR", post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcX\n0\r\n\r\n",
            400},
           {"a chunk without LF", post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\rX0\r\n\r\n",
            400},
           {"a chunk header with a bare LF",
            post + "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400},
           {"a length in the trailers",
            post + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n", 400},
       }) {
    EXPECT_EQ(ParseRequest(row.bytes).status, row.status) << row.what;
    EXPECT_EQ(ParseRequest(row.bytes, 1).status, row.status) << row.what << ", byte by byte";
  }
}

// semantics.md 10.4
TEST(Http1Parser, RefusesHeadersOverTheLimits) {
  HttpLimits limits{.header_bytes_max = 200, .header_count_max = 3};
  std::string begin = "GET / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(ParseRequest(begin + "A: 1\r\nB: 2\r\n\r\n", 1, limits).status, 0);
  EXPECT_EQ(ParseRequest(begin + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", 1, limits).status, 431);
  std::string exact = begin + "A: " + std::string(200 - begin.size() - 7, 'x') + "\r\n\r\n";
  EXPECT_EQ(exact.size(), 200u);
  EXPECT_EQ(ParseRequest(exact, 1, limits).status, 0);
  EXPECT_EQ(
      ParseRequest(begin + "A: " + std::string(200 - begin.size() - 6, 'x') + "\r\n\r\n", 1, limits)
          .status,
      431);
  EXPECT_EQ(ParseRequest("GET /" + std::string(5000, 'x'), 100, limits).status, 431);
  std::string chunked = begin + "Transfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(ParseRequest(chunked + "1;" + std::string(300, 'x'), 1, limits).status, 431);
  EXPECT_EQ(ParseRequest(chunked + "0\r\nA: " + std::string(300, 'x'), 1, limits).status, 431);
}

TEST(Http1Parser, KnowsWhetherTheConnectionGoesOn) {
  struct Row {
    const char* bytes;
    bool keep_alive;
  };
  for (const Row& row : std::vector<Row>{
           {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
           {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false},
           {"GET / HTTP/1.0\r\n\r\n", false},
           {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
       }) {
    Message message;
    HttpLimits limits;
    auto parser = Http1Parser::ForRequest(limits, message);
    FeedAll(*parser, message, row.bytes, 1000);
    EXPECT_EQ(parser->keep_alive(), row.keep_alive) << row.bytes;
  }
}

TEST(Http1Parser, RefusesAStatusThatIsNone) {
  Message message;
  HttpLimits limits;
  EXPECT_FALSE(Http1Parser::ForResponse(limits, message, false)->Feed("HTTP/1.1 000 OK\r\n\r\n"));
  EXPECT_FALSE(Http1Parser::ForResponse(limits, message, false)->Feed("HTTP/1.1 099 OK\r\n\r\n"));
  EXPECT_TRUE(Http1Parser::ForResponse(limits, message, false)->Feed("HTTP/1.1 100 OK\r\n\r\n"));
}

TEST(Http1Parser, ReadsResponsesByLengthByChunksAndToTheEnd) {
  HttpLimits limits;
  for (const char* bytes :
       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhi"}) {
    for (size_t piece : {1u, 1000u}) {
      Message message;
      auto parser = Http1Parser::ForResponse(limits, message, false);
      FeedAll(*parser, message, bytes, piece);
      ASSERT_EQ(message.status, 0) << bytes;
      EXPECT_TRUE(parser->End()) << bytes;
      EXPECT_EQ(parser->TakeResponse().status, 200);
      EXPECT_EQ(message.body, "hi") << bytes;
    }
  }
  Message message;
  auto truncated = Http1Parser::ForResponse(limits, message, false);
  FeedAll(*truncated, message, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", 1000);
  EXPECT_FALSE(truncated->End());
  auto to_head = Http1Parser::ForResponse(limits, message, true);
  FeedAll(*to_head, message, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", 1000);
  EXPECT_TRUE(to_head->done());
}

}  // namespace
}  // namespace galaxy::push
