// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/endpoints.h"

#include <algorithm>

#include "localkube/api/metadata.h"
#include "localkube/fields.h"

namespace localkube {

static constexpr size_t kMostEndpoints = 100;  // of one slice
static constexpr const char* kServiceLabel = "kubernetes.io/service-name";
static constexpr const char* kManager = "endpointslice-controller.k8s.io";

static bool selects(const objects::Object& service, const objects::Object& pod) {
  const base::Json& selector = fields(service.spec(), "selector");
  if (selector.empty() || base::text(service.spec(), "type") == "ExternalName") return false;
  for (const auto& [key, value] : selector.items())
    if (!value.is_string() || pod.label(key) != value.get<std::string>()) return false;
  return true;
}

EndpointSlices::EndpointSlices(Cluster& cluster)
    : cluster_(cluster), queue_(cluster.loop, [this](std::string key) { return reconcile(this, std::move(key)); }) {
  watches_.push_back(cluster_.api.watch(kinds::kServices, [this](const Change& change) {
    queue_.add(key_of(change.object.ns(), change.object.name()));
  }));
  watches_.push_back(cluster_.api.watch(kinds::kPods, [this](const Change& change) { on_pod(change); }));
  // Somebody may have changed or removed what is written here.
  watches_.push_back(cluster_.api.watch(kinds::kSlices, [this](const Change& change) {
    if (change.object.label("endpointslice.kubernetes.io/managed-by") == kManager)
      queue_.add(key_of(change.object.ns(), change.object.label(kServiceLabel)));
  }));
}

void EndpointSlices::on_pod(const Change& change) {
  const objects::Object& pod = change.object;
  std::string key = key_of(pod.ns(), pod.name());
  std::set<std::string> now;
  if (change.type != Change::Type::Deleted)
    for (const objects::Object& service : cluster_.api.list(kinds::kServices, pod.ns()))
      if (selects(service, pod)) now.insert(key_of(service.ns(), service.name()));
  std::set<std::string> before = std::exchange(behind_[key], now);
  if (now.empty()) behind_.erase(key);
  now.merge(before);
  for (const std::string& service : now) queue_.add(service);
}

// The number that a Service's target port means in this pod; 0: none.
static int64_t target_port(const base::Json& port, const objects::Object& pod) {
  const base::Json* target = base::find(port, "targetPort");
  if (!target) return number(port, "port");
  if (target->is_number()) return target->get<int64_t>();
  std::string protocol = string_at(port, "protocol");
  for (const char* list : {"containers", "initContainers"})
    for (const base::Json& container : items(pod.spec(), list))
      for (const base::Json& known : items(container, "ports")) {
        std::string its = string_at(known, "protocol");
        bool same = (its.empty() ? "TCP" : its) == (protocol.empty() ? "TCP" : protocol);
        if (same && *target == string_at(known, "name")) return number(known, "containerPort");
      }
  return 0;
}

static base::Json ports_of(const objects::Object& service, const objects::Object& pod) {
  base::Json ports = base::Json::array();
  for (const base::Json& port : items(service.spec(), "ports")) {
    int64_t target = target_port(port, pod);
    if (target == 0) continue;
    std::string protocol = string_at(port, "protocol");
    base::Json out = {
        {"name", string_at(port, "name")}, {"port", target}, {"protocol", protocol.empty() ? "TCP" : protocol}};
    if (std::string app = string_at(port, "appProtocol"); !app.empty()) out["appProtocol"] = app;
    ports.push_back(std::move(out));
  }
  return ports;
}

static base::Json reference_to(const objects::Object& pod) {
  return {{"kind", "Pod"}, {"namespace", pod.ns()}, {"name", pod.name()}, {"uid", pod.uid()}};
}

static base::Json endpoint_of(const objects::Object& service, const objects::Object& pod) {
  bool serving = pod_ready(pod), terminating = pod.deleting();
  bool ready = (serving && !terminating) || truth(service.spec(), "publishNotReadyAddresses");
  base::Json out = {{"addresses", base::Json::array({string_at(pod.status(), "podIP")})},
                    {"conditions", {{"ready", ready}, {"serving", serving}, {"terminating", terminating}}},
                    {"nodeName", string_at(pod.spec(), "nodeName")},
                    {"targetRef", reference_to(pod)}};
  std::string hostname = string_at(pod.spec(), "hostname");
  if (!hostname.empty() && base::text(pod.spec(), "subdomain") == service.name()) out["hostname"] = hostname;
  return out;
}

// As Kubernetes orders them: by the address's text, so that who reads twice reads the same.
static void sort_by(base::Json& list, std::string_view (*address)(const base::Json&)) {
  std::ranges::stable_sort(list.get_ref<base::Json::array_t&>(), {}, address);
}

std::vector<base::Json> slices_of(const objects::Object& service, const std::vector<objects::Object>& pods) {
  std::vector<base::Json> slices;
  for (const objects::Object& pod : pods) {
    if (!selects(service, pod) || pod_ended(pod) || base::text(pod.status(), "podIP").empty()) continue;
    base::Json ports = ports_of(service, pod), *slice = nullptr;
    for (base::Json& known : slices)
      if (known["ports"] == ports && known["endpoints"].size() < kMostEndpoints) slice = &known;
    if (!slice) {
      slices.push_back({{"endpoints", base::Json::array()}, {"ports", ports}});
      slice = &slices.back();
    }
    (*slice)["endpoints"].push_back(endpoint_of(service, pod));
  }
  for (base::Json& slice : slices)
    sort_by(slice["endpoints"], [](const base::Json& one) -> std::string_view {
      return one["addresses"][0].get_ref<const std::string&>();
    });
  if (slices.empty()) slices.push_back({{"endpoints", base::Json::array()}, {"ports", base::Json::array()}});
  return slices;
}

base::Json subsets_of(const std::vector<base::Json>& slices) {
  std::vector<base::Json> all;  // one for each list of ports, however many slices it took
  for (const base::Json& slice : slices)
    for (const base::Json& endpoint : slice["endpoints"]) {
      if (truth(endpoint, "conditions", "terminating")) continue;
      base::Json address = {
          {"ip", endpoint["addresses"][0]}, {"nodeName", endpoint["nodeName"]}, {"targetRef", endpoint["targetRef"]}};
      if (endpoint.contains("hostname")) address["hostname"] = endpoint["hostname"];
      auto subset =
          std::ranges::find_if(all, [&](const base::Json& known) { return known["ports"] == slice["ports"]; });
      if (subset == all.end()) subset = all.insert(all.end(), base::Json{{"ports", slice["ports"]}});
      (*subset)[truth(endpoint, "conditions", "ready") ? "addresses" : "notReadyAddresses"].push_back(
          std::move(address));
    }
  for (base::Json& subset : all)
    for (const char* list : {"addresses", "notReadyAddresses"})
      if (subset.contains(list)) sort_by(subset[list], [](const base::Json& one) { return base::text(one, "ip"); });
  return all;
}

net::Task<bool> EndpointSlices::reconcile(EndpointSlices* self, std::string key) {
  auto [ns, name] = names_of_key(key);
  auto service = self->cluster_.api.get(kinds::kServices, ns, name);
  if (!service) {
    if (self->cluster_.api.get(kinds::kEndpoints, ns, name)) {
      auto removed = co_await self->cluster_.api.remove(kinds::kEndpoints, ns, name);
      (void)removed;
    }
    co_return true;  // its slices are owned by it and go with it
  }
  if (service->deleting() || fields(service->spec(), "selector").empty()) co_return true;
  auto slices = slices_of(*service, self->cluster_.api.list(kinds::kPods, ns));
  base::Json subsets = subsets_of(slices);
  bool sliced = co_await write_slices(self, *service, std::move(slices));
  bool listed = co_await write_endpoints(self, std::move(*service), std::move(subsets));
  co_return sliced&& listed;
}

static base::Json slice_document(const objects::Object& service) {
  base::Json labels = fields(service.json(), "metadata", "labels");
  labels[kServiceLabel] = service.name();
  labels["endpointslice.kubernetes.io/managed-by"] = kManager;
  if (base::text(service.spec(), "clusterIP") == "None") labels["service.kubernetes.io/headless"] = "";
  return {{"apiVersion", "discovery.k8s.io/v1"},
          {"kind", "EndpointSlice"},
          {"metadata",
           {{"name", std::string(service.name()) + "-" + random_suffix()},
            {"namespace", service.ns()},
            {"labels", std::move(labels)},
            {"ownerReferences", base::Json::array({controller_reference(service)})}}},
          {"addressType", "IPv4"}};
}

net::Task<bool> EndpointSlices::write_slices(EndpointSlices* self, objects::Object service,
                                             std::vector<base::Json> wanted) {
  std::vector<objects::Object> there;
  for (objects::Object& slice : self->cluster_.api.list(kinds::kSlices, service.ns()))
    if (slice.label(kServiceLabel) == service.name() &&
        slice.label("endpointslice.kubernetes.io/managed-by") == kManager && !slice.deleting())
      there.push_back(std::move(slice));
  bool all = true;
  for (size_t i = 0; i < std::max(wanted.size(), there.size()); i++) {
    if (i >= wanted.size()) {
      std::string ns(there[i].ns()), name(there[i].name());
      auto removed = co_await self->cluster_.api.remove(kinds::kSlices, ns, name);
      all = all && (removed || removed.error().code == 404);
    } else if (i >= there.size()) {
      base::Json document = slice_document(service);
      document.update(wanted[i]);
      auto made = co_await self->cluster_.api.create(kinds::kSlices, objects::Object(std::move(document)));
      all = all && made.has_value();
    } else {
      base::Json before = there[i].json(), after = before;
      after["endpoints"] = wanted[i]["endpoints"];
      after["ports"] = wanted[i]["ports"];
      if (before == after) continue;
      auto written = co_await self->cluster_.api.update(kinds::kSlices, objects::Object(std::move(after)));
      all = all && written.has_value();
    }
  }
  co_return all;
}

net::Task<bool> EndpointSlices::write_endpoints(EndpointSlices* self, objects::Object service, base::Json subsets) {
  std::string ns(service.ns()), name(service.name());
  auto there = self->cluster_.api.get(kinds::kEndpoints, ns, name);
  if (!there) {
    base::Json document = {
        {"apiVersion", "v1"}, {"kind", "Endpoints"}, {"metadata", {{"name", name}, {"namespace", ns}}}};
    if (const base::Json* labels = base::find(service.json(), "metadata", "labels"))
      document["metadata"]["labels"] = *labels;
    document["subsets"] = std::move(subsets);
    auto made = co_await self->cluster_.api.create(kinds::kEndpoints, objects::Object(std::move(document)));
    co_return made.has_value();
  }
  if (there->json().value("subsets", base::Json::array()) == subsets) co_return true;
  there->json()["subsets"] = std::move(subsets);
  auto written = co_await self->cluster_.api.update(kinds::kEndpoints, std::move(*there));
  co_return written.has_value();
}

}  // namespace localkube
