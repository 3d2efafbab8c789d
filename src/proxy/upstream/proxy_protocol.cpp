// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/proxy_protocol.h"

#include <netinet/in.h>

namespace proxy {

static std::string address_bytes(const net::Address& address) {
  if (address.family() == AF_INET) {
    const auto& ip = reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr;
    return {reinterpret_cast<const char*>(&ip), sizeof ip};
  }
  const auto& ip = reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr;
  return {reinterpret_cast<const char*>(&ip), sizeof ip};
}

static void add_port(std::string& out, uint16_t port) {
  out += static_cast<char>(port >> 8);
  out += static_cast<char>(port & 0xff);
}

std::string proxy_header(ProxyProtocol version, const net::Address& source, const net::Address& destination) {
  const int family =
      source.valid() && destination.valid() && source.family() == destination.family() ? source.family() : AF_UNSPEC;
  const bool known = family == AF_INET || family == AF_INET6;
  if (version == ProxyProtocol::V1) {
    if (!known) return "PROXY UNKNOWN\r\n";
    return (family == AF_INET ? "PROXY TCP4 " : "PROXY TCP6 ") + source.ip() + " " + destination.ip() + " " +
           std::to_string(source.port()) + " " + std::to_string(destination.port()) + "\r\n";
  }
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  if (!known) return out.append("\x20\0\0\0", 4);  // version 2, LOCAL, unspecified, nothing follows
  const std::string body = address_bytes(source) + address_bytes(destination);
  out += '\x21';                               // version 2, PROXY
  out += family == AF_INET ? '\x11' : '\x21';  // over TCP
  add_port(out, static_cast<uint16_t>(body.size() + 4));
  out += body;
  add_port(out, source.port());
  add_port(out, destination.port());
  return out;
}

}  // namespace proxy
