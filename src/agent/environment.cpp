// SPDX-License-Identifier: Apache-2.0
#include "agent/environment.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "base/file.h"
#include "base/strings.h"

extern char** environ;

namespace agent {

using base::ErrorKind;
using base::Json;

std::map<std::string, std::string> parse_downward(std::string_view text) {
  std::map<std::string, std::string> out;
  for (std::string_view line : base::split(text, '\n')) {
    auto pair = base::cut(line, '=');
    if (!pair) continue;
    // Go's quoting of plain text is a JSON string's.
    auto value = base::parse_json(pair->second);
    if (value && value->is_string()) out[std::string(pair->first)] = value->get<std::string>();
  }
  return out;
}

std::string Environment::uri() const { return "spiffe://" + trust_domain + "/ns/" + ns + "/sa/" + service_account; }

base::Result<Environment> read_environment(Role role, const std::function<const char*(const char*)>& variable,
                                           const std::string& pod_directory) {
  auto text = [&](const char* name, std::string otherwise = {}) {
    const char* value = variable(name);
    return value && *value ? std::string(value) : otherwise;
  };
  Environment out;
  out.role = role;
  for (auto [name, field] : {std::pair{"POD_NAME", &out.pod}, {"POD_NAMESPACE", &out.ns}, {"INSTANCE_IP", &out.ip}}) {
    *field = text(name);
    if (field->empty())
      return base::fail(ErrorKind::Invalid,
                        std::string(name) + " is not set; the injector and the gateway's manifest set it");
  }
  out.service_account = text("SERVICE_ACCOUNT", "default");
  out.trust_domain = text("TRUST_DOMAIN", "cluster.local");
  out.dns_domain = out.ns + ".svc.cluster.local";

  // PROXY_CONFIG is a ProxyConfig as YAML or JSON.
  Json proxy_config = Json::object();
  if (std::string config = text("PROXY_CONFIG"); !config.empty()) {
    auto documents = base::parse_yaml(config);
    if (!documents) return base::fail(ErrorKind::Invalid, "PROXY_CONFIG: " + documents.error().message);
    if (!documents->empty() && documents->front().is_object()) proxy_config = std::move(documents->front());
  }
  std::string istiod = "istiod.istio-system.svc:15012";
  out.ca_address = text("CA_ADDR", istiod);
  std::string_view discovery = base::text(proxy_config, "discoveryAddress");
  out.discovery_address = discovery.empty() ? out.ca_address : std::string(discovery);
  if (const Json* concurrency = base::find(proxy_config, "concurrency");
      concurrency && concurrency->is_number_integer())
    out.concurrency = concurrency->get<int>();
  if (std::string probers = text("ISTIO_KUBE_APP_PROBERS"); !probers.empty()) {
    auto parsed = base::parse_json(probers);
    if (!parsed || !parsed->is_object())
      return base::fail(ErrorKind::Invalid, "ISTIO_KUBE_APP_PROBERS is not a JSON object");
    out.probers = std::move(*parsed);
  }
  out.labels = parse_downward(base::read_file(pod_directory + "/labels").value_or(""));
  out.annotations = parse_downward(base::read_file(pod_directory + "/annotations").value_or(""));

  Json& metadata = out.metadata;
  constexpr std::string_view kPrefix = "ISTIO_META_";
  for (char** entry = environ; *entry; ++entry) {
    std::string_view pair(*entry);
    auto cut = base::cut(pair, '=');
    if (cut && cut->first.starts_with(kPrefix)) metadata[std::string(cut->first.substr(kPrefix.size()))] = cut->second;
  }
  metadata["NAME"] = out.pod;
  metadata["NAMESPACE"] = out.ns;
  metadata["INSTANCE_IPS"] = out.ip;
  metadata["SERVICE_ACCOUNT"] = out.service_account;
  metadata["ISTIO_VERSION"] = SEINE_VERSION;
  metadata["LABELS"] = out.labels;
  metadata["PROXY_CONFIG"] = proxy_config;
  if (!metadata.contains("CLUSTER_ID")) metadata["CLUSTER_ID"] = "Kubernetes";
  if (!metadata.contains("MESH_ID")) metadata["MESH_ID"] = out.trust_domain;
  return out;
}

envoy::config::core::v3::Node node_of(const Environment& environment) {
  envoy::config::core::v3::Node node;
  node.set_id(std::string(environment.role == Role::Router ? "router" : "sidecar") + "~" + environment.ip + "~" +
              environment.pod + "." + environment.ns + "~" + environment.dns_domain);
  auto label = [&](const char* name) {
    auto it = environment.labels.find(name);
    return it == environment.labels.end() ? std::string() : it->second;
  };
  std::string app = label("service.istio.io/canonical-name");
  if (app.empty()) app = label("app");
  if (app.empty()) app = environment.pod;
  node.set_cluster(app + "." + environment.ns);
  node.set_user_agent_name("seine-proxy");
  node.set_user_agent_version(SEINE_VERSION);
  auto status = google::protobuf::util::JsonStringToMessage(environment.metadata.dump(), node.mutable_metadata());
  (void)status;  // any JSON object is a Struct
  return node;
}

}  // namespace agent
