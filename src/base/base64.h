#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// Base64 (RFC 4648). Encoders append and never fail. Decoders are strict: no white space, no
// foreign alphabet, spare bits zero, so that each byte string has exactly one accepted spelling.

// Section 5, without padding: the form of JOSE and of envelope proofs.
void AppendBase64Url(std::string& out, std::string_view bytes);
std::string Base64Url(std::string_view bytes);
Result<std::string> DecodeBase64Url(std::string_view text);

// Section 4, with padding.
void AppendBase64(std::string& out, std::string_view bytes);
Result<std::string> DecodeBase64(std::string_view text);

}  // namespace galaxy::push
