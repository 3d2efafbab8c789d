// SPDX-License-Identifier: Apache-2.0
#include "proxy/listener/proxy_header.h"
#include "fuzz/require.h"
#include "proxy/upstream/proxy_protocol.h"

using fuzz::require;
using proxy::Look;
using proxy::ProxyHeader;
using proxy::ProxyHeaderPolicy;

// A byte that says which versions are taken, then a connection's first bytes. They mean the same however they come in,
// and whom a header names is named again by the header that an upstream would get.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > 1024) return 0;
  const ProxyHeaderPolicy policy{.optional = (data[0] & 1) != 0, .v1 = (data[0] & 2) == 0, .v2 = (data[0] & 4) == 0};
  const std::string_view bytes = fuzz::text_of(data + 1, size - 1);
  ProxyHeader whole;
  const Look look = ProxyHeader::parse(bytes, policy, whole);
  require(look != Look::Yes || whole.size <= bytes.size());
  require(whole.source.valid() == whole.destination.valid() || look != Look::Yes);
  for (size_t at = 0; at < bytes.size(); ++at) {
    ProxyHeader part;
    const Look early = ProxyHeader::parse(bytes.substr(0, at), policy, part);
    if (early == Look::NeedMore) continue;
    require(early == look);
    if (early != Look::Yes) break;
    require(part.size == whole.size && part.source == whole.source && part.destination == whole.destination);
    require(part.size <= at);
    break;
  }
  // An IPv6 address that stands for an IPv4 one is that one.
  if (look != Look::Yes || !whole.source.valid() || whole.source.family() != whole.destination.family()) return 0;
  for (auto version : {proxy::ProxyProtocol::V1, proxy::ProxyProtocol::V2}) {
    const std::string written = proxy::proxy_header(version, whole.source, whole.destination);
    ProxyHeader again;
    require(ProxyHeader::parse(written, {}, again) == Look::Yes && again.size == written.size());
    require(again.source == whole.source && again.destination == whole.destination);
  }
  return 0;
}
