#include "http/url.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

TEST(ServerUrl, HasSchemeAddressAndTarget) {
  auto url = ServerUrl::Parse("ws://127.0.0.1:8081/v1/events?cursor=x");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "ws");
  EXPECT_EQ(url->address, (Address{"127.0.0.1", 8081}));
  EXPECT_EQ(url->target, "/v1/events?cursor=x");
}

TEST(ServerUrl, PortAndPathMayBeMissing) {
  EXPECT_EQ(ServerUrl::Parse("http://localhost")->address.port, 80);
  EXPECT_EQ(ServerUrl::Parse("http://localhost")->target, "/");
  EXPECT_EQ(ServerUrl::Parse("ws://[::1]:9000?x=1")->target, "/?x=1");
  EXPECT_EQ(ServerUrl::Parse("ws://[::1]")->address, (Address{"::1", 80}));
}

TEST(ServerUrl, TlsHasAPortOfItsOwn) {
  for (const char* text : {"https://push.example/a?b=c", "wss://push.example/a?b=c"}) {
    auto url = ServerUrl::Parse(text);
    ASSERT_TRUE(url);
    EXPECT_TRUE(url->tls());
    EXPECT_EQ(url->address, (Address{"push.example", 443}));
    EXPECT_EQ(url->path(), "/a");
    EXPECT_EQ(url->query(), "b=c");
  }
  EXPECT_FALSE(ServerUrl::Parse("ws://h")->tls());
}

TEST(ServerUrl, WhatWeCannotReachIsRefused) {
  for (const char* text : {"", "127.0.0.1:80", "ftp://h/", "wsss://h/", "ws://u@h/", "ws://h/#f",
                           "ws://h:99999/", "ws:///x"})
    EXPECT_FALSE(ServerUrl::Parse(text)) << text;
}

}  // namespace
}  // namespace galaxy::push
