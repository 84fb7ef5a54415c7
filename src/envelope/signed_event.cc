#include "envelope/signed_event.h"

#include <algorithm>

#include "base/base64.h"
#include "envelope/strict_json.h"
#include "galaxy/gateway/v1/edge.pb.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

constexpr uint64_t kNumberMax = (1ull << 53) - 1;
constexpr int kDepthMax = 16;

std::unexpected<Error> Refuse(const char* field, const char* message) {
  return Fail(Code::kInvalidArgument, std::string(field) + " " + message, field);
}

Status CheckSize(std::string_view bytes) {
  if (bytes.size() <= kEnvelopeBytesMax) return {};
  return Fail(Code::kTooLarge, "the envelope is over 1 MiB");
}

// Moves the member into `out`; a missing one is empty.
Status TakeText(json& object, const char* name, std::string& out) {
  auto it = object.find(name);
  if (it == object.end()) return {};
  auto* text = it->get_ptr<std::string*>();
  if (text == nullptr) return Refuse(name, "is not a string");
  out = std::move(*text);
  return {};
}

Status TakePayload(json& object, std::string& out) {
  bool is_text = object.contains("payload");
  if (is_text == object.contains("payload_b64")) {
    return Refuse("payload", "or payload_b64 must be there, and only one of them");
  }
  if (is_text) return TakeText(object, "payload", out);
  std::string text;
  if (Status taken = TakeText(object, "payload_b64", text); !taken) return taken;
  Result<std::string> bytes = DecodeBase64(text);
  if (!bytes) return Refuse("payload_b64", "is not canonical base64");
  out = std::move(*bytes);
  return {};
}

Status TakeBytes(const json& proof, const char* name, std::string& out) {
  const std::string* text = FindString(proof, name);
  if (text == nullptr) return Refuse(name, "of the proof is missing or not a string");
  Result<std::string> bytes = DecodeBase64Url(*text);
  if (!bytes) return Refuse(name, "is not canonical unpadded base64url");
  out = std::move(*bytes);
  return {};
}

Status TakeNumber(const json& proof, const char* name, uint64_t& out) {
  auto it = proof.find(name);
  if (it == proof.end()) return Refuse(name, "of the proof is missing");
  if (!it->is_number_unsigned() || it->get<uint64_t>() > kNumberMax) {
    return Refuse(name, "is not a whole number below 2^53");
  }
  out = it->get<uint64_t>();
  return {};
}

// What holds in every encoding.
Status CheckLengths(const SignedEvent::Proof& proof, std::string_view salt) {
  if (proof.kid.empty()) return Refuse("kid", "is empty");
  if (salt.size() != sizeof(Salt)) return Refuse("salt", "is not 16 bytes");
  if (proof.path.size() % sizeof(Hash) != 0) return Refuse("path", "is not whole hashes");
  if (proof.sig.size() != 64) return Refuse("sig", "is not 64 bytes");
  if (proof.signed_at_ms > kNumberMax) return Refuse("signed_at_ms", "is not below 2^53");
  return {};
}

Status FinishProof(SignedEvent::Proof& proof, std::string_view salt) {
  if (Status status = CheckLengths(proof, salt); !status) return status;
  std::copy(salt.begin(), salt.end(), reinterpret_cast<char*>(proof.salt.data()));
  return {};
}

Status TakeProof(json& envelope, SignedEvent::Proof& out) {
  auto it = envelope.find("proof");
  if (it == envelope.end() || !it->is_object()) return Refuse("proof", "is missing or no object");
  if (FindString(*it, "kid") == nullptr) return Refuse("kid", "is missing or not a string");
  std::string salt;
  Status status = TakeText(*it, "kid", out.kid);
  if (status) status = TakeBytes(*it, "salt", salt);
  if (status) status = TakeBytes(*it, "path", out.path);
  if (status) status = TakeBytes(*it, "sig", out.sig);
  if (status) status = TakeNumber(*it, "signed_at_ms", out.signed_at_ms);
  if (status) status = TakeNumber(*it, "size", out.size);
  if (status) status = TakeNumber(*it, "index", out.index);
  if (status) status = FinishProof(out, salt);
  return status;
}

Result<SignedEvent> FromJson(json& envelope) {
  SignedEvent out;
  const std::pair<const char*, std::string*> texts[] = {
      {"issuer", &out.issuer},
      {"user_id", &out.user_id},
      {"device_session_id", &out.device_session_id},
      {"kind", &out.kind},
      {"event_id", &out.event_id},
      {"request_id", &out.request_id},
      {"trace_id", &out.trace_id},
      {"cursor", &out.cursor}};
  for (const auto& [name, field] : texts) {
    if (Status taken = TakeText(envelope, name, *field); !taken) {
      return std::unexpected(taken.error());
    }
  }
  Status status = TakePayload(envelope, out.payload);
  if (status) status = TakeProof(envelope, out.proof);
  if (!status) return std::unexpected(status.error());
  return out;
}

}  // namespace

Result<SignedEvent> ParseJsonEnvelope(std::string_view text) {
  if (Status status = CheckSize(text); !status) return std::unexpected(status.error());
  Result<json> envelope = ParseStrictObject(text, kDepthMax);
  if (!envelope) return std::unexpected(envelope.error());
  return FromJson(*envelope);
}

Result<SignedEvent> ParseJsonEventFrame(std::string_view text) {
  if (Status status = CheckSize(text); !status) return std::unexpected(status.error());
  Result<json> frame = ParseStrictObject(text, kDepthMax);
  if (!frame) return std::unexpected(frame.error());
  auto event = frame->find("event");
  if (event == frame->end() || !event->is_object()) {
    return Refuse("event", "is missing or no object");
  }
  return FromJson(*event);
}

Result<SignedEvent> ParseProtoEnvelope(std::string_view bytes) {
  if (Status status = CheckSize(bytes); !status) return std::unexpected(status.error());
  gateway::v1::SignedEvent message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Fail(Code::kInvalidArgument, "not a SignedEvent message");
  }
  return FromProtoEnvelope(message);
}

Result<SignedEvent> FromProtoEnvelope(const gateway::v1::SignedEvent& message) {
  if (!message.has_proof()) return Refuse("proof", "is missing");
  SignedEvent out;
  out.issuer = message.issuer();
  out.user_id = message.user_id();
  out.device_session_id = message.device_session_id();
  out.kind = message.kind();
  out.event_id = message.event_id();
  out.request_id = message.request_id();
  out.trace_id = message.trace_id();
  out.cursor = message.cursor();
  out.payload = message.payload();
  const gateway::v1::Proof& proof = message.proof();
  out.proof.kid = proof.kid();
  out.proof.signed_at_ms = proof.signed_at_ms();
  out.proof.size = proof.size();
  out.proof.index = proof.index();
  out.proof.path = proof.path();
  out.proof.sig = proof.sig();
  if (Status status = FinishProof(out.proof, proof.salt()); !status) {
    return std::unexpected(status.error());
  }
  return out;
}

}  // namespace galaxy::push
