#pragma once

#include "grpc/server.h"

namespace galaxy::push {

// Methods that the tests of this folder and their Python peer call; messages are plain bytes.
//
//   /test.Echo/Unary    answers the request
//   /test.Echo/Stream   "COUNT SIZE": so many messages of that size through WriteFrom()
//   /test.Echo/Bidi     answers each message; the initial metadata repeats "x-ask"
//   /test.Echo/Small    as Unary with a limit of 100 bytes a message
//   /test.Echo/Fail     ends with FAILED_PRECONDITION, a message in Unicode and a trailer
//   /test.Echo/Hang     sends metadata and never ends
//   /test.Echo/Flood    messages without end, until /test.Echo/Cut
//   /test.Echo/Cut      ends every Flood with ABORTED "superseded"
//   /test.Echo/Count    "MESSAGES CANCELLED" of all Hang calls so far
//   /test.Echo/Pause    takes the first message, then reads no further until /test.Echo/Resume
//   /test.Echo/Resume   lets all Pause calls go on; each ends with the number of its messages
class TestServices {
 public:
  TestServices();
  ~TestServices();
  void AddTo(GrpcRouter& router);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace galaxy::push
