// SPDX-License-Identifier: Apache-2.0
#include "proxy/listener/client_hello.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "http/h2.h"

namespace proxy {
namespace {

constexpr size_t kLargestHello = 64 * 1024;
constexpr size_t kLongestLine = 8 * 1024;

// Reads big-endian fields from the front; `good` turns false at the first that is missing.
struct Reader {
  std::string_view left;
  bool good = true;

  std::string_view take(size_t size) {
    if (left.size() < size) {
      good = false;
      left = {};
      return {};
    }
    std::string_view out = left.substr(0, size);
    left.remove_prefix(size);
    return out;
  }
  size_t number(size_t bytes) {
    size_t out = 0;
    for (unsigned char c : take(bytes)) out = out << 8 | c;
    return out;
  }
  Reader vector(size_t length_bytes) {
    size_t size = number(length_bytes);
    return {take(size), good};
  }
};

// The handshake bytes of the records at the front, put together.
Look handshake_bytes(std::string_view bytes, std::string& out) {
  size_t wanted = 4;
  while (true) {
    if (bytes.empty()) return Look::NeedMore;
    if (bytes[0] != 0x16) return Look::No;
    if (bytes.size() >= 2 && bytes[1] != 3) return Look::No;
    if (bytes.size() < 5) return Look::NeedMore;
    size_t size = static_cast<unsigned char>(bytes[3]) << 8 | static_cast<unsigned char>(bytes[4]);
    if (size == 0 || size > 16 * 1024 + 256) return Look::No;
    out += bytes.substr(5, size);
    if (!out.empty() && out[0] != 1) return Look::No;
    if (out.size() >= 4) {
      wanted = 4 + (static_cast<size_t>(static_cast<unsigned char>(out[1])) << 16 |
                    static_cast<unsigned char>(out[2]) << 8 | static_cast<unsigned char>(out[3]));
      if (wanted > kLargestHello) return Look::No;
      if (out.size() >= wanted) {
        out.resize(wanted);
        return Look::Yes;
      }
    }
    if (bytes.size() < 5 + size) return Look::NeedMore;
    bytes.remove_prefix(5 + size);
  }
}

}  // namespace

Look ClientHello::parse(std::string_view bytes, ClientHello& out) {
  std::string handshake;
  Look look = handshake_bytes(bytes, handshake);
  if (look != Look::Yes) return look;
  Reader hello{std::string_view(handshake).substr(4)};
  hello.take(2 + 32);  // version, random
  hello.vector(1);     // session id
  hello.vector(2);     // cipher suites
  hello.vector(1);     // compression
  if (!hello.good) return Look::No;
  if (hello.left.empty()) return Look::Yes;  // no extensions
  Reader extensions = hello.vector(2);
  while (extensions.good && !extensions.left.empty()) {
    size_t type = extensions.number(2);
    Reader body = extensions.vector(2);
    if (!body.good) return Look::No;
    if (type == 0) {  // server_name
      Reader names = body.vector(2);
      if (names.number(1) == 0) out.server_name = base::to_lower(names.vector(2).left);
      if (!names.good) return Look::No;
    } else if (type == 16) {  // application_layer_protocol_negotiation
      Reader list = body.vector(2);
      while (list.good && !list.left.empty()) out.protocols.emplace_back(list.vector(1).left);
      if (!list.good) return Look::No;
    }
  }
  return extensions.good ? Look::Yes : Look::No;
}

Look look_for_http(std::string_view bytes, std::string_view& protocol) {
  if (bytes.empty()) return Look::NeedMore;
  std::string_view preface = http::h2::kPreface;
  size_t common = std::min(bytes.size(), preface.size());
  if (bytes.substr(0, common) == preface.substr(0, common)) {
    if (common < preface.size()) return Look::NeedMore;
    protocol = "h2c";
    return Look::Yes;
  }
  size_t method = 0;
  while (method < bytes.size() && bytes[method] >= 'A' && bytes[method] <= 'Z') ++method;
  if (method < bytes.size() && (method < 3 || bytes[method] != ' ')) return Look::No;
  if (method > 20) return Look::No;
  size_t end = bytes.find('\n');
  if (end == bytes.npos) return bytes.size() < kLongestLine ? Look::NeedMore : Look::No;
  std::string_view line = bytes.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.ends_with(" HTTP/1.1")) {
    protocol = "http/1.1";
  } else if (line.ends_with(" HTTP/1.0")) {
    protocol = "http/1.0";
  } else {
    return Look::No;
  }
  return Look::Yes;
}

}  // namespace proxy
