#include "envelope/encode.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "base/base64.h"
#include "base/ids.h"

namespace galaxy::push {
namespace {

template <size_t N>
std::string_view AsBytes(const std::array<unsigned char, N>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), N};
}

// --- JSON ---

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighs = 0x8080808080808080;

// Bytes equal to `c` have their high bit set in the result (and perhaps bytes above such a one).
constexpr uint64_t Match(uint64_t word, unsigned char c) {
  uint64_t x = word ^ (kOnes * c);
  return (x - kOnes) & ~x & kHighs;
}

// Where the first byte stands that needs an escape; 8 when there is none.
size_t PlainBytes(uint64_t word) {
  static_assert(std::endian::native == std::endian::little);
  uint64_t below_space = (word - kOnes * 0x20) & ~word & kHighs;
  uint64_t hit = below_space | Match(word, '"') | Match(word, '\\') | Match(word, 0x7F);
  // The lowest hit is exact; false ones stand above it only.
  return hit == 0 ? 8 : static_cast<size_t>(std::countr_zero(hit)) / 8;
}

// Writes at most kEscapeMax bytes.
constexpr size_t kEscapeMax = 6;
char* WriteEscape(char* to, unsigned char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  *to++ = '\\';
  switch (c) {
    case '"':
    case '\\':
      *to++ = static_cast<char>(c);
      return to;
    case '\n':
      *to++ = 'n';
      return to;
    case '\r':
      *to++ = 'r';
      return to;
    case '\t':
      *to++ = 't';
      return to;
    default:
      for (char digit : {'u', '0', '0', kHex[c >> 4], kHex[c & 15]}) *to++ = digit;
      return to;
  }
}

// Eight bytes are stored at a time and overwritten where one needed an escape; `to` has room for
// kEscapeMax bytes per byte of `text`, and eight.
char* WriteEscaped(char* to, std::string_view text) {
  const char* at = text.data();
  const char* end = at + text.size();
  while (end - at >= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    std::memcpy(to, &word, 8);
    size_t plain = PlainBytes(word);
    to += plain;
    at += plain;
    if (plain < 8) to = WriteEscape(to, static_cast<unsigned char>(*at++));
  }
  for (; at < end; ++at) {
    unsigned char c = static_cast<unsigned char>(*at);
    if (c < 0x20 || c == '"' || c == '\\' || c == 0x7F) {
      to = WriteEscape(to, c);
    } else {
      *to++ = *at;
    }
  }
  return to;
}

void AppendMember(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out.append(name);
  AppendJsonString(out, value);
}

void AppendNumber(std::string& out, uint64_t value) {
  char text[20];
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, end);
}

void AppendPayload(std::string& out, std::string_view payload) {
  if (IsValidUtf8(payload)) {
    out += R"("payload":)";
    AppendJsonString(out, payload);
    return;
  }
  out += R"("payload_b64":")";
  AppendBase64(out, payload);
  out += '"';
}

void AppendProof(std::string& out, const EventProof& proof) {
  out += R"(,"proof":{"kid":")";
  out += proof.kid;
  out += R"(","salt":")";
  AppendBase64Url(out, AsBytes(proof.salt));
  out += R"(","signed_at_ms":)";
  AppendNumber(out, proof.signed_at_ms);
  out += R"(,"size":)";
  AppendNumber(out, proof.size);
  out += R"(,"index":)";
  AppendNumber(out, proof.index);
  out += R"(,"path":")";
  AppendBase64Url(out, proof.path.bytes());
  out += R"(","sig":")";
  AppendBase64Url(out, AsBytes(proof.sig));
  out += "\"}";
}

// --- Protobuf (encoding of the protocol buffers wire format, proto3) ---

// Field numbers of edge.proto.
enum EventField : unsigned {
  kIssuer = 1,
  kUserId,
  kDeviceSessionId,
  kKind,
  kPayload,
  kEventId,
  kRequestId,
  kTraceId,
  kCursor,
  kProof
};
enum ProofField : unsigned { kKid = 1, kSalt, kSignedAtMs, kSize, kIndex, kPath, kSig };
constexpr unsigned kFrameEvent = 2;
constexpr unsigned kVarint = 0;
constexpr unsigned kLength = 2;

// All tags here fit one byte.
char Tag(unsigned field, unsigned wire_type) { return static_cast<char>(field << 3 | wire_type); }

size_t VarintSize(uint64_t value) {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}

void AppendVarint(std::string& out, uint64_t value) {
  char text[10];
  size_t n = 0;
  for (; value >= 0x80; value >>= 7) text[n++] = static_cast<char>(value | 0x80);
  text[n++] = static_cast<char>(value);
  out.append(text, n);
}

