// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/local_ip.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <memory>

namespace proxy {

std::string local_ip() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return "127.0.0.1";
  std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, freeifaddrs);
  for (int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* at = list; at; at = at->ifa_next) {
      if (!at->ifa_addr || at->ifa_addr->sa_family != family || (at->ifa_flags & IFF_LOOPBACK) ||
          !(at->ifa_flags & IFF_UP))
        continue;
      char text[INET6_ADDRSTRLEN] = {};
      const void* bytes = family == AF_INET
                              ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr)
                              : &reinterpret_cast<const sockaddr_in6*>(at->ifa_addr)->sin6_addr;
      if (inet_ntop(family, bytes, text, sizeof text)) return text;
    }
  }
  return "127.0.0.1";
}

}  // namespace proxy
