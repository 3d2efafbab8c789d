// SPDX-License-Identifier: Apache-2.0
#include "capture/original.h"

#include <netinet/in.h>
#include <sys/socket.h>

namespace capture {

// SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST; the kernel's header for them clashes with netinet/in.h.
static constexpr int kOriginalDestination = 80;

std::optional<net::Address> original_destination(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockopt(fd, SOL_IP, kOriginalDestination, &address, &size) != 0) {
    size = sizeof address;
    if (getsockopt(fd, SOL_IPV6, kOriginalDestination, &address, &size) != 0) return std::nullopt;
  }
  return net::Address::of(reinterpret_cast<const sockaddr*>(&address), size);
}

}  // namespace capture
