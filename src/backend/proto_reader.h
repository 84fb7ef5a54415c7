#pragma once

#include <cstdint>
#include <string_view>

namespace galaxy::push {

// Walks the fields of a serialized protobuf message, without copying: for the few flat messages
// that producers and gateways send.
//
//     ProtoReader reader(message);
//     while (reader.Next()) { switch (reader.number()) … }
//     if (!reader.ok()) refuse
//
//   Lifetime  Views point into the message.
class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message) : rest_(message) {}

  // Moves to the next field. False at the end and when the message is malformed, see ok().
  bool Next();
  bool ok() const { return ok_; }

  uint32_t number() const { return number_; }
  // A string, bytes or message field, and its bytes; other wire types are passed over.
  bool delimited() const { return delimited_; }
  std::string_view bytes() const { return bytes_; }

 private:
  bool Varint(uint64_t& value, unsigned bytes_max);
  bool Take(uint64_t size);
  bool Payload(uint64_t wire_type);
  bool Malformed() {
    ok_ = false;
    return false;
  }

  std::string_view rest_;
  std::string_view bytes_;
  uint32_t number_ = 0;
  bool delimited_ = false;
  bool ok_ = true;
};

}  // namespace galaxy::push
