#pragma once

#include <memory>

namespace google::protobuf {
class FileDescriptor;
}

namespace galaxy::push {

class GrpcRouter;

// grpc.reflection.v1 and v1alpha ServerReflection over the descriptors that protobuf generates.
//
//     GrpcReflection reflection;
//     reflection.Add(*push::v1::PushEvent::descriptor()->file());   // Push is listed
//     reflection.AddTo(router);
//
// Only services of added files are listed (and the reflection services themselves); only added
// files and what they import can be read.
//
//   Threads   The router's loop; Add() before the first call.
//   Limits    A request is at most 64 KiB.
class GrpcReflection {
 public:
  GrpcReflection();
  ~GrpcReflection();
  GrpcReflection(const GrpcReflection&) = delete;
  GrpcReflection& operator=(const GrpcReflection&) = delete;

  void Add(const google::protobuf::FileDescriptor& file);
  void AddTo(GrpcRouter& router);

 private:
  struct Files;
  std::shared_ptr<Files> files_;
};

}  // namespace galaxy::push
