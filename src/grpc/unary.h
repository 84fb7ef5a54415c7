#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "grpc/server.h"

namespace galaxy::push {

// Answers a unary call at once: the serialized response, or the error the call ends with.
using UnaryFunction = std::function<Result<std::string>(GrpcServerCall&, std::string_view request)>;

// A method with exactly one request message. None, or more than one, is UNIMPLEMENTED as in every
// gRPC server (the client and the server disagree on the kind of the method).
GrpcMethod UnaryMethod(UnaryFunction function);

}  // namespace galaxy::push
