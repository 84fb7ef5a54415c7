#include "http/http1_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>

#include "http/text.h"

namespace galaxy::push {
namespace {

namespace beast = boost::beast;
using beast::error_code;
using Piece = beast::string_view;

std::string_view View(Piece piece) { return {piece.data(), piece.size()}; }

std::unexpected<Http1Refusal> Refuse(int status, Code code, std::string message) {
  return std::unexpected(Http1Refusal{status, {code, std::move(message), {}}});
}

std::unexpected<Http1Refusal> BadRequest(std::string message) {
  return Refuse(400, Code::kBadRequest, std::move(message));
}

std::unexpected<Http1Refusal> FromBeast(const error_code& failed) {
  using beast::http::error;
  if (failed == error::header_limit || failed == error::buffer_overflow) {
    return Refuse(431, Code::kTooLarge, "the header is over the limit");
  }
  if (failed == error::bad_version) {
    return Refuse(505, Code::kBadRequest, "only HTTP/1.0, HTTP/1.1 and HTTP/2 are served");
  }
  return BadRequest("malformed HTTP: " + failed.message());
}

// Beast's parser, with the fields collected into Headers.
template <bool kRequest>
class Parser final : public Http1Parser, private beast::http::basic_parser<kRequest> {
 public:
  Parser(const HttpLimits& limits, BodySink& sink) : limits_(limits), sink_(sink) {
    this->body_limit(boost::none);
    this->header_limit(static_cast<uint32_t>(limits.header_bytes_max));
    this->eager(false);
  }
  void SkipBody() { this->skip(true); }

  std::expected<size_t, Http1Refusal> Feed(std::string_view bytes) override;
  std::expected<void, Http1Refusal> End() override;
  bool head_done() const override { return this->is_header_done(); }
  bool done() const override { return this->is_done(); }
  RequestHead TakeRequest() override { return std::move(request_); }
  ResponseHead TakeResponse() override { return {status_code_, std::move(headers_)}; }
  bool keep_alive() const override { return Base::keep_alive(); }
  const Headers& trailers() const override { return headers_; }

 private:
  using Base = beast::http::basic_parser<kRequest>;
  // How many bytes the complete head has; 0 when it is not complete.
  std::expected<size_t, Http1Refusal> FindHeadEnd(std::string_view bytes);
  std::expected<size_t, Http1Refusal> FeedHead(std::string_view bytes);
  std::expected<size_t, Http1Refusal> FeedBody(std::string_view bytes);
  std::expected<void, Http1Refusal> CheckHead();
  std::expected<void, Http1Refusal> CheckRequest();
  std::expected<void, Http1Refusal> SplitTarget();

