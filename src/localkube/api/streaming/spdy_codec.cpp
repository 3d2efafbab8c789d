// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "localkube/api/streaming/spdy.h"

namespace localkube::spdy {

namespace {

constexpr uint16_t kControl = 0x8003;
constexpr size_t kHead = 8;
constexpr size_t kMostHeaders = 256u << 10;
enum Control : uint16_t { kSynStream = 1, kSynReply = 2, kRstStream = 3, kPing = 6, kGoAway = 7 };

std::string be32(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

uint32_t number_at(std::string_view bytes, size_t at) {
  auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])); };
  return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}

// The preset dictionary of SPDY/3 (draft 3, section 2.6.10.1): words with their
// lengths before them, then text that is common in headers.
const std::string& dictionary() {
  static const std::string made = [] {
    constexpr std::array<std::string_view, 65> words = {"options",
                                                        "head",
                                                        "post",
                                                        "put",
                                                        "delete",
                                                        "trace",
                                                        "accept",
                                                        "accept-charset",
                                                        "accept-encoding",
                                                        "accept-language",
                                                        "accept-ranges",
                                                        "age",
                                                        "allow",
                                                        "authorization",
                                                        "cache-control",
                                                        "connection",
                                                        "content-base",
                                                        "content-encoding",
                                                        "content-language",
                                                        "content-length",
                                                        "content-location",
                                                        "content-md5",
                                                        "content-range",
                                                        "content-type",
                                                        "date",
                                                        "etag",
                                                        "expect",
                                                        "expires",
                                                        "from",
                                                        "host",
                                                        "if-match",
                                                        "if-modified-since",
                                                        "if-none-match",
                                                        "if-range",
                                                        "if-unmodified-since",
                                                        "last-modified",
                                                        "location",
                                                        "max-forwards",
                                                        "pragma",
                                                        "proxy-authenticate",
                                                        "proxy-authorization",
                                                        "range",
                                                        "referer",
                                                        "retry-after",
                                                        "server",
                                                        "te",
                                                        "trailer",
                                                        "transfer-encoding",
                                                        "upgrade",
                                                        "user-agent",
                                                        "vary",
                                                        "via",
                                                        "warning",
                                                        "www-authenticate",
                                                        "method",
                                                        "get",
                                                        "status",
                                                        "200 OK",
                                                        "version",
                                                        "HTTP/1.1",
                                                        "url",
                                                        "public",
                                                        "set-cookie",
                                                        "keep-alive",
                                                        "origin"};
    std::string text;
    for (std::string_view word : words) text += be32(static_cast<uint32_t>(word.size())) + std::string(word);
    text +=
        "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
        "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
        "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
        "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
        "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
        "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
    return text;
  }();
  return made;
}

Bytef* bytes_of(std::string_view text) { return reinterpret_cast<Bytef*>(const_cast<char*>(text.data())); }

std::string control(Control type, uint8_t flags, std::string_view body) {
  std::string frame = be32(static_cast<uint32_t>(kControl) << 16 | type);
  frame += be32(static_cast<uint32_t>(flags) << 24 | static_cast<uint32_t>(body.size()));
  frame += body;
  return frame;
}

base::Error broken(std::string_view what) {
  return {.kind = base::ErrorKind::Invalid,
          .message = "SPDY: " + std::string(what),
          .side = base::Side::Downstream,
          .retryable = false};
}

}  // namespace

Codec::Codec() {
  inflateInit(&inflate_);
  deflateInit(&deflate_, Z_BEST_SPEED);
  deflateSetDictionary(&deflate_, bytes_of(dictionary()), static_cast<uInt>(dictionary().size()));
}

Codec::~Codec() {
  inflateEnd(&inflate_);
  deflateEnd(&deflate_);
}

