// SPDX-License-Identifier: Apache-2.0
#include "http/websocket.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstring>

#include "base/strings.h"

namespace http {
namespace {

using base::ErrorKind;

enum Opcode : uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };
constexpr size_t kMostControl = 125;

constexpr uint16_t kProtocolError = 1002;
constexpr uint16_t kNotUtf8 = 1007;
constexpr uint16_t kTooBig = 1009;

struct Frame {
  bool final = false;
  uint8_t opcode = 0;
  std::string payload;
};

bool has_token(const Headers& headers, std::string_view name, std::string_view token) {
  const std::string all = headers.joined(name);
  for (std::string_view piece : base::split(all, ',')) {
    if (base::equal_ignoring_case(base::trim(piece), token)) return true;
  }
  return false;
}

void apply_mask(char* bytes, size_t size, const char* mask) {
  for (size_t i = 0; i < size; ++i) bytes[i] ^= mask[i & 3];
}

std::string frame_of(uint8_t opcode, std::string_view payload, WebSocket::Role role) {
  std::string out;
  out += static_cast<char>(0x80 | opcode);
  const char mask_bit = role == WebSocket::Role::Client ? char(0x80) : char(0);
  if (payload.size() < 126) {
    out += static_cast<char>(mask_bit | static_cast<char>(payload.size()));
  } else {
    const int bytes = payload.size() <= 0xffff ? 2 : 8;
    out += static_cast<char>(mask_bit | (bytes == 2 ? 126 : 127));
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift & 0xff);
  }
  if (role == WebSocket::Role::Server) {
    out += payload;
    return out;
  }
  char mask[4];
  RAND_bytes(reinterpret_cast<unsigned char*>(mask), sizeof mask);
  out.append(mask, sizeof mask);
  out += payload;
  apply_mask(out.data() + out.size() - payload.size(), payload.size(), mask);
  return out;
}

struct Violation {
  uint16_t code = 0;
  const char* why = "";
};

// Takes the next frame off the buffer's front. Nothing where it is not all there.
std::optional<Frame> take_frame(std::string& buffer, WebSocket::Role role, size_t most, Violation& wrong) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(buffer[i]); };
  if (buffer.size() < 2) return std::nullopt;
  Frame out;
  out.final = byte(0) & 0x80;
  out.opcode = byte(0) & 0x0f;
  const bool masked = byte(1) & 0x80;
  const bool control = out.opcode & 8;
  uint64_t size = byte(1) & 0x7f;
  if (byte(0) & 0x70) wrong = {kProtocolError, "reserved bits are set"};
  if (out.opcode > kPong || (out.opcode > kBinary && out.opcode < kClose)) wrong = {kProtocolError, "unknown opcode"};
  if (masked != (role == WebSocket::Role::Server)) wrong = {kProtocolError, "clients mask, servers do not"};
  if (control && (!out.final || size > kMostControl)) wrong = {kProtocolError, "a control frame is long or fragmented"};
  if (wrong.code) return std::nullopt;
  size_t at = 2;
  if (size >= 126) {
    const size_t bytes = size == 126 ? 2 : 8;
    if (buffer.size() < at + bytes) return std::nullopt;
    size = 0;
    for (size_t i = 0; i < bytes; ++i) size = size << 8 | byte(at + i);
    if (size < 126 || (bytes == 8 && size <= 0xffff)) {
      wrong = {kProtocolError, "a length in more bytes than it needs"};
      return std::nullopt;
    }
    at += bytes;
  }
  if (size > most) {
    wrong = {kTooBig, "the message is too large"};
    return std::nullopt;
  }
  if (buffer.size() < at + (masked ? 4 : 0) + size) return std::nullopt;
  char mask[4] = {};
  if (masked) {
    std::memcpy(mask, buffer.data() + at, sizeof mask);
    at += 4;
  }
  out.payload = buffer.substr(at, size);
  if (masked) apply_mask(out.payload.data(), out.payload.size(), mask);
  buffer.erase(0, at + size);
  return out;
}

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text) {
  auto tail = [&](size_t i) { return i < text.size() && (static_cast<uint8_t>(text[i]) & 0xc0) == 0x80; };
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<uint8_t>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<uint8_t>(text[i + 1]) : uint8_t{0};
    size_t size = 1;
    if (c >= 0xc2 && c <= 0xdf) {
      size = 2;
    } else if (c >= 0xe0 && c <= 0xef) {
      if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f)) return false;
      size = 3;
    } else if (c >= 0xf0 && c <= 0xf4) {
      if ((c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f)) return false;
      size = 4;
    } else if (c >= 0x80) {
      return false;
    }
    for (size_t k = 1; k < size; ++k) {
      if (!tail(i + k)) return false;
    }
    i += size;
  }
  return true;
}

// Section 7.4: which codes may stand in a close frame.
bool valid_close(std::string_view payload) {
  if (payload.empty()) return true;
  if (payload.size() < 2 || !is_utf8(payload.substr(2))) return false;
  const int code = static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]);
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

}  // namespace

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  return base::to_base64({reinterpret_cast<char*>(digest), size});
}

