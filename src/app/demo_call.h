#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "http/client.h"
#include "http/string_source.h"

namespace galaxy::push {

// One POST of a whole body, and its whole answer: what the demo's page and its identity provider
// ask of the backend.
//
//   Ownership  The caller owns it; destroying it cancels the request.
//   Threads    One loop, the client's. `done` runs once, and may have this destroyed at the end of
//              the turn, not before.
//   Limits     An answer of 1 MiB; more fails with kTooLarge.
class DemoCall final : ResponseHandler {
 public:
  struct Answer {
    int status = 0;
    std::string body;
  };
  using Done = std::move_only_function<void(Result<Answer>)>;

  DemoCall(HttpClient& client, std::string authority, std::string path, std::string media_type,
           std::string body, Done done);

 private:
  void OnHead(const ResponseHead& head) override { answer_.status = head.status; }
  void OnBody(std::string_view bytes) override;
  void OnEnd(const Headers& trailers) override;
  void OnFailed(const Error& error) override;
  void Finish(Result<Answer> answer);

  StringSource body_;
  Answer answer_;
  Done done_;
  std::unique_ptr<ClientRequest> request_;
};

}  // namespace galaxy::push
