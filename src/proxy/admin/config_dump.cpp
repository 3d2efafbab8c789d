// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/util/field_mask_util.h>
#include <re2/re2.h>

#include <algorithm>
#include <functional>

#include "base/strings.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "proxy/admin/dump.h"
#include "proxy/admin/forms.h"
#include "proxy/runtime/messages.h"

namespace proxy {
namespace {

using base::Json;
using Entry = Configuration::Entry;

Json part_of(const char* name) { return Json{{"@type", "type.googleapis.com/envoy.admin.v3." + std::string(name)}}; }

Json failure_of(const Entry& entry) {
  return Json{{"details", entry.error},
              {"version_info", entry.error_version},
              {"last_update_attempt", time_text(entry.rejected_at)}};
}

// `state` holds version, time and resource under `key`.
Json state_of(const Configuration::Told& told, const std::string& type_url, const char* key) {
  Json out{{"last_updated", time_text(told.updated)}, {key, json_of(type_url, told.body)}};
  if (!told.version.empty()) out["version_info"] = told.version;
  return out;
}
Json state_of(const Entry& entry, const char* key) {
  return state_of({entry.version, entry.body, entry.updated}, entry.type_url, key);
}

Json listeners_dump(const Configuration& configuration) {
  Json out = part_of("ListenersConfigDump");
  std::map<std::string, Json> dynamic;
  for (const auto& [name, entry] : configuration.entries(Kind::Listener)) {
    if (entry.from == Configuration::From::Bootstrap) {
      out["static_listeners"].push_back(
          Json{{"listener", json_of(entry.type_url, entry.body)}, {"last_updated", time_text(entry.updated)}});
      continue;
    }
    Json one{{"name", name}};
    if (!entry.serving.body.empty()) one["active_state"] = state_of(entry.serving, entry.type_url, "listener");
    if (!entry.body.empty()) one[entry.warming ? "warming_state" : "active_state"] = state_of(entry, "listener");
    if (!entry.error.empty()) one["error_state"] = failure_of(entry);
    dynamic[name] = std::move(one);
  }
  for (const Configuration::Draining* old : configuration.draining()) {
    if (old->told.body.empty()) continue;
    Json& one = dynamic[old->name];
    one["name"] = old->name;
    one["draining_state"] = state_of(old->told, old->type_url, "listener");
  }
  for (auto& [name, one] : dynamic) out["dynamic_listeners"].push_back(std::move(one));
  return out;
}

Json clusters_dump(const Configuration& configuration) {
  Json out = part_of("ClustersConfigDump");
  for (const auto& [name, entry] : configuration.entries(Kind::Cluster)) {
    if (entry.from == Configuration::From::Bootstrap) {
      out["static_clusters"].push_back(
          Json{{"cluster", json_of(entry.type_url, entry.body)}, {"last_updated", time_text(entry.updated)}});
      continue;
    }
    if (!entry.serving.body.empty())
      out["dynamic_active_clusters"].push_back(state_of(entry.serving, entry.type_url, "cluster"));
    if (entry.body.empty()) continue;
    Json one = state_of(entry, "cluster");
    if (!entry.error.empty()) one["error_state"] = failure_of(entry);
    out[entry.warming ? "dynamic_warming_clusters" : "dynamic_active_clusters"].push_back(std::move(one));
  }
  return out;
}

// Routes that a listener holds itself are static, as Envoy shows them.
void add_inline_routes(const Entry& entry, Json& out) {
  using envoy::config::listener::v3::Listener;
  using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
  Listener listener;
  if (!listener.ParseFromString(entry.body)) return;
  auto add = [&](const envoy::config::listener::v3::FilterChain& chain) {
    for (const auto& filter : chain.filters()) {
      auto http = unpack<HttpConnectionManager>(filter.typed_config());
      if (!http || !http->has_route_config()) continue;
      google::protobuf::Any any;
      any.PackFrom(http->route_config());
      out.push_back(
          Json{{"route_config", json_of(any.type_url(), any.value())}, {"last_updated", time_text(entry.updated)}});
    }
  };
  for (const auto& chain : listener.filter_chains()) add(chain);
  if (listener.has_default_filter_chain()) add(listener.default_filter_chain());
}

Json routes_dump(const Configuration& configuration) {
  Json out = part_of("RoutesConfigDump");
  Json inline_routes = Json::array();
  for (const auto& [name, entry] : configuration.entries(Kind::Listener)) add_inline_routes(entry, inline_routes);
  if (!inline_routes.empty()) out["static_route_configs"] = std::move(inline_routes);
  for (const auto& [name, entry] : configuration.entries(Kind::RouteTable)) {
    if (entry.body.empty()) continue;
    Json one = state_of(entry, "route_config");
    for (const auto& [host, own] : configuration.entries(Kind::VirtualHost))  // those that came on demand
      if (host.starts_with(name + "/") && !own.body.empty()) {
        Json shown = json_of(own.type_url, own.body);
        shown.erase("@type");
        one["route_config"]["virtual_hosts"].push_back(std::move(shown));
      }
    if (!entry.error.empty()) one["error_state"] = failure_of(entry);
    out["dynamic_route_configs"].push_back(std::move(one));
  }
  return out;
}

Json endpoints_dump(const Configuration& configuration) {
  Json out = part_of("EndpointsConfigDump");
  for (const auto& [name, entry] : configuration.entries(Kind::Endpoints))
    if (!entry.body.empty()) out["dynamic_endpoint_configs"].push_back(state_of(entry, "endpoint_config"));
  for (const auto& [name, entry] : configuration.entries(Kind::Cluster)) {
    envoy::config::cluster::v3::Cluster cluster;
    if (!cluster.ParseFromString(entry.body) || !cluster.has_load_assignment()) continue;
    if (cluster.load_assignment().cluster_name().empty()) cluster.mutable_load_assignment()->set_cluster_name(name);
    google::protobuf::Any any;
    any.PackFrom(cluster.load_assignment());
    const bool own = entry.from == Configuration::From::Bootstrap;
    out[own ? "static_endpoint_configs" : "dynamic_endpoint_configs"].push_back(
        Json{{"endpoint_config", json_of(any.type_url(), any.value())}});
  }
  return out;
}

Json secrets_dump(const Configuration& configuration) {
  using envoy::extensions::transport_sockets::tls::v3::Secret;
  Json out = part_of("SecretsConfigDump");
  auto shown = [](const Secret& secret) {
    google::protobuf::Any any;
    any.PackFrom(secret);
    return json_of(any.type_url(), any.value());
  };
  const auto& entries = configuration.entries(Kind::Secret);
  for (const auto& [name, entry] : entries) {
    if (entry.from == Configuration::From::Bootstrap) {
      out["static_secrets"].push_back(
          Json{{"name", name}, {"last_updated", time_text(entry.updated)}, {"secret", shown(entry.secret)}});
      continue;
    }
    Secret secret = entry.secret;
    if (secret.has_tls_certificate()) {
      auto& certificate = *secret.mutable_tls_certificate();
      if (auto chain = compile(certificate.certificate_chain()))
        certificate.mutable_certificate_chain()->set_inline_bytes(*chain);
      certificate.mutable_private_key()->set_inline_bytes("[redacted]");
    }
    Json one{{"name", name}, {"last_updated", time_text(entry.updated)}, {"secret", shown(secret)}};
    if (!entry.version.empty()) one["version_info"] = entry.version;
    if (!entry.error.empty()) one["error_state"] = failure_of(entry);
    out["dynamic_active_secrets"].push_back(std::move(one));
  }
  // Asked for, and not there yet.
  for (const std::string& name : configuration.wanted(Kind::Secret)) {
    if (entries.contains(name)) continue;
    Secret secret;
    secret.set_name(name);
    out["dynamic_warming_secrets"].push_back(
        Json{{"name", name}, {"version_info", "uninitialized"}, {"secret", shown(secret)}});
  }
  return out;
}

// Each kind of entry keeps its resource, with the name, at another place.
bool named(const Json& entry, const re2::RE2& name) {
  auto text = [](const Json& at) {
    auto it = at.is_object() ? at.find("name") : at.end();
    return it != at.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  std::string found = text(entry);
  for (const char* key : {"listener", "cluster", "route_config", "endpoint_config", "secret"})
    if (auto it = entry.find(key); found.empty() && it != entry.end()) {
      found = text(*it);
      if (auto cluster = it->find("cluster_name"); found.empty() && cluster != it->end())
        found = cluster->get<std::string>();
    }
  return re2::RE2::FullMatch(found, name);
}

// The lists of each part: what their entries are called, and what resource those hold. "static_clusters" of a
// ClustersConfigDump holds its StaticCluster.
struct Listed {
  std::string_view name, type, resource;
};
constexpr Listed kLists[] = {
    {"static_listeners", "ListenersConfigDump.StaticListener", "listener"},
    {"dynamic_listeners", "ListenersConfigDump.DynamicListener", ""},
    {"static_clusters", "ClustersConfigDump.StaticCluster", "cluster"},
    {"dynamic_active_clusters", "ClustersConfigDump.DynamicCluster", "cluster"},
    {"dynamic_warming_clusters", "ClustersConfigDump.DynamicCluster", "cluster"},
    {"static_route_configs", "RoutesConfigDump.StaticRouteConfig", "route_config"},
    {"dynamic_route_configs", "RoutesConfigDump.DynamicRouteConfig", "route_config"},
    {"inline_scoped_route_configs", "ScopedRoutesConfigDump.InlineScopedRouteConfigs", ""},
    {"dynamic_scoped_route_configs", "ScopedRoutesConfigDump.DynamicScopedRouteConfigs", ""},
    {"static_secrets", "SecretsConfigDump.StaticSecret", "secret"},
    {"dynamic_active_secrets", "SecretsConfigDump.DynamicSecret", "secret"},
    {"dynamic_warming_secrets", "SecretsConfigDump.DynamicSecret", "secret"},
    {"static_endpoint_configs", "EndpointsConfigDump.StaticEndpointConfig", "endpoint_config"},
    {"dynamic_endpoint_configs", "EndpointsConfigDump.DynamicEndpointConfig", "endpoint_config"}};

const Listed* list_named(std::string_view name) {
  for (const Listed& list : kLists)
    if (list.name == name) return &list;
  return nullptr;
}
std::string_view dump_type(const Json& part) {
  const auto& type = part["@type"].get_ref<const std::string&>();
  return std::string_view(type).substr(type.rfind('.') + 1);
}

// Whether the path names something of a message of this type, as protobuf's masks do: no further than a list.
bool has_path(const google::protobuf::Descriptor* type, std::string_view path) {
  return type && google::protobuf::util::FieldMaskUtil::GetFieldDescriptors(type, std::string(path), nullptr);
}

// Envoy refuses a mask of which one path does not fit, and looks into Anys of entries.
bool fits_part(const Json& part, std::string_view path) {
  const std::string_view head = path.substr(0, path.find('.'));
  const std::string_view type = dump_type(part);
  if (type == "BootstrapConfigDump")
    return path == "last_updated" || path == "bootstrap" ||
           (head == "bootstrap" && has_path(Bootstrap::descriptor(), path.substr(head.size() + 1)));
  const Listed* list = list_named(path);
  return list && list->type.starts_with(type);
}
bool fits_entry(const Json& entry, const Listed& list, std::string_view path) {
  const std::string_view head = path.substr(0, path.find('.'));
  const std::string_view rest = path.substr(std::min(path.size(), head.size() + 1));
  if (rest.empty()) {
    static constexpr std::string_view kFields[] = {
        "name",         "version_info",  "last_updated",   "error_state",   "client_status",
        "active_state", "warming_state", "draining_state", "route_configs", "scoped_route_configs"};
    return head == list.resource || std::ranges::find(kFields, head) != std::end(kFields);
  }
  if (head.ends_with("_state") && list.name == "dynamic_listeners")
    return rest == "version_info" || rest == "listener" || rest == "last_updated" || rest == "details";
  if (head != list.resource) return false;
  auto resource = entry.find(std::string(head));
  return resource == entry.end() || has_path(type_named(resource->value("@type", "")), rest);
}

// The parts of `from` that the paths ("a.b", "c") name.
Json masked(const Json& from, const std::vector<std::string_view>& paths) {
  if (from.is_array()) {
    Json out = Json::array();
    for (const Json& one : from) out.push_back(masked(one, paths));
    return out;
  }
  if (!from.is_object()) return from;
  Json out = Json::object();
  if (auto type = from.find("@type"); type != from.end()) out["@type"] = *type;
  for (std::string_view path : paths) {
    size_t dot = path.find('.');
    auto it = from.find(std::string(path.substr(0, dot)));
    if (it == from.end()) continue;
    if (dot == path.npos)
      out[it.key()] = *it;
    else
      out[it.key()].merge_patch(masked(*it, {path.substr(dot + 1)}));
  }
  return out;
}

std::vector<Json> parts_of(const Process& process, const DumpWish& wish) {
  const Configuration& configuration = process.configuration();
  Json bootstrap = part_of("BootstrapConfigDump");
  bootstrap["bootstrap"] = json_of(process.whole_bootstrap());
  bootstrap["last_updated"] = time_text(process.loaded());
  std::vector<Json> parts{std::move(bootstrap), clusters_dump(configuration)};
  if (wish.endpoints || wish.resource.ends_with("endpoint_configs")) parts.push_back(endpoints_dump(configuration));
  parts.push_back(listeners_dump(configuration));
  parts.push_back(part_of("ScopedRoutesConfigDump"));
  parts.push_back(routes_dump(configuration));
  parts.push_back(secrets_dump(configuration));
  if (wish.name)
    for (Json& part : parts)
      for (auto& [key, list] : part.items())
        if (list.is_array())
          list.erase(std::remove_if(list.begin(), list.end(), [&](const Json& one) { return !named(one, *wish.name); }),
                     list.end());
  return parts;
}

}  // namespace

base::Result<Json> config_dump(const Process& process, const DumpWish& wish) {
  const auto mask = wish.mask.empty() ? std::vector<std::string_view>() : base::split(wish.mask, ',');
  if (wish.resource == "bootstrap")
    return base::fail(base::ErrorKind::Invalid,
                      "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field");
  const Listed* wanted = list_named(wish.resource);
  if (!wish.resource.empty() && !wanted)
    return base::fail(base::ErrorKind::NotFound, wish.resource + " not found in config dump");
  std::vector<Json> parts = parts_of(process, wish);
  Json out = Json::object();
  if (!wanted) {
    for (Json& part : parts) {
      const auto fits = [&](std::string_view path) { return fits_part(part, path); };
      if (!std::ranges::all_of(mask, fits)) continue;
      out["configs"].push_back(mask.empty() ? std::move(part) : masked(part, mask));
    }
    if (out.empty())
      return base::fail(base::ErrorKind::Invalid,
                        "FieldMask " + wish.mask + " could not be successfully applied to any configs.");
    return out;
  }
  for (Json& part : parts) {
    auto it = part.find(wish.resource);
    if (it == part.end() || !it->is_array()) continue;
    for (Json& one : *it) {
      const auto fits = [&](std::string_view path) { return fits_entry(one, *wanted, path); };
      if (!std::ranges::all_of(mask, fits))
        return base::fail(base::ErrorKind::Invalid, "FieldMask " + wish.mask + " could not be successfully used.");
      one["@type"] = "type.googleapis.com/envoy.admin.v3." + std::string(wanted->type);
      out["configs"].push_back(mask.empty() ? std::move(one) : masked(one, mask));
    }
  }
  return out;
}

}  // namespace proxy