bool WebSocket::is_websocket(const RequestHead& request) {
  auto key = request.headers.get("sec-websocket-key");
  auto decoded = key ? base::from_base64(*key) : std::nullopt;
  return request.method == "GET" && has_token(request.headers, "upgrade", "websocket") && decoded &&
         decoded->size() == 16 && request.headers.get("sec-websocket-version") == "13";
}

base::Result<std::unique_ptr<WebSocket>> WebSocket::accept(Exchange& exchange, std::string_view protocol) {
  const RequestHead& request = exchange.request();
  if (!is_websocket(request)) {
    return base::fail(ErrorKind::Invalid, "the request is no WebSocket handshake of version 13");
  }
  Headers headers;
  headers.add("upgrade", "websocket");
  headers.add("sec-websocket-accept", websocket_accept(*request.headers.get("sec-websocket-key")));
  if (!protocol.empty()) headers.add("sec-websocket-protocol", protocol);
  auto stream = TRY(exchange.upgrade(std::move(headers)));
  return std::make_unique<WebSocket>(std::move(stream), Role::Server);
}

WebSocket::WebSocket(std::unique_ptr<net::ByteStream> stream, Role role, size_t max_message)
    : stream_(std::move(stream)), role_(role), max_message_(max_message) {}

net::Task<base::Result<std::optional<WebSocket::Message>>> WebSocket::read() {
  std::optional<Message> message;  // whose fragments come
  for (;;) {
    Violation wrong;
    std::optional<Frame> frame = take_frame(buffer_, role_, max_message_, wrong);
    if (frame) {
      const bool data = frame->opcode < kClose;
      if (data && (frame->opcode == kContinuation) != message.has_value()) {
        wrong = {kProtocolError, "a fragment where none belongs"};
      } else if (message && data && message->data.size() + frame->payload.size() > max_message_) {
        wrong = {kTooBig, "the message is too large"};
      } else if (frame->opcode == kClose && !valid_close(frame->payload)) {
        wrong = {kProtocolError, "a close frame that says nothing known"};
      }
    }
    if (wrong.code) {
      co_await close(wrong.code, wrong.why);
      co_return base::fail(ErrorKind::Invalid, std::string("WebSocket: ") + wrong.why);
    }
    if (!frame) {
      base::Result<std::optional<std::string>> bytes = co_await stream_->read();
      if (!bytes) co_return std::unexpected(std::move(bytes.error()));
      if (!*bytes) co_return base::fail(ErrorKind::Closed, "WebSocket: the connection ended without a close frame");
      buffer_ += **bytes;
      continue;
    }
    if (frame->opcode == kClose) {
      uint16_t code = 1000;
      if (!frame->payload.empty()) {
        const auto high = static_cast<uint8_t>(frame->payload[0]), low = static_cast<uint8_t>(frame->payload[1]);
        code = static_cast<uint16_t>(high << 8 | low);
      }
      co_await close(code);
      co_return std::nullopt;
    }
    if (frame->opcode == kPing && !close_sent_) {
      std::string pong = frame_of(kPong, frame->payload, role_);
      base::Result<void> sent = co_await stream_->write(std::move(pong));
      if (!sent) co_return std::unexpected(std::move(sent.error()));
    }
    if (frame->opcode == kPong)
      if (auto answered = std::exchange(answered_, nullptr)) answered();
    if (frame->opcode >= kClose) continue;
    if (!message) message.emplace(Message{frame->opcode == kText ? Kind::Text : Kind::Binary, {}});
    message->data += frame->payload;
    if (!frame->final) continue;
    if (message->kind == Kind::Text && !is_utf8(message->data)) {
      co_await close(kNotUtf8, "text that is not UTF-8");
      co_return base::fail(ErrorKind::Invalid, "WebSocket: text that is not UTF-8");
    }
    co_return message;
  }
}

net::Task<base::Result<void>> WebSocket::write(Message message) {
  if (close_sent_) co_return base::fail(ErrorKind::Closed, "WebSocket: closed on this side");
  std::string frame = frame_of(message.kind == Kind::Text ? kText : kBinary, message.data, role_);
  base::Result<void> sent = co_await stream_->write(std::move(frame));
  co_return sent;
}

net::Task<base::Result<void>> WebSocket::ping(std::function<void()> answered) {
  if (close_sent_) co_return base::fail(ErrorKind::Closed, "WebSocket: closed on this side");
  answered_ = std::move(answered);
  std::string frame = frame_of(kPing, "", role_);
  base::Result<void> sent = co_await stream_->write(std::move(frame));
  co_return sent;
}

net::Task<void> WebSocket::close(uint16_t code, std::string reason) {
  if (std::exchange(close_sent_, true)) co_return;
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  payload += reason.substr(0, kMostControl - 2);
  std::string frame = frame_of(kClose, payload, role_);
  base::Result<void> ignored = co_await stream_->write(std::move(frame));
  if (ignored) stream_->shutdown_write();
}

}  // namespace http
