#include "grpc/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "grpc/server.h"

namespace galaxy::push {
namespace {

namespace pb = ::grpc::reflection::v1;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;

constexpr size_t kRequestBytesMax = 64 * 1024;
// Answers that wait for the client; it is read no further until they went out.
constexpr size_t kQueuedBytesMax = 1024 * 1024;

void Collect(const FileDescriptor& file, std::set<const FileDescriptor*>& out) {
  if (!out.insert(&file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) Collect(*file.dependency(i), out);
}

// The file first, then what it imports: enough for a client to build it without asking again.
void AnswerFile(const FileDescriptor& file, pb::ServerReflectionResponse& response) {
  std::set<const FileDescriptor*> files;
  Collect(file, files);
  files.erase(&file);
  auto* out = response.mutable_file_descriptor_response();
  auto add = [&](const FileDescriptor& one) {
    google::protobuf::FileDescriptorProto proto;
    one.CopyTo(&proto);
    out->add_file_descriptor_proto(proto.SerializeAsString());
  };
  add(file);
  for (const FileDescriptor* imported : files) add(*imported);
}

void AnswerError(GrpcStatus status, std::string message, pb::ServerReflectionResponse& response) {
  auto* error = response.mutable_error_response();
  error->set_error_code(static_cast<int>(status));
  error->set_error_message(std::move(message));
}

}  // namespace

struct GrpcReflection::Files {
  class Call;
  std::vector<const FileDescriptor*> added;
  std::set<const FileDescriptor*> readable;

  pb::ServerReflectionResponse Answer(const pb::ServerReflectionRequest& request) const;

 private:
  void AnswerFileOf(const FileDescriptor* file, pb::ServerReflectionResponse& response) const {
    if (file == nullptr || !readable.contains(file)) {
      return AnswerError(GrpcStatus::kNotFound, "not found", response);
    }
    AnswerFile(*file, response);
  }
  void AnswerExtensions(const std::string& type, pb::ServerReflectionResponse& response) const;
  void AnswerServices(pb::ServerReflectionResponse& response) const;
};

pb::ServerReflectionResponse GrpcReflection::Files::Answer(
    const pb::ServerReflectionRequest& request) const {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  pb::ServerReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case pb::ServerReflectionRequest::kFileByFilename:
      AnswerFileOf(pool.FindFileByName(request.file_by_filename()), response);
      break;
    case pb::ServerReflectionRequest::kFileContainingSymbol:
      AnswerFileOf(pool.FindFileContainingSymbol(request.file_containing_symbol()), response);
      break;
    case pb::ServerReflectionRequest::kFileContainingExtension: {
      const auto& wanted = request.file_containing_extension();
      const Descriptor* type = pool.FindMessageTypeByName(wanted.containing_type());
      const FieldDescriptor* extension =
          type != nullptr ? pool.FindExtensionByNumber(type, wanted.extension_number()) : nullptr;
      AnswerFileOf(extension != nullptr ? extension->file() : nullptr, response);
      break;
    }
    case pb::ServerReflectionRequest::kAllExtensionNumbersOfType:
      AnswerExtensions(request.all_extension_numbers_of_type(), response);
      break;
    case pb::ServerReflectionRequest::kListServices:
      AnswerServices(response);
      break;
    case pb::ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      AnswerError(GrpcStatus::kInvalidArgument, "message_request is not set", response);
      break;
  }
  return response;
}

void GrpcReflection::Files::AnswerExtensions(const std::string& type,
                                             pb::ServerReflectionResponse& response) const {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  const Descriptor* message = pool.FindMessageTypeByName(type);
  if (message == nullptr || !readable.contains(message->file())) {
    return AnswerError(GrpcStatus::kNotFound, "not found", response);
  }
  auto* out = response.mutable_all_extension_numbers_response();
  out->set_base_type_name(type);
  std::vector<const FieldDescriptor*> extensions;
  pool.FindAllExtensions(message, &extensions);
  for (const FieldDescriptor* extension : extensions) {
    if (readable.contains(extension->file())) out->add_extension_number(extension->number());
  }
}

void GrpcReflection::Files::AnswerServices(pb::ServerReflectionResponse& response) const {
  std::set<std::string> names;
  for (const FileDescriptor* file : added) {
    for (int i = 0; i < file->service_count(); ++i) names.insert(file->service(i)->full_name());
  }
  auto* out = response.mutable_list_services_response();
  for (const std::string& name : names) out->add_service()->set_name(name);
}

// v1 and v1alpha have the same messages, so both are served by the classes of v1.
class GrpcReflection::Files::Call final : public GrpcCallHandler {
 public:
  Call(GrpcServerCall& call, std::shared_ptr<const Files> files)
      : call_(call), files_(std::move(files)) {}

  void OnMessage(std::string_view message) override {
    pb::ServerReflectionRequest request;
    if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      return call_.Finish({Code::kInvalidArgument, "not a ServerReflectionRequest", {}});
    }
    call_.Write(files_->Answer(request).SerializeAsString());
    if (call_.QueuedBytes() > kQueuedBytesMax) call_.PauseMessages();
  }
  void OnHalfClose() override { call_.Finish(GrpcStatus::kOk, ""); }
  void OnCancelled(const Error&) override {}
  void OnProgress() override {
    if (call_.QueuedBytes() <= kQueuedBytesMax) call_.ResumeMessages();
  }

 private:
  GrpcServerCall& call_;
  std::shared_ptr<const Files> files_;
};

GrpcReflection::GrpcReflection() : files_(std::make_shared<Files>()) {
  Add(*pb::ServerReflectionRequest::descriptor()->file());
  Add(*::grpc::reflection::v1alpha::ServerReflectionRequest::descriptor()->file());
}

GrpcReflection::~GrpcReflection() = default;

void GrpcReflection::Add(const google::protobuf::FileDescriptor& file) {
  files_->added.push_back(&file);
  Collect(file, files_->readable);
}

void GrpcReflection::AddTo(GrpcRouter& router) {
  GrpcMethod method = [files = files_](GrpcServerCall& call) {
    return std::make_unique<Files::Call>(call, files);
  };
  for (const char* version : {"v1", "v1alpha"}) {
    router.Add(
        std::string("/grpc.reflection.") + version + ".ServerReflection/ServerReflectionInfo",
        method, kRequestBytesMax);
  }
}

}  // namespace galaxy::push
