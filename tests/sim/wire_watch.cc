#include "wire_watch.h"

#include <optional>
#include <utility>
#include <variant>

#include "client/received_frame.h"
#include "event/cursor.h"

namespace galaxy::push::sim {
namespace {

constexpr unsigned char kText = 1;

struct WebSocketHead {
  size_t head_bytes = 0;
  size_t payload_bytes = 0;
  unsigned char opcode = 0;
};

// RFC 6455 5.2, frames of a server: not masked, and ours are never cut into fragments.
std::optional<WebSocketHead> ReadHead(std::string_view bytes) {
  auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (bytes.size() < 2) return std::nullopt;
  WebSocketHead head{2, at(1) & 0x7Fu, static_cast<unsigned char>(at(0) & 0x0F)};
  size_t more = head.payload_bytes == 126 ? 2 : head.payload_bytes == 127 ? 8 : 0;
  if (bytes.size() < 2 + more) return std::nullopt;
  if (more > 0) head.payload_bytes = 0;
  for (size_t i = 0; i < more; ++i) head.payload_bytes = head.payload_bytes << 8 | at(2 + i);
  head.head_bytes += more;
  return head;
}

// The cursor of a client's request: of its hello, the first frame behind an upgrade (masked), or
// its Last-Event-ID.
std::string Presented(std::string_view request) {
  size_t end = request.find("\r\n\r\n");
  if (end == std::string_view::npos) return "";
  constexpr std::string_view kField = "\r\nlast-event-id: ";
  std::string_view head = request.substr(0, end + 2);
  if (size_t at = head.find(kField); at != std::string_view::npos) {
    head.remove_prefix(at + kField.size());
    return std::string(head.substr(0, head.find("\r\n")));
  }
  std::string_view frame = request.substr(end + 4);
  std::optional<WebSocketHead> size = ReadHead(frame);
  if (!size || frame.size() < size->head_bytes + 4 + size->payload_bytes) return "";
  std::string_view mask = frame.substr(size->head_bytes, 4);
  std::string hello(frame.substr(size->head_bytes + 4, size->payload_bytes));
  for (size_t i = 0; i < hello.size(); ++i) hello[i] = static_cast<char>(hello[i] ^ mask[i % 4]);
  constexpr std::string_view kCursor = "\"cursor\":\"";
  size_t at = hello.find(kCursor);
  return at == std::string::npos ? "" : hello.substr(at + kCursor.size(), kCursorTextBytes);
}

}  // namespace

// One direction of one connection: an HTTP head, then frames if it is an upgrade.
class WireWatch::Reader {
 public:
  Reader(WireWatch& watch, size_t gateway, uint64_t connection)
      : watch_(watch), gateway_(gateway), connection_(connection) {}

  void Feed(std::string_view bytes) {
    if (mode_ == Mode::kOther) return;
    if (rest_.empty()) begun_ = watch_.oracle_.NextOrder();
    rest_ += bytes;
    if (mode_ == Mode::kHead && !ReadUpgrade()) return;
    while (mode_ == Mode::kFrames && ReadFrame()) {
      // Whatever stands behind it was begun by this very write.
      begun_ = watch_.oracle_.NextOrder();
    }
  }

 private:
  enum class Mode : uint8_t { kHead, kFrames, kOther };

  bool ReadUpgrade() {
    size_t end = rest_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    mode_ = rest_.starts_with("HTTP/1.1 101") ? Mode::kFrames : Mode::kOther;
    rest_.erase(0, end + 4);
    if (mode_ == Mode::kOther) rest_.clear();
    return mode_ == Mode::kFrames;
  }

  bool ReadFrame() {
    std::optional<WebSocketHead> head = ReadHead(rest_);
    if (!head || rest_.size() < head->head_bytes + head->payload_bytes) return false;
    std::string payload = rest_.substr(head->head_bytes, head->payload_bytes);
    rest_.erase(0, head->head_bytes + head->payload_bytes);
    if (head->opcode == kText) Tell(payload);
    return true;
  }

  void Tell(std::string_view text) {
    Oracle& oracle = watch_.oracle_;
    uint64_t now_ms = watch_.network_.wall_ms();
    Result<ReceivedFrame> frame = ReceivedFrame::Parse(text);
    if (!frame)
      return oracle.Violate("7.1", "a gateway wrote a frame that no client can read: " +
                                       frame.error().message + ": " + std::string(text));
    const auto& content = frame->content;
    if (auto* welcome = std::get_if<ReceivedFrame::Welcome>(&content)) {
      oracle.WireWelcome(now_ms, gateway_, connection_, welcome->user, welcome->session,
                         welcome->resume, Presented(watch_.requests_[connection_]), welcome->head);
    } else if (auto* event = std::get_if<SignedEvent>(&content)) {
      oracle.WireEvent(now_ms, connection_, begun_, event->cursor, event->user_id,
                       event->device_session_id);
    } else if (auto* position = std::get_if<ReceivedFrame::Position>(&content)) {
      oracle.WireHeartbeat(now_ms, connection_, position->cursor);
    } else if (auto* caught_up = std::get_if<ReceivedFrame::CaughtUp>(&content)) {
      oracle.WirePosition(now_ms, connection_, caught_up->cursor, false);
    } else if (auto* gap = std::get_if<ReceivedFrame::Gap>(&content)) {
      oracle.WirePosition(now_ms, connection_, gap->head, true);
    }
  }

  WireWatch& watch_;
  const size_t gateway_;
  const uint64_t connection_;
  Mode mode_ = Mode::kHead;
  std::string rest_;
  uint64_t begun_ = 0;  // the order in which the first byte of rest_ was written
};

WireWatch::WireWatch(SimNetwork& network, Oracle& oracle) : network_(network), oracle_(oracle) {}
WireWatch::~WireWatch() = default;

void WireWatch::OnClientWrite(uint64_t connection, std::string_view bytes) {
  constexpr size_t kEnough = 8'192;
  std::string& request = requests_[connection];
  if (request.size() < kEnough) request += bytes;
}

void WireWatch::OnWrite(size_t gateway, uint64_t connection, std::string_view bytes) {
  std::unique_ptr<Reader>& reader = readers_[connection];
  if (!reader) reader = std::make_unique<Reader>(*this, gateway, connection);
  reader->Feed(bytes);
}

}  // namespace galaxy::push::sim
