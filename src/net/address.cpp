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
base::Result<Address> Address::parse(std::string_view ip, uint16_t port) {
  Address out;
  const std::string text(ip);
  if (text.find('\0') == std::string::npos) {
    if (inet_pton(AF_INET, text.c_str(), &out.storage_.v4.sin_addr) == 1) {
      out.storage_.v4.sin_family = AF_INET;
      out.storage_.v4.sin_port = htons(port);
      out.size_ = sizeof(sockaddr_in);
      return out;
    }
    if (inet_pton(AF_INET6, text.c_str(), &out.storage_.v6.sin6_addr) == 1) {
      out.storage_.v6.sin6_family = AF_INET6;
      out.storage_.v6.sin6_port = htons(port);
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
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  const size_t size = std::min(path.size(), sizeof un.sun_path - 1);
  std::memcpy(un.sun_path, path.data(), size);
  const bool abstract = !path.empty() && path[0] == '@';
  if (abstract) un.sun_path[0] = '\0';
  return of(reinterpret_cast<const sockaddr*>(&un),
            static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size + (abstract ? 0 : 1)));
}

Address Address::of(const sockaddr* address, socklen_t size) {
  Address out;
  if (size < sizeof(sa_family_t)) return out;
  if (address->sa_family == AF_UNIX) {
    auto path = std::make_shared<sockaddr_un>();
    out.size_ = std::min<socklen_t>(size, sizeof(sockaddr_un));
    std::memcpy(path.get(), address, out.size_);
    out.path_ = std::move(path);
    return out;
  }
  // As short as its family, and no rest of the caller's memory in it: addresses are compared byte by byte.
  if (address->sa_family == AF_INET) size = std::min<socklen_t>(size, sizeof(sockaddr_in));
  out.size_ = std::min<socklen_t>(size, sizeof out.storage_);
  std::memcpy(&out.storage_, address, out.size_);
  if (address->sa_family == AF_INET) std::memset(out.storage_.v4.sin_zero, 0, sizeof out.storage_.v4.sin_zero);
  if (out.family() == AF_INET6 && out.size_ >= sizeof(sockaddr_in6)) {
    // An IPv4 peer of a dual-stack socket is that IPv4 address to everybody above.
    const sockaddr_in6 six = out.storage_.v6;
    if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
      out = Address();
      out.storage_.v4.sin_family = AF_INET;
      out.storage_.v4.sin_port = six.sin6_port;
      std::memcpy(&out.storage_.v4.sin_addr, six.sin6_addr.s6_addr + 12, 4);
      out.size_ = sizeof(sockaddr_in);
    }
  }
  return out;
}

uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(storage_.v4.sin_port);
  if (family() == AF_INET6) return ntohs(storage_.v6.sin6_port);
  return 0;
}

std::string Address::ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) return inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof text);
  if (family() == AF_INET6) return inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof text);
  if (!is_unix() || size_ <= offsetof(sockaddr_un, sun_path)) return {};
  const sockaddr_un& un = *path_;
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
  if (family() == AF_INET) out.storage_.v4.sin_port = htons(port);
  if (family() == AF_INET6) out.storage_.v6.sin6_port = htons(port);
  return out;
}

bool Address::operator==(const Address& other) const { return bytes() == other.bytes(); }

size_t Address::hash() const { return std::hash<std::string_view>{}(bytes()); }

}  // namespace net
