// SPDX-License-Identifier: Apache-2.0
#include "translate/domains.h"

#include <algorithm>

namespace translate {
namespace {

void add_names(std::vector<std::string>& out, const std::string& hostname, const mesh::View& view) {
  out.push_back(hostname);
  if (!hostname.empty() && hostname.back() != '.') out.push_back(hostname + ".");
  std::string suffix = ".svc." + view.mesh().cluster_domain;
  // Of "*.ns.svc.cluster.local" the short form would be "*", which is everybody's.
  if (!hostname.ends_with(suffix) || hostname.starts_with('*')) return;
  std::string name_and_ns = hostname.substr(0, hostname.size() - suffix.size());
  size_t dot = name_and_ns.rfind('.');
  if (dot == std::string::npos) return;
  if (name_and_ns.substr(dot + 1) == view.proxy().ns) out.push_back(name_and_ns.substr(0, dot));
  out.push_back(name_and_ns + ".svc");
  out.push_back(name_and_ns);
}

}  // namespace

std::vector<std::string> domains_of(const mesh::View& view, const mesh::Service& service) {
  std::vector<std::string> out;
  add_names(out, service.hostname, view);
  for (const auto& alias : view.services())
    if (alias->resolution == mesh::Resolution::Alias && alias->external_name == service.hostname)
      add_names(out, alias->hostname, view);
  if (service.headless && service.from_kubernetes) {
    size_t plain = out.size();
    for (size_t i = 0; i < plain; ++i) out.push_back("*." + out[i]);
  }
  for (const std::string& address : service.addresses)
    if (address.find('/') == std::string::npos)
      out.push_back(address.find(':') == std::string::npos ? address : "[" + address + "]");
  return out;
}

}  // namespace translate
