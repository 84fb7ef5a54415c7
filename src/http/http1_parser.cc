#include "http/http1_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <optional>

#include "http/chunk_decoder.h"
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

// Beast's parser for the head, with the fields collected into Headers; the body is decoded here.
template <bool kRequest>
class Parser final : public Http1Parser, private beast::http::basic_parser<kRequest> {
 public:
  Parser(const HttpLimits& limits, BodySink& sink) : limits_(limits), sink_(sink) {
    this->body_limit(boost::none);
    this->eager(false);
    this->header_limit(static_cast<uint32_t>(limits.header_bytes_max));
  }
  void SkipBody() { this->skip(true); }

  std::expected<size_t, Http1Refusal> Feed(std::string_view bytes) override;
  std::expected<void, Http1Refusal> End() override;
  bool head_done() const override { return framing_ != Framing::kUnknown; }
  bool done() const override { return framing_ == Framing::kDone; }
  RequestHead TakeRequest() override { return std::move(request_); }
  ResponseHead TakeResponse() override { return {status_code_, std::move(headers_)}; }
  bool keep_alive() const override { return Base::keep_alive(); }
  const Headers& trailers() const override {
    static const Headers none;
    return chunks_ ? chunks_->trailers() : none;
  }

 private:
  using Base = beast::http::basic_parser<kRequest>;
  // What is to come: the head, a body of one kind or another, or nothing.
  enum class Framing : uint8_t { kUnknown, kLength, kChunked, kToEnd, kDone };
  // How many bytes the complete head has; 0 when it is not complete.
  std::expected<size_t, Http1Refusal> FindHeadEnd(std::string_view bytes);
  std::expected<size_t, Http1Refusal> FeedHead(std::string_view bytes);
  std::expected<size_t, Http1Refusal> FeedBody(std::string_view bytes);
  void ChooseFraming();
  std::expected<void, Http1Refusal> CheckHead();
  std::expected<void, Http1Refusal> CheckRequest();
  std::expected<void, Http1Refusal> SplitTarget();

  void on_request_impl(beast::http::verb, Piece method, Piece target, int version,
                       error_code&) override {
    request_.method = method;
    target_ = target;
    version_ = version;
  }
  void on_response_impl(int code, Piece, int version, error_code& error) override {
    if (code < 100) error = beast::http::error::bad_status;  // RFC 9110 15; Beast takes 000
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
  // Beast is given the head only.
  size_t on_body_impl(Piece, error_code&) override { return 0; }
  void on_chunk_header_impl(uint64_t, Piece, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, Piece, error_code&) override { return 0; }
  void on_finish_impl(error_code&) override {}

  const HttpLimits& limits_;
  BodySink& sink_;
  RequestHead request_;
  Headers headers_;
  std::optional<ChunkDecoder> chunks_;
  uint64_t remaining_ = 0;  // kLength
  Framing framing_ = Framing::kUnknown;
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
    // Before the next byte is looked at: behind the empty line it is the body's.
    if (i >= 3 && head[i - 2] == '\n') return i + 1;
    if (i + 1 < head.size() && (head[i + 1] == ' ' || head[i + 1] == '\t')) {
      return BadRequest("a line of the header is folded");
    }
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
  if (done() || bytes.empty()) return 0;
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
  if (used != *size || !this->is_header_done()) return BadRequest("malformed HTTP: stray line end");
  if (auto checked = CheckHead(); !checked) return std::unexpected(checked.error());
  ChooseFraming();
  return skipped + *size;
}

template <bool kRequest>
void Parser<kRequest>::ChooseFraming() {
  if (this->is_done()) {  // by its kind, or a length of 0
    framing_ = Framing::kDone;
  } else if (this->chunked()) {
    framing_ = Framing::kChunked;
    chunks_.emplace(limits_, sink_);
  } else if (auto length = this->content_length()) {
    framing_ = Framing::kLength;
    remaining_ = *length;
  } else {
    framing_ = Framing::kToEnd;
  }
}

template <bool kRequest>
std::expected<size_t, Http1Refusal> Parser<kRequest>::FeedBody(std::string_view bytes) {
  if (framing_ == Framing::kChunked) {
    std::expected<size_t, Http1Refusal> used = chunks_->Feed(bytes);
    if (chunks_->done()) framing_ = Framing::kDone;
    return used;
  }
  if (framing_ == Framing::kLength) {
    bytes = bytes.substr(0, static_cast<size_t>(std::min<uint64_t>(remaining_, bytes.size())));
    remaining_ -= bytes.size();
    if (remaining_ == 0) framing_ = Framing::kDone;
  }
  sink_.OnParsedBody(bytes);
  return bytes.size();
}

template <bool kRequest>
std::expected<void, Http1Refusal> Parser<kRequest>::End() {
  if (!head_done()) return BadRequest("the connection ended within a header");
  if (framing_ == Framing::kToEnd) framing_ = Framing::kDone;
  if (!done()) return BadRequest("the connection ended within a message");
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
