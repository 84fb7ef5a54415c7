#include "app/demo_call.h"

#include <utility>

namespace galaxy::push {
namespace {

constexpr size_t kAnswerBytesMax = 1 << 20;

}  // namespace

DemoCall::DemoCall(HttpClient& client, std::string authority, std::string path,
                   std::string media_type, std::string body, Done done)
    : done_(std::move(done)) {
  RequestHead head;
  head.method = "POST";
  head.path = std::move(path);
  head.scheme = "http";
  head.authority = std::move(authority);
  head.headers.Add("content-type", std::move(media_type));
  head.headers.Add("content-length", std::to_string(body.size()));
  body_.Set(std::move(body));
  request_ = client.Start(std::move(head), &body_, *this);
}

void DemoCall::OnBody(std::string_view bytes) {
  if (answer_.body.size() + bytes.size() > kAnswerBytesMax)
    return Finish(Fail(Code::kTooLarge, "the answer is over 1 MiB"));
  answer_.body.append(bytes);
  if (request_) request_->Consumed(bytes.size());
}

void DemoCall::OnEnd(const Headers&) { Finish(std::move(answer_)); }

void DemoCall::OnFailed(const Error& error) { Finish(std::unexpected(error)); }

void DemoCall::Finish(Result<Answer> answer) {
  if (Done done = std::exchange(done_, nullptr)) done(std::move(answer));
}

}  // namespace galaxy::push
