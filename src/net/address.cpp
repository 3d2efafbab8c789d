// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/strings.h"

namespace net {
namespace {

const sockaddr_in& v4(const sockaddr_storage& s) { return reinterpret_cast<const sockaddr_in&>(s); }
const sockaddr_in6& v6(const sockaddr_storage& s) { return reinterpret_cast<const sockaddr_in6&>(s); }
sockaddr_in& v4(sockaddr_storage& s) { return reinterpret_cast<sockaddr_in&>(s); }
sockaddr_in6& v6(sockaddr_storage& s) { return reinterpret_cast<sockaddr_in6&>(s); }

std::string_view bytes_of(const sockaddr_storage& storage, socklen_t size) {
  return {reinterpret_cast<const char*>(&storage), size};
}

}  // namespace

base::Result<Address> Address::parse(std::string_view ip, uint16_t port) {
  Address out;
  const std::string text(ip);
  if (text.find('\0') == std::string::npos) {
    if (inet_pton(AF_INET, text.c_str(), &v4(out.storage_).sin_addr) == 1) {
      v4(out.storage_).sin_family = AF_INET;
      v4(out.storage_).sin_port = htons(port);
      out.size_ = sizeof(sockaddr_in);
      return out;
    }
    if (inet_pton(AF_INET6, text.c_str(), &v6(out.storage_).sin6_addr) == 1) {
      v6(out.storage_).sin6_family = AF_INET6;
      v6(out.storage_).sin6_port = htons(port);
      out.size_ = sizeof(sockaddr_in6);
      return out;
    }
  }
  return base::fail(base::ErrorKind::Invalid, "\"" + text + "\" is not an IP address");
}

base::Result<Address> Address::parse_host_port(std::string_view text) {
  if (text.starts_with("unix:")) {
    std::string_view path = text.substr(5);
    if (path.empty() || path.size() > sizeof(sockaddr_un::sun_path) - 1) {
      return base::fail(base::ErrorKind::Invalid, "a Unix socket's path has 1 to 107 bytes: " + std::string(text));
    }
    return unix_path(path);
  }
  const size_t colon = text.rfind(':');
  std::string_view ip = text.substr(0, colon == std::string_view::npos ? 0 : colon);
  const bool bracketed = ip.size() > 2 && ip.front() == '[' && ip.back() == ']';
  if (bracketed) ip = ip.substr(1, ip.size() - 2);
  auto port = colon == std::string_view::npos ? std::nullopt : base::parse_number<uint16_t>(text.substr(colon + 1));
  if (!port || (!bracketed && ip.find(':') != std::string_view::npos)) {
    return base::fail(base::ErrorKind::Invalid,
                      "\"" + std::string(text) + "\" is not IP:PORT, [IPv6]:PORT or unix:/PATH");
  }
  return parse(ip, *port);
}

Address Address::unix_path(std::string_view path) {
  Address out;
  auto& un = reinterpret_cast<sockaddr_un&>(out.storage_);
  un.sun_family = AF_UNIX;
  const size_t size = std::min(path.size(), sizeof un.sun_path - 1);
  std::memcpy(un.sun_path, path.data(), size);
  const bool abstract = !path.empty() && path[0] == '@';
  if (abstract) un.sun_path[0] = '\0';
  out.size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size + (abstract ? 0 : 1));
  return out;
}

Address Address::of(const sockaddr* address, socklen_t size) {
  Address out;
  out.size_ = std::min<socklen_t>(size, sizeof out.storage_);
  std::memcpy(&out.storage_, address, out.size_);
  if (out.family() == AF_INET6 && out.size_ >= sizeof(sockaddr_in6)) {
    // An IPv4 peer of a dual-stack socket is that IPv4 address to everybody above.
    const sockaddr_in6 six = v6(out.storage_);
    if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
      out = Address();
      v4(out.storage_).sin_family = AF_INET;
      v4(out.storage_).sin_port = six.sin6_port;
      std::memcpy(&v4(out.storage_).sin_addr, six.sin6_addr.s6_addr + 12, 4);
      out.size_ = sizeof(sockaddr_in);
    }
  }
  return out;
}

uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(v4(storage_).sin_port);
  if (family() == AF_INET6) return ntohs(v6(storage_).sin6_port);
  return 0;
}

std::string Address::ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) return inet_ntop(AF_INET, &v4(storage_).sin_addr, text, sizeof text);
  if (family() == AF_INET6) return inet_ntop(AF_INET6, &v6(storage_).sin6_addr, text, sizeof text);
  if (!is_unix() || size_ <= offsetof(sockaddr_un, sun_path)) return {};
  const auto& un = reinterpret_cast<const sockaddr_un&>(storage_);
  const size_t size = size_ - offsetof(sockaddr_un, sun_path);
  if (un.sun_path[0] == '\0') return "@" + std::string(un.sun_path + 1, size - 1);
  return std::string(un.sun_path, strnlen(un.sun_path, size));
}

std::string Address::text() const {
  if (is_unix()) return "unix:" + ip();
  if (!valid()) return {};
  const std::string host = family() == AF_INET6 ? "[" + ip() + "]" : ip();
  return host + ":" + std::to_string(port());
}

Address Address::with_port(uint16_t port) const {
  Address out = *this;
  if (family() == AF_INET) v4(out.storage_).sin_port = htons(port);
  if (family() == AF_INET6) v6(out.storage_).sin6_port = htons(port);
  return out;
}

bool Address::operator==(const Address& other) const {
  return size_ == other.size_ && bytes_of(storage_, size_) == bytes_of(other.storage_, size_);
}

size_t Address::hash() const { return std::hash<std::string_view>{}(bytes_of(storage_, size_)); }

}  // namespace net
