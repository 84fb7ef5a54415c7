#include "http/url.h"

namespace galaxy::push {
namespace {

std::unexpected<Error> Bad(std::string_view text, std::string_view why) {
  return Fail(Code::kInvalidArgument,
              "\"" + std::string(text) + "\" is not a URL of ours: " + std::string(why), "url");
}

}  // namespace

Result<ServerUrl> ServerUrl::Parse(std::string_view text) {
  size_t mark = text.find("://");
  if (mark == std::string_view::npos) return Bad(text, "it has no scheme, as in ws://127.0.0.1:80");
  ServerUrl url;
  url.scheme = text.substr(0, mark);
  if (url.scheme != "ws" && url.scheme != "http" && !url.tls())
    return Bad(text, "the scheme is none of http, https, ws, wss");
  std::string_view rest = text.substr(mark + 3);
  if (rest.find('#') != std::string_view::npos) return Bad(text, "it has a fragment");
  size_t end = std::min(rest.find_first_of("/?"), rest.size());
  std::string authority(rest.substr(0, end));
  if (authority.find('@') != std::string::npos) return Bad(text, "it has a user name");
  size_t colon = authority.rfind(':');
  bool has_port = colon != std::string::npos && authority.find(']', colon) == std::string::npos;
  Result<Address> address =
      Address::Parse(has_port ? authority : authority + (url.tls() ? ":443" : ":80"));
  if (!address) return Bad(text, address.error().message);
  url.address = *address;
  url.target = rest.substr(end);
  if (!url.target.starts_with('/')) url.target.insert(0, 1, '/');
  return url;
}

}  // namespace galaxy::push