base::Result<std::map<std::string, std::string>> Codec::read_headers(std::string_view block) {
  std::string plain;
  char piece[4096];
  inflate_.next_in = bytes_of(block);
  inflate_.avail_in = static_cast<uInt>(block.size());
  for (;;) {
    inflate_.next_out = reinterpret_cast<Bytef*>(piece);
    inflate_.avail_out = sizeof piece;
    int code = inflate(&inflate_, Z_SYNC_FLUSH);
    if (code == Z_NEED_DICT) {
      if (inflateSetDictionary(&inflate_, bytes_of(dictionary()), static_cast<uInt>(dictionary().size())) != Z_OK)
        return std::unexpected(broken("headers with another dictionary"));
      continue;
    }
    if (code != Z_OK && code != Z_BUF_ERROR) return std::unexpected(broken("headers that do not decompress"));
    plain.append(piece, sizeof piece - inflate_.avail_out);
    if (plain.size() > kMostHeaders) return std::unexpected(broken("too many headers"));
    if (inflate_.avail_in == 0 && inflate_.avail_out > 0) break;
    if (code == Z_BUF_ERROR) break;
  }
  std::string_view rest = plain;
  auto number = [&]() -> std::optional<uint32_t> {
    if (rest.size() < 4) return std::nullopt;
    uint32_t value = number_at(rest, 0);
    rest.remove_prefix(4);
    return value;
  };
  auto text = [&]() -> std::optional<std::string> {
    auto size = number();
    if (!size || *size > rest.size()) return std::nullopt;
    std::string value(rest.substr(0, *size));
    rest.remove_prefix(*size);
    return value;
  };
  std::map<std::string, std::string> headers;
  auto count = number();
  if (!count) return std::unexpected(broken("a header block without count"));
  for (uint32_t i = 0; i < *count; ++i) {
    auto name = text();
    auto value = name ? text() : std::nullopt;
    if (!value) return std::unexpected(broken("a header that is cut off"));
    headers[std::move(*name)] = std::move(*value);
  }
  return headers;
}

std::string Codec::write_headers(const std::map<std::string, std::string>& headers) {
  std::string plain = be32(static_cast<uint32_t>(headers.size()));
  for (const auto& [name, value] : headers)
    plain += be32(static_cast<uint32_t>(name.size())) + name + be32(static_cast<uint32_t>(value.size())) + value;
  std::string block;
  char piece[4096];
  deflate_.next_in = bytes_of(plain);
  deflate_.avail_in = static_cast<uInt>(plain.size());
  do {
    deflate_.next_out = reinterpret_cast<Bytef*>(piece);
    deflate_.avail_out = sizeof piece;
    deflate(&deflate_, Z_SYNC_FLUSH);
    block.append(piece, sizeof piece - deflate_.avail_out);
  } while (deflate_.avail_out == 0);
  return block;
}

base::Result<std::optional<Frame>> Codec::next() {
  if (buffer_.size() < kHead) return std::nullopt;
  uint32_t first = number_at(buffer_, 0), second = number_at(buffer_, 4);
  size_t size = second & 0xffffff;
  if (size > kMostPayload) return std::unexpected(broken("a frame of " + std::to_string(size) + " bytes"));
  if (buffer_.size() < kHead + size) return std::nullopt;
  std::string body = buffer_.substr(kHead, size);
  buffer_.erase(0, kHead + size);

  Frame frame;
  uint8_t flags = static_cast<uint8_t>(second >> 24);
  frame.fin = flags & 1;
  if (!(first & 0x80000000u)) {
    frame.type = Frame::Type::Data;
    frame.stream = first;
    frame.payload = std::move(body);
    return frame;
  }
  if (first >> 16 != kControl) return std::unexpected(broken("another version"));
  switch (first & 0xffff) {
    case kSynStream:
    case kSynReply: {
      size_t head = (first & 0xffff) == kSynStream ? 10 : 4;
      if (body.size() < head) return std::unexpected(broken("a frame that is cut off"));
      frame.type = head == 10 ? Frame::Type::SynStream : Frame::Type::SynReply;
      frame.stream = number_at(body, 0) & 0x7fffffff;
      frame.headers = TRY(read_headers(std::string_view(body).substr(head)));
      return frame;
    }
    case kRstStream:
      if (body.size() < 8) return std::unexpected(broken("a frame that is cut off"));
      frame.type = Frame::Type::Reset;
      frame.stream = number_at(body, 0) & 0x7fffffff;
      return frame;
    case kPing:
      frame.type = Frame::Type::Ping;
      frame.payload = std::move(body);
      return frame;
    case kGoAway:
      frame.type = Frame::Type::GoAway;
      return frame;
    default:
      return frame;
  }
}

std::string Codec::syn_stream(uint32_t stream, const std::map<std::string, std::string>& headers, bool fin) {
  return control(kSynStream, fin ? 1 : 0, be32(stream) + be32(0) + std::string(2, '\0') + write_headers(headers));
}
std::string Codec::syn_reply(uint32_t stream) { return control(kSynReply, 0, be32(stream) + write_headers({})); }
std::string Codec::data(uint32_t stream, std::string_view bytes, bool fin) {
  std::string frame = be32(stream) + be32((fin ? 1u << 24 : 0u) | static_cast<uint32_t>(bytes.size()));
  frame += bytes;
  return frame;
}
std::string Codec::reset(uint32_t stream, uint32_t status) {
  return control(kRstStream, 0, be32(stream) + be32(status));
}
std::string Codec::ping(std::string_view payload) { return control(kPing, 0, payload); }

}  // namespace localkube::spdy
