// SPDX-License-Identifier: Apache-2.0
#include "net/client_hello.h"

#include <algorithm>
#include <cstdint>

#include "base/strings.h"

namespace net {
namespace {

constexpr size_t kMostHello = 16 * 1024;
constexpr size_t kRecordHeader = 5;

// Takes numbers and counted pieces from the front; after a piece that is not
// all there everything is empty and `ok` is false.
struct Cursor {
  std::string_view left;
  bool ok = true;

  std::string_view take(size_t size) {
    if (left.size() < size) {
      ok = false;
      left = {};
      return {};
    }
    std::string_view out = left.substr(0, size);
    left.remove_prefix(size);
    return out;
  }
  size_t number(size_t bytes) {
    size_t out = 0;
    for (const char c : take(bytes)) out = out << 8 | static_cast<uint8_t>(c);
    return out;
  }
  Cursor counted(size_t bytes) {
    const size_t size = number(bytes);
    Cursor out{take(size)};
    out.ok = ok;
    return out;
  }
};

bool read_server_name(Cursor extension, ClientHello& hello) {
  Cursor names = extension.counted(2);
  while (names.ok && !names.left.empty()) {
    const size_t type = names.number(1);
    Cursor name = names.counted(2);
    if (type == 0 && hello.server_name.empty()) hello.server_name = base::to_lower(name.left);
  }
  return names.ok;
}

bool read_alpn(Cursor extension, ClientHello& hello) {
  Cursor names = extension.counted(2);
  while (names.ok && !names.left.empty()) {
    Cursor name = names.counted(1);
    if (name.ok) hello.alpn.emplace_back(name.left);
  }
  return names.ok;
}

// RFC 8446 section 4.1.2; the same layout since TLS 1.0.
bool read_hello(std::string_view body, ClientHello& hello) {
  Cursor in{body};
  in.take(2 + 32);  // version, random
  in.counted(1);    // session
  in.counted(2);    // cipher suites
  in.counted(1);    // compression
  if (!in.ok) return false;
  if (in.left.empty()) return true;
  Cursor extensions = in.counted(2);
  while (extensions.ok && !extensions.left.empty()) {
    const size_t type = extensions.number(2);
    Cursor extension = extensions.counted(2);
    if (!extensions.ok) return false;
    if (type == 0 && !read_server_name(extension, hello)) return false;
    if (type == 16 && !read_alpn(extension, hello)) return false;
  }
  return extensions.ok;
}

}  // namespace

Sniffed sniff_client_hello(std::string_view bytes, ClientHello& hello) {
  std::string joined;  // the handshake message, where it spans records
  std::string_view message;
  bool first = true;
  for (Cursor in{bytes};;) {
    const std::string_view header = in.left.substr(0, kRecordHeader);
    if (!header.empty() && header[0] != 0x16) return Sniffed::NotTls;
    if (header.size() > 1 && header[1] != 0x03) return Sniffed::NotTls;
    if (header.size() > 2 && static_cast<uint8_t>(header[2]) > 4) return Sniffed::NotTls;
    if (header.size() < kRecordHeader) return Sniffed::NeedMore;
    in.take(3);
    const size_t size = in.number(2);
    if (size == 0 || size > kMostHello) return Sniffed::NotTls;
    const std::string_view record = in.left.substr(0, size);
    if (first) {
      message = record;
    } else {
      if (joined.empty()) joined = message;
      joined += record;
      message = joined;
    }
    first = false;
    if (!message.empty() && message[0] != 1) return Sniffed::NotTls;
    if (message.size() >= 4) {
      Cursor head{message};
      head.take(1);
      const size_t length = head.number(3);
      if (length > kMostHello) return Sniffed::NotTls;
      if (head.left.size() >= length) {
        hello = {};
        return read_hello(head.left.substr(0, length), hello) ? Sniffed::Tls : Sniffed::NotTls;
      }
    }
    if (record.size() < size) return Sniffed::NeedMore;
    in.take(size);
  }
}

}  // namespace net
