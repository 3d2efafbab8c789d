// SPDX-License-Identifier: Apache-2.0
#include "cli/host_ports.h"

#include "base/strings.h"

namespace cli {

std::vector<HostPort> host_ports_of(const objects::Object& service) {
  std::vector<HostPort> out;
  for (std::string_view entry : base::split(service.annotation("localkube.seine.dev/host-ports"), ',')) {
    auto parts = base::cut(entry, '=');
    if (!parts) continue;
    HostPort port{.address = std::string(parts->second)};
    port.node_port = parts->first.starts_with("node/");
    port.port = parts->first.substr(port.node_port ? 5 : 0);
    out.push_back(std::move(port));
  }
  return out;
}

std::vector<std::string> moved_ports_of(const objects::Object& service) {
  std::vector<std::string> lines;
  for (const HostPort& port : host_ports_of(service)) {
    if (port.address.ends_with(":" + port.port)) continue;
    lines.push_back((port.node_port ? "Node port " : "Port ") + port.port + " of Service " + std::string(service.ns()) +
                    "/" + std::string(service.name()) + " is at " + port.address + ", as " + port.port +
                    " was not free");
  }
  return lines;
}

}  // namespace cli
