// SPDX-License-Identifier: Apache-2.0
#include "mesh/inputs.h"

#include <algorithm>

#include "config/kinds.h"
#include "config/specs.h"
#include "mesh/kubernetes.h"
#include "mesh/mesh_config.h"
#include "mesh/resolve.h"

namespace mesh {
namespace {

constexpr std::string_view kNetworking = "networking.istio.io";
constexpr std::string_view kSecurity = "security.istio.io";

template <typename T>
void take(Inputs::Entry& entry) {
  auto parsed = config::parse<T>(*entry.object);
  if (!parsed) {
    entry.error = parsed.error().message;
    return;
  }
  if constexpr (std::is_same_v<T, config::VirtualService> || std::is_same_v<T, config::DestinationRule>)
    entry.parsed = resolved(**parsed, MeshConfig{}.cluster_domain);
  else
    entry.parsed = std::move(*parsed);
}

// What came past admission (an older Seine took it, or the webhook was away) is left out alone: translated it would
// make proxies refuse the whole table or listener that it is part of.
template <typename T>
void take_good(Inputs::Entry& entry) {
  entry.error = config::admission_message(config::validate(*entry.object));
  if (entry.error.empty()) take<T>(entry);
}

const base::Json* part(const base::Json& of, std::string_view key, base::Json::value_t type) {
  const base::Json* found = base::find(of, key);
  return found && found->type() == type ? found : nullptr;
}

// What a traffic policy says of TLS, and at which ports nothing else of it holds.
base::Json only_tls(const base::Json& policy, bool& any) {
  base::Json out = base::Json::object();
  auto take_tls = [&](const base::Json& from, base::Json& to) {
    const base::Json* tls = base::find(from, "tls");
    if (tls) to["tls"] = *tls;
    any |= tls != nullptr;
  };
  take_tls(policy, out);
  if (const base::Json* levels = part(policy, "portLevelSettings", base::Json::value_t::array))
    for (const base::Json& level : *levels) {
      base::Json kept = base::Json::object();
      if (const base::Json* port = base::find(level, "port")) kept["port"] = *port;
      take_tls(level, kept);
      out["portLevelSettings"].push_back(std::move(kept));
    }
  return out;
}

// A rule's spec without all but its TLS settings; `any`: it has some.
base::Json only_tls_of_rule(const base::Json& spec, bool& any) {
  base::Json out = base::Json::object();
  for (const char* key : {"host", "exportTo", "workloadSelector"})
    if (const base::Json* found = base::find(spec, key)) out[key] = *found;
  auto add_policy = [&](const base::Json& from, base::Json& to) {
    const base::Json* policy = base::find(from, "trafficPolicy");
    if (!policy) return;
    if (base::Json kept = only_tls(*policy, any); !kept.empty()) to["trafficPolicy"] = std::move(kept);
  };
  add_policy(spec, out);
  if (const base::Json* subsets = part(spec, "subsets", base::Json::value_t::array))
    for (const base::Json& subset : *subsets) {
      base::Json kept = base::Json::object();
      for (const char* key : {"name", "labels"})
        if (const base::Json* found = base::find(subset, key)) kept[key] = *found;
      add_policy(subset, kept);
      out["subsets"].push_back(std::move(kept));
    }
  return out;
}

// Left out altogether, a rule would take its TLS settings along and its host would be called in clear text. They stay
// in force; where they are what is wrong, only mTLS of this mesh is good enough.
void take_destination_rule(Inputs::Entry& entry) {
  take_good<config::DestinationRule>(entry);
  if (entry.error.empty()) return;
  bool any = false;
  base::Json reduced = only_tls_of_rule(entry.object->spec(), any);
  if (!any) return;
  base::Json closed = reduced;
  closed.erase("subsets");
  closed["trafficPolicy"] = {{"tls", {{"mode", "ISTIO_MUTUAL"}}}};
  for (auto& [spec, meanwhile] : {std::pair(reduced, "its TLS settings"),
                                  std::pair(closed, "that its host is called with the mesh's mTLS alone")}) {
    objects::Object object = *entry.object;
    object.json()["spec"] = spec;
    Inputs::Entry instead{.object = std::make_shared<const objects::Object>(std::move(object))};
    take_good<config::DestinationRule>(instead);
    if (!instead.error.empty()) continue;
    entry.parsed = std::move(instead.parsed);
    entry.meanwhile = meanwhile;
    return;
  }
}

void parse_networking(std::string_view kind, Inputs::Entry& entry) {
  if (kind == "VirtualService")
    take_good<config::VirtualService>(entry);
  else if (kind == "DestinationRule")
    take_destination_rule(entry);
  else if (kind == "Gateway")
    take_good<config::Gateway>(entry);
  else if (kind == "ServiceEntry")
    take_good<config::ServiceEntry>(entry);
  else if (kind == "Sidecar")
    take<config::Sidecar>(entry);
  else if (kind == "WorkloadEntry")
    take_good<config::WorkloadEntry>(entry);
  else if (kind == "WorkloadGroup")
    take<config::WorkloadGroup>(entry);
}

// One that came past admission and cannot be understood denies everything to whom it selects.
void take_authorization_policy(Inputs::Entry& entry) {
  if (config::admission_message(config::validate(*entry.object)).empty())
    return take<config::AuthorizationPolicy>(entry);
  objects::Object closed = *entry.object;
  objects::Json& spec = closed.json()["spec"];
  objects::Json selector = base::find(spec, "selector") ? spec["selector"] : objects::Json();
  spec = {{"action", "DENY"}, {"rules", objects::Json::array({objects::Json::object()})}};
  if (selector.is_object()) spec["selector"] = std::move(selector);
  Inputs::Entry denial{.object = std::make_shared<const objects::Object>(std::move(closed))};
  take<config::AuthorizationPolicy>(denial);
  if (!denial.error.empty()) {  // its selector neither: then to everybody whom its namespace speaks for
    closed = *denial.object;
    closed.json()["spec"].erase("selector");
    denial = {.object = std::make_shared<const objects::Object>(std::move(closed))};
    take<config::AuthorizationPolicy>(denial);
  }
  entry.parsed = std::move(denial.parsed);
}

void parse_istio(const Inputs::Key& key, Inputs::Entry& entry) {
  if (key.group == kNetworking)
    parse_networking(key.kind, entry);
  else if (key.group == kSecurity && key.kind == "AuthorizationPolicy")
    take_authorization_policy(entry);
  else if (key.group == kSecurity && key.kind == "PeerAuthentication")
    take<config::PeerAuthentication>(entry);
  else if (key.group == kSecurity && key.kind == "RequestAuthentication")
    take<config::RequestAuthentication>(entry);
  else if (key.kind == "Telemetry")
    take<config::Telemetry>(entry);
}

bool is_kubernetes(const Inputs::Key& key) {
  if (key.group == "discovery.k8s.io") return key.kind == "EndpointSlice";
  if (!key.group.empty()) return false;
  for (std::string_view kind : {"Service", "Pod", "Node", "Namespace", "ConfigMap", "Secret"})
    if (key.kind == kind) return true;
  return false;
}

// What of a Secret or ConfigMap is none of the mesh's business.
bool ignored(const Inputs::Key& key, const objects::Object& object) {
  if (key.kind == "ConfigMap") return object.name() != "istio";
  if (key.kind == "Secret") {
    std::string_view type = base::text(object.json(), "type");
    return type != "kubernetes.io/tls" && type != "Opaque" && !type.empty();
  }
  return false;
}

// Istio's label for configuration that is meant for one control plane among several; this one is "default".
bool of_another_revision(const objects::Object& object) {
  std::string_view revision = base::text(object.json(), "metadata", "labels", "istio.io/rev");
  return !revision.empty() && revision != "default";
}

bool same_service(const Service& a, const Service& b) {
  auto ports = [](const Service& s) {
    std::string out;
    for (const Port& p : s.ports)
      out += p.name + "/" + std::to_string(p.number) + "/" + std::to_string(p.target) + "/" + p.target_name + "/" +
             std::string(name(p.protocol)) + ";";
    return out;
  };
  return a.hostname == b.hostname && a.addresses == b.addresses && a.resolution == b.resolution &&
         a.headless == b.headless && a.publish_not_ready == b.publish_not_ready && a.external_name == b.external_name &&
         a.export_to == b.export_to && a.selector == b.selector && a.labels == b.labels && ports(a) == ports(b);
}

bool same_workload(const Workload& a, const Workload& b) {
  return a.addresses == b.addresses && a.labels == b.labels && a.service_account == b.service_account &&
         a.workload_name == b.workload_name && a.locality == b.locality && a.network == b.network &&
         a.named_ports == b.named_ports;
}

bool same_part(const objects::Object& a, const objects::Object& b, std::string_view key) {
  const base::Json* one = base::find(a.json(), key);
  const base::Json* other = base::find(b.json(), key);
  return one && other ? *one == *other : one == other;
}

bool same_configuration(const objects::Object& a, const objects::Object& b) {
  return a.spec() == b.spec() && a.labels() == b.labels() && a.annotations() == b.annotations();
}

template <typename T>
const T* as(const Inputs::Entry* entry) {
  if (!entry) return nullptr;
  auto* found = std::get_if<std::shared_ptr<const T>>(&entry->parsed);
  return found ? found->get() : nullptr;
}

}  // namespace

std::span<const objects::Resource> Inputs::watched() {
  static const std::vector<objects::Resource> kWatched = [] {
    std::vector<objects::Resource> out = {{"", "v1", "services"},   {"discovery.k8s.io", "v1", "endpointslices"},
                                          {"", "v1", "pods"},       {"", "v1", "nodes"},
                                          {"", "v1", "namespaces"}, {"", "v1", "configmaps"},
                                          {"", "v1", "secrets"}};
    for (const config::IstioKind& kind : config::istio_kinds()) out.push_back(kind.resource());
    return out;
  }();
  return kWatched;
}

Scope Inputs::put(objects::Object object) { return put(std::make_shared<const objects::Object>(std::move(object))); }

Scope Inputs::put(std::shared_ptr<const objects::Object> object) {
  objects::Ref ref = object->ref();
  Key key{ref.group, ref.kind};
  bool kubernetes = is_kubernetes(key);
  if (!kubernetes && !config::find_kind(key.group, key.kind)) return Scope::Nothing;
  if (ignored(key, *object)) return Scope::Nothing;
  if (!kubernetes && of_another_revision(*object)) return erase(ref);

  Table& table = tables_[key];
  auto place = std::pair(ref.ns, ref.name);
  auto old = table.find(place);
  Entry before = old == table.end() ? Entry{} : old->second;
  bool resync = before.object && !object->resource_version().empty() &&
                before.object->resource_version() == object->resource_version();
  if (resync) return Scope::Nothing;

  Entry entry{.object = object};
  if (!kubernetes)
    parse_istio(key, entry);
  else if (key.kind == "Service")
    entry.parsed = service_of(*object, MeshConfig{}.cluster_domain);
  else if (key.kind == "EndpointSlice")
    entry.parsed = slice_of(*object);
  else if (key.kind == "Pod") {
    const Entry* node = find({.kind = "Node", .name = std::string(base::text(object->spec(), "nodeName"))});
    if (auto workload = workload_of(*object, node ? node->object.get() : nullptr)) entry.parsed = std::move(workload);
  }
  Entry& stored = table[place] = std::move(entry);
  Scope scope = note(key, before.object ? &before : nullptr, &stored);
  if (key.kind == "Node" && scope != Scope::Nothing) place_workloads(ref.name);
  return scope;
}

Scope Inputs::erase(const objects::Ref& ref) {
  Key key{ref.group, ref.kind};
  auto table = tables_.find(key);
  if (table == tables_.end()) return Scope::Nothing;
  auto found = table->second.find(std::pair(ref.ns, ref.name));
  if (found == table->second.end()) return Scope::Nothing;
  Entry gone = std::move(found->second);
  table->second.erase(found);
  return note(key, &gone, nullptr);
}

// Decides how far a change reaches and counts it. An update that only touches
// status (a pod's conditions, a node's heartbeat) reaches nothing.
Scope Inputs::note(const Key& key, const Entry* before, const Entry* after) {
  const objects::Object& object = *(after ? after : before)->object;
  std::string ns(object.ns());
  auto everything = [&] {
    ++configuration_;
    return Scope::Everything;
  };
  if (key.kind == "EndpointSlice") {
    if (before && after && same_part(*before->object, *after->object, "endpoints") &&
        same_part(*before->object, *after->object, "ports"))
      return Scope::Nothing;
    for (const Entry* entry : {before, after})
      if (const Slice* slice = as<Slice>(entry)) service_changes_[ns + "/" + slice->service] = ++changes_;
    return Scope::Endpoints;
  }
  if (key.kind == "Pod") {
    const Workload* was = as<Workload>(before);
    const Workload* is = as<Workload>(after);
    if (!was && !is) return Scope::Nothing;
    if (was && is && same_workload(*was, *is)) return Scope::Nothing;
    namespace_changes_[ns] = ++changes_;
    ++workload_changes_;
    if (was && is && was->labels != is->labels) return everything();
    return Scope::Endpoints;
  }
  if (key.kind == "Node") {
    if (before && after && before->object->labels() == after->object->labels()) return Scope::Nothing;
    if (!after) return Scope::Nothing;
    return everything();
  }
  if (key.kind == "Namespace") {
    if (before && after && before->object->labels() == after->object->labels()) return Scope::Nothing;
    return everything();
  }
  if (key.kind == "Service") {
    const Service* was = as<Service>(before);
    const Service* is = as<Service>(after);
    if (was && is && same_service(*was, *is)) return Scope::Nothing;
    service_changes_[ns + "/" + std::string(object.name())] = ++changes_;
    return everything();
  }
  if (before && after && (key.kind == "ConfigMap" || key.kind == "Secret"))
    return same_part(*before->object, *after->object, "data") ? Scope::Nothing : everything();
  if (key.kind == "WorkloadEntry") ++workload_changes_;
  if (before && after && !key.group.empty() && same_configuration(*before->object, *after->object))
    return Scope::Nothing;
  return everything();
}

void Inputs::place_workloads(std::string_view node_name) {
  const Entry* node = find({.kind = "Node", .name = std::string(node_name)});
  for (auto& [place, entry] : tables_[Key{"", "Pod"}]) {
    const Workload* workload = as<Workload>(&entry);
    if (!workload || workload->node != node_name) continue;
    entry.parsed = workload_of(*entry.object, node ? node->object.get() : nullptr);
    namespace_changes_[place.first] = ++changes_;
    ++workload_changes_;
  }
}

const Inputs::Table& Inputs::table(std::string_view group, std::string_view kind) const {
  static const Table kEmpty;
  auto found = tables_.find(Key{std::string(group), std::string(kind)});
  return found == tables_.end() ? kEmpty : found->second;
}

const Inputs::Entry* Inputs::find(const objects::Ref& ref) const {
  const Table& entries = table(ref.group, ref.kind);
  auto found = entries.find(std::pair(ref.ns, ref.name));
  return found == entries.end() ? nullptr : &found->second;
}

Scope Inputs::put_jwks(const std::string& uri, std::string keys) {
  std::string& known = jwks_[uri];
  if (known == keys) return Scope::Nothing;
  known = std::move(keys);
  ++configuration_;
  return Scope::Everything;
}

std::vector<std::string> Inputs::jwks_uris() const {
  std::vector<std::string> out;
  for (const auto& [place, entry] : table(kSecurity, "RequestAuthentication"))
    if (auto* parsed = std::get_if<std::shared_ptr<const config::RequestAuthentication>>(&entry.parsed))
      for (const auto& rule : (*parsed)->spec.jwt_rules())
        if (rule.jwks().empty() && !rule.jwks_uri().empty()) out.push_back(rule.jwks_uri());
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

uint64_t Inputs::endpoints_revision(const std::string& ns, const std::string& service) const {
  auto own = service_changes_.find(ns + "/" + service);
  auto all = namespace_changes_.find(ns);
  return std::max(own == service_changes_.end() ? 0 : own->second, all == namespace_changes_.end() ? 0 : all->second);
}

}  // namespace mesh
