// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/config.h"

namespace proxy {

std::shared_ptr<const Listener> RuntimeConfig::hand_over(const net::Address& original) const {
  if (auto it = unbound.find(original); it != unbound.end()) return it->second;
  std::string_view any = original.family() == AF_INET6 ? "::" : "0.0.0.0";
  auto wildcard = net::Address::parse(any, original.port());
  if (!wildcard) return nullptr;
  auto it = unbound.find(*wildcard);
  return it == unbound.end() ? nullptr : it->second;
}

}  // namespace proxy
