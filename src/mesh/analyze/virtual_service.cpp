// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "mesh/analyze/rules.h"
#include "mesh/hostname.h"

namespace mesh {
namespace {

using config::Severity;
namespace api = config::networking;

constexpr std::string_view kNetworking = "networking.istio.io";

bool binds(const config::VirtualService& virtual_service, std::string_view gateway) {
  const auto& gateways = virtual_service.spec.gateways();
  return std::ranges::find(gateways, gateway) != gateways.end();
}

// A host that clients can mean: a service, or one that a ServiceEntry's wildcard covers.
bool is_known(const Snapshot& snapshot, std::string_view host) {
  if (snapshot.service(host)) return true;
  return std::ranges::any_of(snapshot.services, [&](const auto& service) {
    return is_wildcard(service->hostname) && covers(service->hostname, host);
  });
}

std::vector<std::string> subset_names(const Snapshot& snapshot, const std::string& host) {
  std::vector<std::string> out;
  for (const auto& [key, rule] : snapshot.rules_by_host)
    if (covers(rule->spec.host(), host))
      for (const auto& subset : rule->spec.subsets()) out.push_back(subset.name());
  for (const auto* wild : {&snapshot.wildcard_rules, &snapshot.selecting_rules})
    for (const auto& [ns, rules] : *wild)
      for (const auto& rule : rules)
        if (covers(rule->spec.host(), host))
          for (const auto& subset : rule->spec.subsets()) out.push_back(subset.name());
  std::ranges::sort(out);
  return out;
}

struct Destinations {
  const Snapshot& snapshot;
  const objects::Ref& ref;
  Findings& out;

  void look_at(const api::Destination& destination, const std::string& path) const {
    if (!is_known(snapshot, destination.host())) {
      out.push_back({Severity::Error, "SN0202", ref, path + ".host",
                     "Referenced host not found: \"" + destination.host() + "\"",
                     "there is no Service or ServiceEntry of that name; its share of requests gets 503"});
      return;
    }
    look_at_port(destination, path);
    if (destination.subset().empty()) return;
    auto known = subset_names(snapshot, destination.host());
    if (std::ranges::find(known, destination.subset()) != known.end()) return;
    out.push_back(
        {Severity::Error, "SN0203", ref, path + ".subset",
         "Referenced host+subset in destinationrule not found: \"" + destination.host() + "+" + destination.subset() +
             "\"",
         known.empty() ? "no DestinationRule for that host defines subsets" : "defined: " + base::join(known, ", ")});
  }

  void look_at_port(const api::Destination& destination, const std::string& path) const {
    const Service* service = snapshot.service(destination.host());
    if (!service || service->resolution == Resolution::Alias) return;
    if (destination.has_port() && !service->port(static_cast<int>(destination.port().number())))
      out.push_back({Severity::Error, "SN0204", ref, path + ".port.number",
                     "Referenced port not found: " + std::to_string(destination.port().number()) + " of \"" +
                         destination.host() + "\"",
                     "the Service has: " + ports_text(*service)});
    if (!destination.has_port() && service->ports.size() > 1)
      out.push_back({Severity::Warning, "SN0205", ref, path + ".port",
                     "\"" + destination.host() + "\" has more than one port, so the port that was called is meant",
                     "the Service has: " + ports_text(*service)});
  }

  static std::string ports_text(const Service& service) {
    std::vector<std::string> numbers;
    for (const Port& port : service.ports) numbers.push_back(std::to_string(port.number));
    return base::join(numbers, ", ");
  }

  void look_at_routes(const auto& routes, const std::string& path) const {
    for (int i = 0; i < routes.size(); ++i)
      look_at(routes[i].destination(), path + ".route[" + std::to_string(i) + "].destination");
  }
};

}  // namespace

// A sidecar obeys one VirtualService a host, the oldest; the others are idle
// there. The one that is in force is named, so that its reader can find it.
void find_shared_hosts(const Snapshot& snapshot, Findings& out) {
  std::map<std::string, const config::VirtualService*> first;
  for (const auto& virtual_service : snapshot.virtual_services) {
    if (!binds(*virtual_service, "mesh")) continue;
    for (int i = 0; i < virtual_service->spec.hosts_size(); ++i) {
      const std::string& host = virtual_service->spec.hosts(i);
      auto [place, fresh] = first.emplace(host, virtual_service.get());
      if (fresh || place->second == virtual_service.get()) continue;
      const objects::Ref& winner = place->second->meta.ref;
      const objects::Ref& loser = virtual_service->meta.ref;
      std::string both = winner.ns + "/" + winner.name + " and " + loser.ns + "/" + loser.name;
      out.push_back({Severity::Warning, "SN0201", loser, "spec.hosts[" + std::to_string(i) + "]",
                     "VirtualServices " + both + " define the same host " + host + " for sidecars; the older, " +
                         winner.ns + "/" + winner.name + ", is in force and this one is not",
                     "merge them into one, or delete " + winner.ns + "/" + winner.name});
    }
  }
}

void find_unknown_destinations(const Inputs& inputs, const Snapshot& snapshot, Findings& out) {
  for (const auto& rule : parsed<config::VirtualService>(inputs, kNetworking, "VirtualService")) {
    Destinations destinations{snapshot, rule->meta.ref, out};
    auto path = [](const char* kind, int i) { return std::string("spec.") + kind + "[" + std::to_string(i) + "]"; };
    for (int i = 0; i < rule->spec.http_size(); ++i) {
      const auto& http = rule->spec.http(i);
      destinations.look_at_routes(http.route(), path("http", i));
      if (http.has_mirror()) destinations.look_at(http.mirror(), path("http", i) + ".mirror");
      for (int m = 0; m < http.mirrors_size(); ++m)
        destinations.look_at(http.mirrors(m).destination(),
                             path("http", i) + ".mirrors[" + std::to_string(m) + "].destination");
    }
    for (int i = 0; i < rule->spec.tls_size(); ++i)
      destinations.look_at_routes(rule->spec.tls(i).route(), path("tls", i));
    for (int i = 0; i < rule->spec.tcp_size(); ++i)
      destinations.look_at_routes(rule->spec.tcp(i).route(), path("tcp", i));
  }
}

}  // namespace mesh
