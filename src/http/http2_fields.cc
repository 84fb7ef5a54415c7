#include "http/http2_fields.h"

#include <nghttp2/nghttp2.h>

#include <string>

namespace galaxy::push {

Error Http2Error(uint32_t http2_error) {
  std::string text = std::string("the stream was reset: ") + nghttp2_http2_strerror(http2_error);
  switch (http2_error) {
    case NGHTTP2_REFUSED_STREAM:
      return {Code::kUnavailable, std::move(text), {}};
    case NGHTTP2_CANCEL:
      return {Code::kCancelled, std::move(text), {}};
    case NGHTTP2_ENHANCE_YOUR_CALM:
      return {Code::kResourceExhausted, std::move(text), {}};
    case NGHTTP2_INADEQUATE_SECURITY:
      return {Code::kPermissionDenied, std::move(text), {}};
    default:
      return {Code::kInternal, std::move(text), {}};
  }
}

}  // namespace galaxy::push
