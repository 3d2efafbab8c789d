// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/auth/kubeconfig.h"

namespace localkube {

namespace {

using base::Json;

constexpr const char* kName = "seine";
constexpr const char* kUser = "seine-admin";

// The entry of that name in one of the file's lists, made where it is missing.
Json& entry(Json& config, const char* list, const char* name) {
  Json& all = config[list];
  if (!all.is_array()) all = Json::array();
  for (Json& one : all)
    if (one.is_object() && base::text(one, "name") == name) return one;
  all.push_back({{"name", name}});
  return all.back();
}

bool has(const Json& config, const char* list, std::string_view name) {
  const Json* all = base::find(config, list);
  if (!all || !all->is_array()) return false;
  for (const Json& one : *all)
    if (one.is_object() && base::text(one, "name") == name) return true;
  return false;
}

}  // namespace

std::string kubeconfig_with(const std::string& before, const KubeconfigEntries& entries) {
  Json config = Json::object();
  auto documents = base::parse_yaml(before);
  if (documents && documents->size() == 1 && documents->front().is_object()) config = std::move(documents->front());
  config["apiVersion"] = "v1";
  config["kind"] = "Config";
  entry(config, "clusters", kName)["cluster"] = entries.cluster;
  entry(config, "users", kUser)["user"] = entries.user;
  Json& context = entry(config, "contexts", kName)["context"];
  if (!context.is_object()) context = Json::object();
  context["cluster"] = kName;
  if (base::text(context, "user").empty() || !has(config, "users", base::text(context, "user")))
    context["user"] = kUser;
  if (!has(config, "contexts", base::text(config, "current-context"))) config["current-context"] = kName;
  return base::to_yaml(config);
}

}  // namespace localkube
