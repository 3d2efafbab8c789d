// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct sockaddr_un;

namespace net {

// Where a socket is bound or connected: IPv4, IPv6 or a Unix path. A small
// value, cheap to copy and compare; never a host name. There are as many as a
// mesh has endpoints, so the rare long path stands apart.
class Address {
 public:
  Address() = default;
  static base::Result<Address> parse(std::string_view ip, uint16_t port);  // "10.0.0.1", "::1"
  static base::Result<Address> parse_host_port(std::string_view text);     // "10.0.0.1:80", "[::1]:80", "unix:/path"
  static Address unix_path(std::string_view path);                         // at most 107 bytes; "@x" is abstract
  static Address of(const sockaddr* address, socklen_t size);

  bool valid() const { return size_ != 0; }
  bool is_unix() const { return family() == AF_UNIX; }
  int family() const { return path_ ? AF_UNIX : storage_.any.sa_family; }
  uint16_t port() const;     // 0 for a Unix path
  std::string ip() const;    // "10.0.0.1", "::1"; the path for a Unix address
  std::string text() const;  // "10.0.0.1:80", "[::1]:80", "unix:/path"
  Address with_port(uint16_t port) const;

  const sockaddr* data() const { return path_ ? reinterpret_cast<const sockaddr*>(path_.get()) : &storage_.any; }
  socklen_t size() const { return size_; }
  bool operator==(const Address& other) const;
  size_t hash() const;

 private:
  std::string_view bytes() const { return {reinterpret_cast<const char*>(data()), size_}; }

  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } storage_{.v6 = {}};
  socklen_t size_ = 0;
  std::shared_ptr<const sockaddr_un> path_;  // of a Unix address
};

}  // namespace net
