// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "localkube/api/custom/custom_kind.h"
#include "localkube/api/rest/computed.h"
#include "localkube/api/rest/front.h"
#include "localkube/api/rest/respond.h"
#include "localkube/api/rest/virtual_kinds.h"

namespace localkube {

namespace {

struct Subresource {
  std::string name;
  std::string group;  // of its kind, where it is another one than the resource's
  std::string version;
  std::string kind;
  std::vector<std::string> verbs;
};

// One resource as discovery tells it, whether it is stored or not.
struct Entry {
  std::string group;
  std::string version;
  std::string plural;
  std::string singular;
  std::string kind;
  bool namespaced;
  std::vector<std::string> verbs;
  std::vector<std::string> short_names;
  std::vector<std::string> categories;
  std::vector<Subresource> subresources;
};

const std::vector<std::string> kView = {"get", "patch", "update"};

std::vector<Subresource> subresources_of(const KindRow& row, std::string_view version) {
  std::vector<Subresource> all;
  bool scale = row.has_scale, status = custom_has_status(row, version);
  if (row.custom)
    if (auto it = row.custom->versions.find(version); it != row.custom->versions.end()) scale = it->second.has_scale;
  if (row.stored_in() == "pods")
    all = {{"attach", "", "", "PodAttachOptions", {"create", "get"}},
           {"binding", "", "", "Binding", {"create"}},
           {"eviction", "policy", "v1", "Eviction", {"create"}},
           {"exec", "", "", "PodExecOptions", {"create", "get"}},
           {"log", "", "", "Pod", {"get"}},
           {"portforward", "", "", "PodPortForwardOptions", {"create", "get"}}};
  if (row.stored_in() == "namespaces") all = {{"finalize", "", "", "Namespace", {"update"}}};
  if (row.stored_in() == "serviceaccounts")
    all = {{"token", "authentication.k8s.io", "v1", "TokenRequest", {"create"}}};
  if (scale) all.push_back({"scale", "autoscaling", "v1", "Scale", kView});
  if (status) all.push_back({"status", "", "", row.kind, kView});
  return all;
}

std::vector<Entry> entries_of(const Catalog& catalog) {
  std::vector<Entry> all;
  for (const KindPointer& row : catalog.all())
    for (const std::string& version : row->versions)
      all.push_back({row->group, version, row->plural, row->singular, row->kind, row->namespaced,
                     row->plural == "namespaces" && row->group.empty()
                         ? std::vector<std::string>{"create", "delete", "get", "list", "patch", "update", "watch"}
                         : std::vector<std::string>{"create", "delete", "deletecollection", "get", "list", "patch",
                                                    "update", "watch"},
                     row->short_names, row->categories, subresources_of(*row, version)});
  for (const KindPointer& row : computed_kinds())
    all.push_back({row->group,
                   row->versions.front(),
                   row->plural,
                   row->singular,
                   row->kind,
                   row->namespaced,
                   computed_verbs(*row),
                   row->short_names,
                   row->categories,
                   {}});
  for (const VirtualKind& kind : kVirtualKinds)
    all.push_back(
        {kind.group, kind.version, kind.plural, kind.singular, kind.kind, kind.namespaced, {"create"}, {}, {}, {}});
  return all;
}

// Groups in order of appearance, each with its versions, the preferred first.
std::vector<std::pair<std::string, std::vector<std::string>>> groups_of(const std::vector<Entry>& entries) {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const Entry& entry : entries) {
    auto it = std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.first == entry.group; });
    if (it == groups.end()) it = groups.insert(groups.end(), {entry.group, {}});
    if (std::find(it->second.begin(), it->second.end(), entry.version) == it->second.end())
      it->second.push_back(entry.version);
  }
  return groups;
}

std::string group_version(const std::string& group, const std::string& version) {
  return group.empty() ? version : group + "/" + version;
}

Json group_document(const std::string& group, const std::vector<std::string>& versions) {
  Json list = Json::array();
  for (const std::string& version : versions)
    list.push_back({{"groupVersion", group_version(group, version)}, {"version", version}});
  Json preferred = list.front();
  return {{"name", group}, {"versions", std::move(list)}, {"preferredVersion", std::move(preferred)}};
}

Json resource_list(const std::vector<Entry>& entries, const std::string& group, const std::string& version) {
  Json resources = Json::array();
  for (const Entry& entry : entries) {
    if (entry.group != group || entry.version != version) continue;
    Json line = {{"name", entry.plural},
                 {"singularName", entry.singular},
                 {"namespaced", entry.namespaced},
                 {"kind", entry.kind},
                 {"verbs", entry.verbs}};
    if (!entry.short_names.empty()) line["shortNames"] = entry.short_names;
    if (!entry.categories.empty()) line["categories"] = entry.categories;
    resources.push_back(std::move(line));
    for (const Subresource& sub : entry.subresources) {
      Json below = {{"name", entry.plural + "/" + sub.name},
                    {"singularName", ""},
                    {"namespaced", entry.namespaced},
                    {"kind", sub.kind},
                    {"verbs", sub.verbs}};
      if (!sub.group.empty()) {
        below["group"] = sub.group;
        below["version"] = sub.version;
      }
      resources.push_back(std::move(below));
    }
  }
  return {{"kind", "APIResourceList"},
          {"apiVersion", "v1"},
          {"groupVersion", group_version(group, version)},
          {"resources", std::move(resources)}};
}

