#pragma once

#include <cstddef>

struct nghttp2_session;

namespace galaxy::push {

class Http2Session;
struct Http2Options;

// The largest DATA frame that we send or take.
inline constexpr size_t kHttp2FrameBytesMax = 256 * 1024;

// What nghttp2 calls, translated to Http2Session and Http2Stream. The context is the session.
struct Http2Callbacks {
  static nghttp2_session* NewSession(Http2Session& session, const Http2Options& options);

  struct Table;  // the functions, http2_callbacks.cc
};

}  // namespace galaxy::push
