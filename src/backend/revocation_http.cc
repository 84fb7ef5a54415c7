#include "backend/revocation_http.h"

#include <optional>
#include <string>
#include <utility>

#include "backend/json_writer.h"
#include "http/problem.h"
#include "http/text.h"

namespace galaxy::push {
namespace {

using Standard = RevocationEndpoints::Standard;

constexpr std::string_view kForm = "application/x-www-form-urlencoded";
constexpr std::string_view kSecurityEvent = "application/secevent+jwt";

ResponseHead Head(int status) {
  ResponseHead head{.status = status, .headers = {}};
  head.headers.Add("cache-control", "no-store");
  return head;
}

// RFC 8935 2.4, "SET error codes".
std::string_view SetErrorCode(const Error& error) {
  if (error.code == Code::kPermissionDenied) return "access_denied";
  if (error.code != Code::kUnauthenticated) return "invalid_request";
  if (error.field == "iss") return "invalid_issuer";
  if (error.field == "aud") return "invalid_audience";
  if (error.field == "kid") return "invalid_key";
  if (error.field == "signature") return "authentication_failed";
  return "invalid_request";
}

// The one value of `name` in a form body.
Result<std::string> FormValue(std::string_view body, std::string_view name) {
  std::optional<std::string> found;
  for (size_t at = 0; at <= body.size();) {
    size_t end = std::min(body.find('&', at), body.size());
    std::string_view pair = body.substr(at, end - at);
    size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == name) {
      auto value = PercentDecode(pair.substr(std::min(equals + 1, pair.size())), PlusIs::kSpace);
      if (!value || found) {
        return Fail(Code::kInvalidArgument, std::string(name) + " is malformed or there twice",
                    std::string(name));
      }
      found = std::move(*value);
    }
    at = end + 1;
  }
  if (!found || found->empty()) {
    return Fail(Code::kInvalidArgument, std::string(name) + " is missing", std::string(name));
  }
  return std::move(*found);
}

}  // namespace

class RevocationCall final : public ExchangeHandler, private PublishIntake::Receiver {
 public:
  RevocationCall(RevocationEndpoints& endpoints, Exchange& exchange, Standard standard)
      : endpoints_(endpoints), exchange_(exchange), standard_(standard), client_(this) {}

  void OnBody(std::string_view bytes) override;
  void OnBodyEnd() override;
  void OnAborted(const Error&) override {}
  void Refuse(const Error& error);

 private:
  void OnResults(std::span<const Result<Ack>> results) override;
  bool results_in_turn() const override { return false; }
  Result<std::optional<RevocationOrder>> ReadOrder() const;
  // False: its key may come yet; not when it is the `last` time.
  bool Judge(bool last);
  void CarryOut(RevocationOrder order);
  void Accept();
  void Fail(const Error& error);
  void AnswerError(int status, std::string_view code, const Error& error);
  RevocationEndpoints::Statistics& stats() {
    return endpoints_.stats_[static_cast<size_t>(standard_)];
  }

  RevocationEndpoints& endpoints_;
  Exchange& exchange_;
  const Standard standard_;
  PublishIntake::Client client_;
  std::string body_;
  RevocationOrder order_;
  bool answered_ = false;
  KeyWaits::Ticket keys_wait_;
};

void RevocationCall::OnBody(std::string_view bytes) {
  if (answered_) return;
  if (body_.size() + bytes.size() > RevocationEndpoints::kBodyBytesMax) {
    return Refuse({Code::kTooLarge,
                   "the body is over the limit of " +
                       std::to_string(RevocationEndpoints::kBodyBytesMax) + " bytes",
                   ""});
  }
  body_ += bytes;
  exchange_.Consumed(bytes.size());
}

Result<std::optional<RevocationOrder>> RevocationCall::ReadOrder() const {
  uint64_t now_ms = endpoints_.clock_.WallMs();
  if (standard_ == Standard::kSecurityEvent) {
    return endpoints_.tokens_.VerifySecurityEvent(TrimSpace(body_), now_ms);
  }
  Result<std::string> token = FormValue(body_, "logout_token");
  if (!token) return std::unexpected(token.error());
  Result<RevocationOrder> order = endpoints_.tokens_.VerifyLogout(*token, now_ms);
  if (!order) return std::unexpected(order.error());
  return std::optional(std::move(*order));
}

