// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/service_proxy.h"

#include "base/strings.h"
#include "localkube/fields.h"

namespace localkube {

ServiceProxy::ServiceProxy(Cluster& cluster, ServiceRules& rules) : cluster_(cluster), rules_(rules) {
  auto changed = [this](const Change&) {
    if (std::exchange(asked_, true)) return;
    cluster_.loop.post([this] { look(); });
  };
  watches_.push_back(cluster_.api.watch(kinds::kServices, changed));
  watches_.push_back(cluster_.api.watch(kinds::kSlices, changed));
}

void ServiceProxy::look() {
  asked_ = false;
  rules_.set(service_ports_of(cluster_.api.list(kinds::kServices), cluster_.api.list(kinds::kSlices)));
}

using SlicesByService = std::map<std::string, std::vector<const objects::Object*>>;

static std::vector<ServicePort::Target> targets_of(const base::Json& port,
                                                   const std::vector<const objects::Object*>& slices) {
  std::vector<ServicePort::Target> ready, ending;
  for (const objects::Object* slice : slices)
    for (const base::Json& target : items(slice->json(), "ports")) {
      if (base::text(target, "name") != base::text(port, "name") || number(target, "port") == 0) continue;
      for (const base::Json& endpoint : items(slice->json(), "endpoints")) {
        const base::Json* said = base::find(endpoint, "conditions", "ready");
        bool is_ready = !said || !said->is_boolean() || said->get<bool>();
        bool serves_to_the_end =
            truth(endpoint, "conditions", "serving") && truth(endpoint, "conditions", "terminating");
        for (const base::Json& ip : items(endpoint, "addresses"))
          if (ip.is_string() && (is_ready || serves_to_the_end))
            (is_ready ? ready : ending)
                .push_back({ip.get<std::string>(), static_cast<uint16_t>(number(target, "port"))});
      }
    }
  // Those that end serve only while there is nobody else.
  return ready.empty() ? ending : ready;
}

std::vector<ServicePort> service_ports_of(const std::vector<objects::Object>& services,
                                          const std::vector<objects::Object>& slices) {
  SlicesByService by_service;
  for (const objects::Object& slice : slices)
    by_service[key_of(slice.ns(), slice.label("kubernetes.io/service-name"))].push_back(&slice);
  std::vector<ServicePort> out;
  for (const objects::Object& service : services) {
    std::string address = string_at(service.spec(), "clusterIP");
    if (address.empty() || address == "None" || address.find(':') != address.npos) continue;
    auto found = by_service.find(key_of(service.ns(), service.name()));
    for (const base::Json& port : items(service.spec(), "ports")) {
      std::string protocol = base::to_lower(string_at(port, "protocol"));
      ServicePort one{.protocol = protocol.empty() ? "tcp" : protocol,
                      .address = address,
                      .port = static_cast<uint16_t>(number(port, "port")),
                      .node_port = static_cast<uint16_t>(number(port, "nodePort")),
                      .sticky = base::text(service.spec(), "sessionAffinity") == "ClientIP"};
      if (found != by_service.end()) one.targets = targets_of(port, found->second);
      out.push_back(std::move(one));
    }
  }
  return out;
}

}  // namespace localkube