  void on_request_impl(beast::http::verb, Piece method, Piece target, int version,
                       error_code&) override {
    request_.method = method;
    target_ = target;
    version_ = version;
  }
  void on_response_impl(int code, Piece, int version, error_code&) override {
    status_code_ = code;
    version_ = version;
  }
  void on_field_impl(beast::http::field, Piece name, Piece value, error_code& error) override {
    if (headers_.fields().size() >= limits_.header_count_max) {
      error = beast::http::error::header_limit;
      return;
    }
    headers_.Add(AsciiLower(View(name)), std::string(value));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(Piece body, error_code&) override {
    sink_.OnParsedBody(View(body));
    return body.size();
  }
  void on_chunk_header_impl(uint64_t, Piece, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, Piece body, error_code&) override {
    if (!body.empty()) sink_.OnParsedBody(View(body));
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  const HttpLimits& limits_;
  BodySink& sink_;
  RequestHead request_;
  Headers headers_;  // of the head until it was taken, then the trailers
  std::string target_;
  size_t scanned_ = 0;  // bytes in which FindHeadEnd() found no end
  int version_ = 11;
  int status_code_ = 0;
};

// Looks at line ends only, which decides what Beast would let pass: bare LF and folded lines.
template <bool kRequest>
std::expected<size_t, Http1Refusal> Parser<kRequest>::FindHeadEnd(std::string_view bytes) {
  std::string_view head = bytes.substr(0, limits_.header_bytes_max);
  // Two bytes again: the line end whose next byte was missing.
  for (size_t i = scanned_ > 2 ? scanned_ - 2 : 0;; ++i) {
    i = head.find('\n', i);
    if (i == std::string_view::npos) break;
    if (i == 0 || head[i - 1] != '\r') return BadRequest("a line of the header ends without CR");
    if (i + 1 < head.size() && (head[i + 1] == ' ' || head[i + 1] == '\t')) {
      return BadRequest("a line of the header is folded");
    }
    if (i >= 3 && head[i - 2] == '\n') return i + 1;
  }
  if (bytes.size() >= limits_.header_bytes_max) {
    return Refuse(
        431, Code::kTooLarge,
        "the header is over the limit of " + std::to_string(limits_.header_bytes_max) + " bytes");
  }
  scanned_ = head.size();
  return 0;
}

template <bool kRequest>
std::expected<size_t, Http1Refusal> Parser<kRequest>::Feed(std::string_view bytes) {
  if (this->is_done() || bytes.empty()) return 0;
  return head_done() ? FeedBody(bytes) : FeedHead(bytes);
}

template <bool kRequest>
std::expected<size_t, Http1Refusal> Parser<kRequest>::FeedHead(std::string_view bytes) {
  // Empty lines before a request are passed over (RFC 9112 2.2).
  size_t skipped = 0;
  while (kRequest && scanned_ == 0 && bytes.substr(skipped).starts_with("\r\n")) skipped += 2;
  bytes.remove_prefix(skipped);
  if (bytes.empty() || bytes == "\r") return skipped;
  if (!IsToken(bytes.substr(0, 1))) return BadRequest("this is not HTTP");
  std::expected<size_t, Http1Refusal> size = FindHeadEnd(bytes);
  if (!size) return std::unexpected(size.error());
  if (*size == 0) return skipped;
  error_code error;
  size_t used = this->put(boost::asio::const_buffer(bytes.data(), *size), error);
  if (error) return FromBeast(error);
  if (used != *size || !head_done()) return BadRequest("malformed HTTP: stray line end");
  if (auto checked = CheckHead(); !checked) return std::unexpected(checked.error());
  return skipped + *size;
}

template <bool kRequest>
std::expected<size_t, Http1Refusal> Parser<kRequest>::FeedBody(std::string_view bytes) {
  size_t used = 0;
  while (!this->is_done() && used < bytes.size()) {
    error_code error;
    used += this->put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), error);
    if (error == beast::http::error::need_more) break;
    if (error) return FromBeast(error);
  }
  // What is left is a chunk header or the trailers, as yet without an end.
  if (!this->is_done() && bytes.size() - used >= limits_.header_bytes_max) {
    return Refuse(431, Code::kTooLarge, "a chunk header or the trailers are over the limit");
  }
  return used;
}

template <bool kRequest>
std::expected<void, Http1Refusal> Parser<kRequest>::End() {
  if (this->is_done()) return {};
  if (!head_done()) return BadRequest("the connection ended within a header");
  error_code error;
  this->put_eof(error);
  if (error) return BadRequest("the connection ended within a message");
  return {};
}

template <bool kRequest>
std::expected<void, Http1Refusal> Parser<kRequest>::CheckHead() {
  for (const HeaderField& field : headers_.fields()) {
    if (!IsFieldValue(field.value)) return BadRequest("a header value has a control character");
  }
  if (headers_.Count("content-length") > 1) return BadRequest("Content-Length occurs twice");
  if (auto length = headers_.Get("content-length");
      length && length->find_first_not_of("0123456789") != std::string_view::npos) {
    return BadRequest("Content-Length is not a number");
  }
  if (size_t codings = headers_.Count("transfer-encoding"); codings > 0) {
    if (version_ < 11) return BadRequest("Transfer-Encoding in HTTP/1.0");
    if (codings > 1) return BadRequest("Transfer-Encoding occurs twice");
    if (headers_.Count("content-length") > 0) {
      return BadRequest("both Content-Length and Transfer-Encoding");
    }
    if (!AsciiEqual(*headers_.Get("transfer-encoding"), "chunked")) {
      return Refuse(501, Code::kUnimplemented, "the only transfer coding is chunked");
    }
  }
  if constexpr (kRequest) return CheckRequest();
  return {};
}

template <bool kRequest>
std::expected<void, Http1Refusal> Parser<kRequest>::CheckRequest() {
  size_t hosts = headers_.Count("host");
  if (hosts > 1 || (hosts == 0 && version_ >= 11)) {
    return BadRequest("Host must occur exactly once");
  }
  std::string_view host = headers_.Get("host").value_or("");
  if (host.find_first_of(" \t/?#@\\,\"<>") != std::string_view::npos) {
    return BadRequest("Host is not a host");
  }
  request_.authority = host;
  request_.scheme = "http";
  request_.version = version_;
  if (auto split = SplitTarget(); !split) return split;
  request_.headers = std::exchange(headers_, {});
  return {};
}

// Origin form, absolute form and "*" (RFC 9112 3.2).
template <bool kRequest>
std::expected<void, Http1Refusal> Parser<kRequest>::SplitTarget() {
  std::string_view target = target_;
  if (request_.method == "CONNECT") {
    return Refuse(501, Code::kUnimplemented, "CONNECT is not served");
  }
  bool visible = std::ranges::all_of(target, [](char c) { return c > 0x20 && c < 0x7F; });
  if (!visible || target.find('#') != std::string_view::npos) {
    return BadRequest("the request target has a character that must be percent-encoded");
  }
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!AsciiEqual(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    size_t end = std::min(target.find_first_of("/?"), target.size());
    if (end == 0 || target.substr(0, end).find('@') != std::string_view::npos) {
      return BadRequest("the request target has no host");
    }
    request_.authority = target.substr(0, end);
    target.remove_prefix(end);
    if (target.empty()) target = "/";
    break;
  }
  size_t mark = std::min(target.find('?'), target.size());
  request_.path = mark == 0 ? "/" : target.substr(0, mark);
  if (mark < target.size()) request_.query = target.substr(mark + 1);
  bool asterisk = target == "*" && request_.method == "OPTIONS";
  if (!request_.path.starts_with('/') && !asterisk) {
    return BadRequest("the request target must begin with a slash");
  }
  return {};
}

}  // namespace

std::unique_ptr<Http1Parser> Http1Parser::ForRequest(const HttpLimits& limits, BodySink& sink) {
  return std::make_unique<Parser<true>>(limits, sink);
}

std::unique_ptr<Http1Parser> Http1Parser::ForResponse(const HttpLimits& limits, BodySink& sink,
                                                      bool to_head) {
  auto parser = std::make_unique<Parser<false>>(limits, sink);
  if (to_head) parser->SkipBody();
  return parser;
}

}  // namespace galaxy::push
