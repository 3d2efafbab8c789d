// SPDX-License-Identifier: Apache-2.0
#include "proxy/listener/proxy_header.h"

#include <netinet/in.h>

#include <cstring>

#include "base/strings.h"

namespace proxy {
namespace {

constexpr std::string_view kV1 = "PROXY ";
constexpr std::string_view kV2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kLongestV1 = 107;

bool begins(std::string_view bytes, std::string_view signature) {
  return bytes.substr(0, signature.size()) == signature.substr(0, bytes.size());
}

std::optional<uint16_t> port_of(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  return base::parse_number<uint16_t>(text);
}

Look parse_v1(std::string_view bytes, ProxyHeader& out) {
  const size_t end = bytes.substr(0, kLongestV1).find("\r\n");
  if (end == std::string_view::npos) return bytes.size() >= kLongestV1 ? Look::No : Look::NeedMore;
  const auto words = base::split(bytes.substr(kV1.size(), end - kV1.size()), ' ');
  out.size = end + 2;
  if (words[0] == "UNKNOWN") return Look::Yes;  // what follows it is to be ignored
  if (words.size() != 5 || (words[0] != "TCP4" && words[0] != "TCP6")) return Look::No;
  const auto source_port = port_of(words[3]), destination_port = port_of(words[4]);
  if (!source_port || !destination_port) return Look::No;
  auto source = net::Address::parse(words[1], *source_port),
       destination = net::Address::parse(words[2], *destination_port);
  const int family = words[0] == "TCP4" ? AF_INET : AF_INET6;
  if (!source || !destination || source->family() != family || destination->family() != family) return Look::No;
  // As everywhere, an IPv6 address that stands for an IPv4 one is that one: rules about it hold.
  out.source = net::Address::of(source->data(), source->size());
  out.destination = net::Address::of(destination->data(), destination->size());
  return Look::Yes;
}

uint16_t be16(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 | static_cast<unsigned char>(bytes[at + 1]));
}

net::Address address_of(std::string_view ip, std::string_view port) {
  if (ip.size() == 4) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, ip.data(), 4);
    std::memcpy(&v4.sin_port, port.data(), 2);
    return net::Address::of(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  std::memcpy(&v6.sin6_addr, ip.data(), 16);
  std::memcpy(&v6.sin6_port, port.data(), 2);
  return net::Address::of(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
}

// Whether the type-length-value fields end where the header does (PROXY protocol, 2.2).
bool whole_fields(std::string_view fields) {
  constexpr size_t kHead = 3;
  while (!fields.empty()) {
    if (fields.size() < kHead || fields.size() - kHead < be16(fields, 1)) return false;
    fields.remove_prefix(kHead + be16(fields, 1));
  }
  return true;
}

Look parse_v2(std::string_view bytes, ProxyHeader& out) {
  constexpr size_t kFixed = 16;
  if (bytes.size() < kFixed) return Look::NeedMore;
  const auto version_command = static_cast<unsigned char>(bytes[12]), family = static_cast<unsigned char>(bytes[13]);
  if (version_command >> 4 != 2 || (version_command & 15) > 1) return Look::No;
  const size_t length = be16(bytes, 14);
  const bool local = (version_command & 15) == 0;
  size_t ip = 0;
  if (!local) {
    // A stream over IPv4 or IPv6, or of a family that is not said; datagrams and Unix sockets have no place here.
    if (family == 0x11)
      ip = 4;
    else if (family == 0x21)
      ip = 16;
    else if (family != 0x00)
      return Look::No;
  }
  if (length < (ip ? 2 * ip + 4 : 0)) return Look::No;
  if (bytes.size() < kFixed + length) return Look::NeedMore;
  out.size = kFixed + length;
  if (!ip) return Look::Yes;
  std::string_view body = bytes.substr(kFixed, length);
  if (!whole_fields(body.substr(2 * ip + 4))) return Look::No;
  out.source = address_of(body.substr(0, ip), body.substr(2 * ip, 2));
  out.destination = address_of(body.substr(ip, ip), body.substr(2 * ip + 2, 2));
  return Look::Yes;
}

}  // namespace

Look ProxyHeader::parse(std::string_view bytes, const ProxyHeaderPolicy& wanted, ProxyHeader& out) {
  out = {};
  if (bytes.empty()) return Look::NeedMore;
  const bool v1 = wanted.v1 && begins(bytes, kV1), v2 = wanted.v2 && begins(bytes, kV2);
  if (!v1 && !v2) return wanted.optional ? Look::Yes : Look::No;
  if (v1 && bytes.size() < kV1.size()) return Look::NeedMore;
  if (v2 && bytes.size() < kV2.size()) return Look::NeedMore;
  return v1 ? parse_v1(bytes, out) : parse_v2(bytes, out);
}

}  // namespace proxy