Json response_kind(const std::string& group, const std::string& version, const std::string& kind) {
  return {{"group", group}, {"version", version}, {"kind", kind}};
}

Json aggregated_entry(const Entry& entry) {
  Json line = {{"resource", entry.plural},
               {"responseKind", response_kind("", "", entry.kind)},
               {"scope", entry.namespaced ? "Namespaced" : "Cluster"},
               {"singularResource", entry.singular},
               {"verbs", entry.verbs}};
  if (!entry.short_names.empty()) line["shortNames"] = entry.short_names;
  if (!entry.categories.empty()) line["categories"] = entry.categories;
  Json subresources = Json::array();
  for (const Subresource& sub : entry.subresources)
    subresources.push_back({{"subresource", sub.name},
                            {"responseKind", response_kind(sub.group, sub.version, sub.kind)},
                            {"verbs", sub.verbs}});
  if (!subresources.empty()) line["subresources"] = std::move(subresources);
  return line;
}

// apidiscovery.k8s.io/v2 of the core group alone, or of all others.
Json aggregated(const std::vector<Entry>& entries, bool core, const std::string& discovery_version) {
  Json groups = Json::array();
  for (const auto& [group, versions] : groups_of(entries)) {
    if (group.empty() != core) continue;
    Json list = Json::array();
    for (const std::string& version : versions) {
      Json resources = Json::array();
      for (const Entry& entry : entries)
        if (entry.group == group && entry.version == version) resources.push_back(aggregated_entry(entry));
      list.push_back({{"version", version}, {"resources", std::move(resources)}, {"freshness", "Current"}});
    }
    Json metadata = {{"creationTimestamp", nullptr}};
    if (!group.empty()) metadata["name"] = group;
    groups.push_back({{"metadata", std::move(metadata)}, {"versions", std::move(list)}});
  }
  return {{"kind", "APIGroupDiscoveryList"},
          {"apiVersion", "apidiscovery.k8s.io/" + discovery_version},
          {"metadata", Json::object()},
          {"items", std::move(groups)}};
}

// "v2" or "v2beta1" where the client can read the aggregated form.
std::string wanted_discovery(const http::RequestHead& head) {
  std::string accept = head.headers.joined("accept");
  for (std::string_view range : base::split(accept, ',')) {
    if (range.find("as=APIGroupDiscoveryList") == range.npos) continue;
    for (const char* version : {"v2", "v2beta1"})
      for (std::string_view piece : base::split(range, ';'))
        if (base::trim(piece) == "v=" + std::string(version)) return version;
  }
  return {};
}

}  // namespace

std::vector<std::pair<std::string, std::vector<std::string>>> served_groups(const Catalog& catalog) {
  return groups_of(entries_of(catalog));
}

bool serve_discovery(const Catalog& catalog, http::Exchange& exchange) {
  std::string path(exchange.request().path_only());
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  auto parts = base::split(std::string_view(path).substr(1), '/');
  bool core = parts[0] == "api";
  if ((!core && parts[0] != "apis") || parts.size() > 3) return false;
  std::vector<Entry> entries = entries_of(catalog);
  if (parts.size() == 1) {
    if (std::string version = wanted_discovery(exchange.request()); !version.empty()) {
      respond_json(exchange, 200, aggregated(entries, core, version), {},
                   "application/json;g=apidiscovery.k8s.io;v=" + version + ";as=APIGroupDiscoveryList");
      return true;
    }
    if (core) {
      Json address = {{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", exchange.local().text()}};
      respond_json(exchange, 200,
                   {{"kind", "APIVersions"},
                    {"versions", {"v1"}},
                    {"serverAddressByClientCIDRs", Json::array({std::move(address)})}});
      return true;
    }
    Json groups = Json::array();
    for (const auto& [group, versions] : groups_of(entries))
      if (!group.empty()) groups.push_back(group_document(group, versions));
    respond_json(exchange, 200, {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}});
    return true;
  }
  std::string group(core ? std::string_view() : parts[1]);
  for (const auto& [name, versions] : groups_of(entries)) {
    if (name != group) continue;
    if (!core && parts.size() == 2) {
      Json document = group_document(name, versions);
      document["kind"] = "APIGroup";
      document["apiVersion"] = "v1";
      respond_json(exchange, 200, document);
      return true;
    }
    if (parts.size() != (core ? 2u : 3u)) return false;
    std::string version(parts.back());
    if (std::find(versions.begin(), versions.end(), version) == versions.end()) return false;
    respond_json(exchange, 200, resource_list(entries, group, version));
    return true;
  }
  return false;
}

}  // namespace localkube
