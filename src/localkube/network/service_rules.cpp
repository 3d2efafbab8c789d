// SPDX-License-Identifier: Apache-2.0
#include "localkube/network/service_rules.h"

#include <arpa/inet.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "localkube/network/pod_network.h"

namespace localkube {

static std::string chain_of(const ServicePort& port, size_t number) {
  std::string out = "  chain s" + std::to_string(number) + " {\n    meta l4proto " + port.protocol + " dnat ip to ";
  if (port.targets.size() == 1) {
    out += port.targets[0].ip + ":" + std::to_string(port.targets[0].port);
  } else {
    out +=
        (port.sticky ? "jhash ip saddr mod " : "numgen random mod ") + std::to_string(port.targets.size()) + " map { ";
    for (size_t i = 0; i < port.targets.size(); i++)
      out += (i ? ", " : "") + std::to_string(i) + " : " + port.targets[i].ip + " . " +
             std::to_string(port.targets[i].port);
    out += " }";
  }
  return out + "\n  }\n";
}

static std::string set_of(std::string_view head, const std::vector<std::string>& elements) {
  std::string out = "  " + std::string(head);
  if (!elements.empty()) out += "\n    elements = { " + base::join(elements, ",\n      ") + " }";
  return out + "\n  }\n";
}

static bool is_ipv4(const std::string& text) {
  in_addr any;
  return inet_pton(AF_INET, text.c_str(), &any) == 1;
}

// nft takes the whole table or nothing of it: what it would not take is left out alone, and of two that claim one
// place the first has it.
std::string ruleset_of(const std::vector<ServicePort>& ports) {
  std::vector<std::string> services, node_ports;
  std::set<std::string> own, taken;
  std::string chains;
  for (size_t i = 0; i < ports.size(); i++) {
    ServicePort port = ports[i];
    std::erase_if(port.targets, [](const ServicePort::Target& target) { return !is_ipv4(target.ip) || !target.port; });
    const std::string place = port.address + " . " + port.protocol + " . " + std::to_string(port.port);
    const std::string node_place = port.protocol + " . " + std::to_string(port.node_port);
    if (port.targets.empty() || !is_ipv4(port.address) || !taken.insert(place).second) continue;
    chains += chain_of(port, i);
    std::string then = " : goto s" + std::to_string(i);
    services.push_back(place + then);
    if (port.node_port && taken.insert(node_place).second) node_ports.push_back(node_place + then);
    for (const ServicePort::Target& target : port.targets) own.insert(target.ip + " . " + target.ip);
  }
  std::string services_net = std::string(kServiceNetwork) + "/" + std::to_string(kNetworkPrefix);
  std::string choose =
      "    ip daddr . meta l4proto . th dport vmap @services\n"
      "    fib daddr type local meta l4proto . th dport vmap @node_ports\n  }\n";
  std::string refuse = "    ip daddr " + services_net + " ip daddr != " + kDnsAddress +
                       " meta l4proto tcp reject with tcp reset\n    ip daddr " + services_net +
                       " ip daddr != " + kDnsAddress + " reject\n  }\n";
  return "table ip seine_services\ndelete table ip seine_services\ntable ip seine_services {\n" +
         set_of("map services { type ipv4_addr . inet_proto . inet_service : verdict;", services) +
         set_of("map node_ports { type inet_proto . inet_service : verdict;", node_ports) +
         set_of("set own { type ipv4_addr . ipv4_addr;", {own.begin(), own.end()}) + chains +
         "  chain prerouting { type nat hook prerouting priority -100; policy accept;\n" + choose +
         "  chain output { type nat hook output priority -100; policy accept;\n" + choose +
         "  chain postrouting { type nat hook postrouting priority 100; policy accept;\n"
         "    ct status dnat ip saddr . ip daddr @own snat to " +
         kGatewayAddress + "\n  }\n" +
         "  chain refuse_forward { type filter hook forward priority 0; policy accept;\n" + refuse +
         "  chain refuse_output { type filter hook output priority 0; policy accept;\n" + refuse + "}\n";
}

void ServiceRules::set(std::vector<ServicePort> ports) {
  std::sort(ports.begin(), ports.end());
  wanted_ = ruleset_of(ports);
  if (!running_ && wanted_ != applied_) net::spawn(apply(this));
}

net::Task<void> ServiceRules::apply(ServiceRules* self) {
  self->running_ = true;
  while (self->wanted_ != self->applied_) {
    std::string rules = self->wanted_;
    std::vector<std::string> argv = {"nft", "-f", "-"};
    auto outcome = co_await self->children_.run(std::move(argv), rules);
    if (!outcome || outcome->code != 0)
      base::log::error("Service rules: {}", outcome ? outcome->errors : outcome.error().message);
    if (!outcome) {  // nft could not be run: that may pass
      co_await net::sleep(net::Loop::current(), std::chrono::seconds(1));
      continue;
    }
    self->applied_ = std::move(rules);  // rules that nft refuses are not tried again until they change
  }
  self->running_ = false;
}

}  // namespace localkube