void RevocationCall::OnBodyEnd() {
  if (answered_ || Judge(false)) return;
  bool waits = endpoints_.await_keys_ &&
               endpoints_.await_keys_(keys_wait_, [this](bool last) { return !Judge(last); });
  if (!waits) Judge(true);
}

bool RevocationCall::Judge(bool last) {
  Result<std::optional<RevocationOrder>> order = ReadOrder();
  if (!order) {
    if (!last && order.error().field == "kid") return false;
    Refuse(order.error());
  } else if (!*order) {
    ++stats().ignored;
    Accept();
  } else {
    CarryOut(std::move(**order));
  }
  return true;
}

void RevocationCall::CarryOut(RevocationOrder order) {
  order_ = std::move(order);
  EntryView entry{.type = EntryType::kInvalidation,
                  .user_id = order_.user_id,
                  .device_session_id = order_.session_id,
                  .reason = order_.reason};
  // Also one that came before a restart: the log holds an invalidation that means as much.
  std::optional<uint64_t> retained_ms = endpoints_.intake_.retained().TimeOf(entry);
  bool carried_out = retained_ms && *retained_ms / 1000 >= order_.issued_s;
  if (carried_out || endpoints_.tokens_.Remembers(order_)) {
    ++stats().repeated;
    return Accept();
  }
  // A named session is over for good. Of a whole user, what began after the token was issued is a
  // new sign-in; times count in whole seconds.
  bool whole_user = order_.session_id.empty();
  endpoints_.intake_.Add(client_, entry, whole_user ? order_.issued_s * 1000 + 999 : 0);
}

void RevocationCall::OnResults(std::span<const Result<Ack>> results) {
  const Result<Ack>& result = results.front();
  if (result) {
    ++stats().accepted;
    endpoints_.tokens_.Remember(order_, endpoints_.clock_.WallMs());
    return Accept();
  }
  Fail(result.error());
}

// It may be sent again.
void RevocationCall::Fail(const Error& error) {
  ++stats().failed;
  bool logout = standard_ == Standard::kBackChannelLogout;
  AnswerError(logout ? 400 : 503, "temporarily_unavailable", error);
}

void RevocationCall::Accept() {
  if (std::exchange(answered_, true)) return;
  exchange_.Respond(Head(standard_ == Standard::kSecurityEvent ? 202 : 200), "");
}

void RevocationCall::Refuse(const Error& error) {
  if (answered_) return;
  if (error.code == Code::kUnavailable) return Fail(error);
  ++stats().refused;
  bool set = standard_ == Standard::kSecurityEvent;
  AnswerError(400, set ? SetErrorCode(error) : "invalid_request", error);
}

void RevocationCall::AnswerError(int status, std::string_view code, const Error& error) {
  if (std::exchange(answered_, true)) return;
  bool set = standard_ == Standard::kSecurityEvent;
  ResponseHead head = Head(status);
  head.headers.Add("content-type", "application/json");
  if (set) head.headers.Add("content-language", "en");
  if (status == 503) head.headers.Add("retry-after", "1");
  std::string body = set ? R"({"err":)" : R"({"error":)";
  AppendJsonString(code, body);
  body += set ? R"(,"description":)" : R"(,"error_description":)";
  AppendJsonString(error.message, body);
  exchange_.Respond(std::move(head), body + "}");
}

void RevocationEndpoints::OnRequest(Exchange& exchange, Standard standard) {
  const RequestHead& request = exchange.request();
  if (request.method != "POST") {
    ProblemResponse problem = Problem({Code::kMethodNotAllowed, "use POST", {}});
    problem.head.headers.Set("allow", "POST");
    return exchange.Respond(std::move(problem.head), std::move(problem.body));
  }
  auto call = std::make_unique<RevocationCall>(*this, exchange, standard);
  std::string_view wanted = standard == Standard::kSecurityEvent ? kSecurityEvent : kForm;
  if (MediaType(request.headers.Get("content-type").value_or("")) != wanted) {
    return call->Refuse({Code::kUnsupportedMediaType,
                         "the content type must be " + std::string(wanted), "content-type"});
  }
  exchange.SetHandler(std::move(call));
}

}  // namespace galaxy::push
