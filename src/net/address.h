// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace net {

// Where a socket is bound or connected: IPv4, IPv6 or a Unix path. A small
// value, cheap to copy and compare; never a host name.
class Address {
 public:
  Address() = default;
  static base::Result<Address> parse(std::string_view ip, uint16_t port);  // "10.0.0.1", "::1"
  static base::Result<Address> parse_host_port(std::string_view text);     // "10.0.0.1:80", "[::1]:80", "unix:/path"
  static Address unix_path(std::string_view path);                         // at most 107 bytes; "@x" is abstract
  static Address of(const sockaddr* address, socklen_t size);

  bool valid() const { return size_ != 0; }
  bool is_unix() const { return family() == AF_UNIX; }
  int family() const { return storage_.ss_family; }
  uint16_t port() const;     // 0 for a Unix path
  std::string ip() const;    // "10.0.0.1", "::1"; the path for a Unix address
  std::string text() const;  // "10.0.0.1:80", "[::1]:80", "unix:/path"
  Address with_port(uint16_t port) const;

  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  bool operator==(const Address& other) const;
  size_t hash() const;

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace net
