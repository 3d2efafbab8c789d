// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"
#include "proxy/listener/listener_config.h"

namespace proxy {
namespace {

struct RawIp {
  const unsigned char* bytes = nullptr;
  size_t size = 0;
};

RawIp raw(const net::Address& address) {
  if (address.family() == AF_INET)
    return {reinterpret_cast<const unsigned char*>(&reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr), 4};
  if (address.family() == AF_INET6)
    return {reinterpret_cast<const unsigned char*>(&reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr),
            16};
  return {};
}

bool is_loopback(const net::Address& address) {
  RawIp ip = raw(address);
  if (ip.size == 4) return ip.bytes[0] == 127;
  if (ip.size == 16) return std::memcmp(ip.bytes, &in6addr_loopback, 16) == 0;
  return address.is_unix();
}

using Chains = std::vector<const FilterChain*>;

// Keeps the chains of the highest score; a score below 0 does not fit.
template <typename Score>
void narrow(Chains& chains, Score score) {
  int best = -1;
  Chains kept;
  for (const FilterChain* chain : chains) {
    int s = score(chain->match);
    if (s < 0 || s < best) continue;
    if (s > best) kept.clear();
    best = s;
    kept.push_back(chain);
  }
  chains = std::move(kept);
}

int score_of(const std::vector<AddressRange>& ranges, const net::Address& address) {
  if (ranges.empty()) return 0;
  int best = -1;
  for (const AddressRange& range : ranges)
    if (range.contains(address)) best = std::max(best, 1 + range.bits);
  return best;
}

int score_of_name(const std::vector<std::string>& names, std::string_view wanted) {
  if (names.empty()) return 0;
  int best = -1;
  for (const std::string& name : names) {
    if (name == wanted) return 1'000'000;
    if (name.starts_with("*.") && wanted.size() > name.size() - 1 && wanted.ends_with(std::string_view(name).substr(1)))
      best = std::max(best, static_cast<int>(name.size()));
    if (name == "*") best = std::max(best, 1);
  }
  return best;
}

}  // namespace

base::Result<AddressRange> AddressRange::parse(std::string_view ip, uint32_t bits) {
  AddressRange out;
  out.prefix = TRY(net::Address::parse(ip, 0));
  size_t size = raw(out.prefix).size * 8;
  if (bits > size)
    return base::fail(base::ErrorKind::Invalid,
                      "prefix length " + std::to_string(bits) + " is too long for " + std::string(ip));
  out.bits = static_cast<uint8_t>(bits);
  return out;
}

bool AddressRange::contains(const net::Address& address) const {
  RawIp a = raw(prefix), b = raw(address);
  if (!a.size || a.size != b.size) return false;
  size_t whole = bits / 8, rest = bits % 8;
  if (std::memcmp(a.bytes, b.bytes, whole) != 0) return false;
  if (!rest) return true;
  unsigned char mask = static_cast<unsigned char>(0xff << (8 - rest));
  return (a.bytes[whole] & mask) == (b.bytes[whole] & mask);
}

bool Listener::Inspector::runs_for(uint16_t port) const {
  if (!on) return false;
  for (const auto& [first, end] : off_ports)
    if (port >= first && port < end) return false;
  return true;
}

const FilterChain* Listener::chain_for(const Arrival& arrival) const {
  Chains left;
  left.reserve(chains.size());
  for (const auto& chain : chains) left.push_back(chain.get());

  const uint16_t port = arrival.local.port();
  narrow(left, [&](const FilterChainMatch& m) {
    return m.destination_port == port ? 1 : m.destination_port == 0 ? 0 : -1;
  });
  narrow(left, [&](const FilterChainMatch& m) { return score_of(m.destinations, arrival.local); });
  std::string server_name = base::to_lower(arrival.server_name);
  narrow(left, [&](const FilterChainMatch& m) { return score_of_name(m.server_names, server_name); });
  narrow(left, [&](const FilterChainMatch& m) {
    return m.transport == arrival.transport ? 1 : m.transport.empty() ? 0 : -1;
  });
  narrow(left, [&](const FilterChainMatch& m) {
    if (m.protocols.empty()) return 0;
    for (size_t i = 0; i < arrival.protocols.size(); ++i)  // the peer's order counts
      if (std::find(m.protocols.begin(), m.protocols.end(), arrival.protocols[i]) != m.protocols.end())
        return static_cast<int>(arrival.protocols.size() - i);
    return -1;
  });
  narrow(left, [&](const FilterChainMatch& m) {
    return score_of(m.direct_sources, arrival.direct.valid() ? arrival.direct : arrival.remote);
  });
  narrow(left, [&](const FilterChainMatch& m) {
    bool here = is_loopback(arrival.remote) || arrival.remote.with_port(0) == arrival.local.with_port(0);
    switch (m.source) {
      case FilterChainMatch::Source::SameIpOrLoopback:
        return here ? 1 : -1;
      case FilterChainMatch::Source::External:
        return here ? -1 : 1;
      default:
        return 0;
    }
  });
  narrow(left, [&](const FilterChainMatch& m) { return score_of(m.sources, arrival.remote); });
  narrow(left, [&](const FilterChainMatch& m) {
    if (m.source_ports.empty()) return 0;
    return std::find(m.source_ports.begin(), m.source_ports.end(), arrival.remote.port()) != m.source_ports.end() ? 1
                                                                                                                  : -1;
  });
  return left.empty() ? default_chain.get() : left.front();
}

}  // namespace proxy