size_t BytesSize(std::string_view bytes) {
  return bytes.empty() ? 0 : 1 + VarintSize(bytes.size()) + bytes.size();
}
void AppendBytes(std::string& out, unsigned field, std::string_view bytes) {
  if (bytes.empty()) return;
  out += Tag(field, kLength);
  AppendVarint(out, bytes.size());
  out += bytes;
}

size_t NumberSize(uint64_t value) { return value == 0 ? 0 : 1 + VarintSize(value); }
void AppendNumberField(std::string& out, unsigned field, uint64_t value) {
  if (value == 0) return;
  out += Tag(field, kVarint);
  AppendVarint(out, value);
}

size_t ProofSize(const EventProof& proof) {
  return BytesSize(proof.kid) + BytesSize(AsBytes(proof.salt)) + NumberSize(proof.signed_at_ms) +
         NumberSize(proof.size) + NumberSize(proof.index) + BytesSize(proof.path.bytes()) +
         BytesSize(AsBytes(proof.sig));
}

void AppendProofFields(std::string& out, const EventProof& proof) {
  AppendBytes(out, kKid, proof.kid);
  AppendBytes(out, kSalt, AsBytes(proof.salt));
  AppendNumberField(out, kSignedAtMs, proof.signed_at_ms);
  AppendNumberField(out, kSize, proof.size);
  AppendNumberField(out, kIndex, proof.index);
  AppendBytes(out, kPath, proof.path.bytes());
  AppendBytes(out, kSig, AsBytes(proof.sig));
}

}  // namespace

void AppendJsonString(std::string& out, std::string_view text) {
  // In chunks, so that room for the worst case is never large.
  constexpr size_t kChunk = 512;
  out += '"';
  while (!text.empty()) {
    std::string_view chunk = text.substr(0, kChunk);
    size_t begin = out.size();
    out.resize_and_overwrite(begin + chunk.size() * kEscapeMax + 8, [&](char* data, size_t) {
      return static_cast<size_t>(WriteEscaped(data + begin, chunk) - data);
    });
    text.remove_prefix(chunk.size());
  }
  out += '"';
}

void AppendJsonEnvelope(std::string& out, std::string_view issuer, const EventFields& event,
                        const EventProof& proof) {
  out += R"({"issuer":)";
  AppendJsonString(out, issuer);
  AppendMember(out, R"(,"user_id":)", event.user_id);
  AppendMember(out, R"(,"device_session_id":)", event.device_session_id);
  AppendMember(out, R"(,"kind":)", event.kind);
  out += ',';
  AppendPayload(out, event.payload);
  AppendMember(out, R"(,"event_id":)", event.event_id);
  AppendMember(out, R"(,"request_id":)", event.request_id);
  AppendMember(out, R"(,"trace_id":)", event.trace_id);
  AppendMember(out, R"(,"cursor":)", event.cursor);
  AppendProof(out, proof);
  out += '}';
}

size_t ProtoEnvelopeSize(std::string_view issuer, const EventFields& event,
                         const EventProof& proof) {
  size_t proof_size = ProofSize(proof);
  return BytesSize(issuer) + BytesSize(event.user_id) + BytesSize(event.device_session_id) +
         BytesSize(event.kind) + BytesSize(event.payload) + BytesSize(event.event_id) +
         BytesSize(event.request_id) + BytesSize(event.trace_id) + BytesSize(event.cursor) + 1 +
         VarintSize(proof_size) + proof_size;
}

void AppendProtoEnvelope(std::string& out, std::string_view issuer, const EventFields& event,
                         const EventProof& proof) {
  AppendBytes(out, kIssuer, issuer);
  AppendBytes(out, kUserId, event.user_id);
  AppendBytes(out, kDeviceSessionId, event.device_session_id);
  AppendBytes(out, kKind, event.kind);
  AppendBytes(out, kPayload, event.payload);
  AppendBytes(out, kEventId, event.event_id);
  AppendBytes(out, kRequestId, event.request_id);
  AppendBytes(out, kTraceId, event.trace_id);
  AppendBytes(out, kCursor, event.cursor);
  out += Tag(kProof, kLength);
  AppendVarint(out, ProofSize(proof));
  AppendProofFields(out, proof);
}

void AppendJsonEventFrame(std::string& out, std::string_view issuer, const EventFields& event,
                          const EventProof& proof) {
  out += R"({"event":)";
  AppendJsonEnvelope(out, issuer, event, proof);
  out += '}';
}

void AppendProtoEventFrame(std::string& out, std::string_view issuer, const EventFields& event,
                           const EventProof& proof) {
  out += Tag(kFrameEvent, kLength);
  AppendVarint(out, ProtoEnvelopeSize(issuer, event, proof));
  AppendProtoEnvelope(out, issuer, event, proof);
}

}  // namespace galaxy::push
