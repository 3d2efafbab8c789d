// SPDX-License-Identifier: Apache-2.0
#include "inject/containers.h"

#include "base/strings.h"

namespace inject {

namespace {

constexpr int kProxyId = 1337;  // uid and gid; the redirect rules know the proxy by it

Json from_field(std::string_view name, std::string_view path) {
  return {{"name", name}, {"valueFrom", {{"fieldRef", {{"fieldPath", path}}}}}};
}
Json variable(std::string_view name, std::string_view value) { return {{"name", name}, {"value", value}}; }

Json environment(const Application& application, std::string_view ns, const Owner& owner, const Options& options,
                 const Settings& settings) {
  std::string_view discovery = base::text(options.proxy_config, "discoveryAddress");
  Json out = {
      variable("PILOT_CERT_PROVIDER", "istiod"),
      variable("CA_ADDR", discovery.empty() ? std::string_view(settings.ca_address) : discovery),
      from_field("POD_NAME", "metadata.name"),
      from_field("POD_NAMESPACE", "metadata.namespace"),
      from_field("INSTANCE_IP", "status.podIP"),
      from_field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
      from_field("HOST_IP", "status.hostIP"),
      variable("PROXY_CONFIG", options.proxy_config.dump()),
  };
  if (options.kind == Options::Template::Sidecar) {
    out.push_back(variable("ISTIO_META_POD_PORTS", application.ports.dump()));
    out.push_back(variable("ISTIO_META_APP_CONTAINERS", application.containers));
    out.push_back(variable("ISTIO_META_INTERCEPTION_MODE", options.capture ? "REDIRECT" : "NONE"));
  }
  out.push_back(variable("ISTIO_META_CLUSTER_ID", settings.cluster_id));
  out.push_back(from_field("ISTIO_META_NODE_NAME", "spec.nodeName"));
  if (!settings.network.empty()) out.push_back(variable("ISTIO_META_NETWORK", settings.network));
  out.push_back(variable("ISTIO_META_WORKLOAD_NAME", owner.name));
  out.push_back(variable("ISTIO_META_OWNER", owner.path(ns)));
  out.push_back(variable("ISTIO_META_MESH_ID", settings.mesh_id));
  out.push_back(variable("TRUST_DOMAIN", settings.trust_domain));
  if (!application.probes.empty()) out.push_back(variable("ISTIO_KUBE_APP_PROBERS", application.probes.dump()));
  if (!application.prometheus_annotations.empty())
    out.push_back(variable("ISTIO_PROMETHEUS_ANNOTATIONS", application.prometheus_annotations));
  if (const Json* metadata = base::find(options.proxy_config, "proxyMetadata"); metadata && metadata->is_object())
    for (auto& [name, value] : metadata->items())
      out.push_back(variable(name, value.is_string() ? value.get<std::string>() : value.dump()));
  return out;
}

void pull_policy(Json& container, const Settings& settings) {
  if (!settings.image_pull_policy.empty()) container["imagePullPolicy"] = settings.image_pull_policy;
}

// What tells two entries of a container's list apart; empty: the list is one value.
std::string_view key_of_list(std::string_view field) {
  if (field == "env" || field == "volumeDevices") return "name";
  if (field == "ports") return "containerPort";
  if (field == "volumeMounts") return "mountPath";
  return {};
}

void merge_list(Json& into, const Json& from, std::string_view key) {
  for (const Json& item : from) {
    const Json* id = base::find(item, key);
    auto same = std::ranges::find_if(into, [&](const Json& other) {
      const Json* other_id = base::find(other, key);
      return id && other_id && *id == *other_id;
    });
    if (same == into.end())
      into.push_back(item);
    else
      *same = item;
  }
}

}  // namespace

Application application_of(const Json& pod_spec) {
  Application out;
  const Json* containers = base::find(pod_spec, "containers");
  if (!containers || !containers->is_array()) return out;
  for (const Json& container : *containers) {
    std::string_view name = base::text(container, "name");
    if (name == "istio-proxy") continue;
    out.containers += (out.containers.empty() ? "" : ",") + std::string(name);
    if (const Json* ports = base::find(container, "ports"); ports && ports->is_array())
      out.ports.insert(out.ports.end(), ports->begin(), ports->end());
  }
  return out;
}

Json proxy_container(const Application& application, std::string_view ns, const Owner& owner, const Options& options,
                     const Settings& settings) {
  bool sidecar = options.kind == Options::Template::Sidecar;
  Json probe = {{"httpGet", {{"path", "/healthz/ready"}, {"port", 15021}}}, {"timeoutSeconds", 3}};
  Json container = {
      {"name", "istio-proxy"},
      {"image", options.image},
      {"args", Json::array({sidecar ? "sidecar" : "router"})},
      {"env", environment(application, ns, owner, options, settings)},
      {"ports", {{{"containerPort", 15090}, {"name", "http-envoy-prom"}, {"protocol", "TCP"}}}},
      {"resources", options.resources},
      {"securityContext",
       {{"allowPrivilegeEscalation", false},
        {"capabilities", {{"drop", {"ALL"}}}},
        {"privileged", false},
        {"readOnlyRootFilesystem", true},
        {"runAsGroup", kProxyId},
        {"runAsNonRoot", true},
        {"runAsUser", kProxyId}}},
      {"volumeMounts",
       {{{"mountPath", "/var/run/secrets/istio"}, {"name", "istiod-ca-cert"}},
        {{"mountPath", "/var/run/secrets/tokens"}, {"name", "istio-token"}},
        {{"mountPath", "/etc/istio/pod"}, {"name", "istio-podinfo"}}}},
  };
  pull_policy(container, settings);
  if (!options.log_level.empty()) container["args"].insert(container["args"].end(), {"--log-level", options.log_level});
  if (options.status_port != 0) {
    Json readiness = probe;
    readiness["periodSeconds"] = 15;
    readiness["failureThreshold"] = 4;
    readiness.update(options.readiness);
    container["readinessProbe"] = std::move(readiness);
    if (sidecar) {
      Json startup = probe;
      startup["periodSeconds"] = 1;
      startup["failureThreshold"] = 600;
      container["startupProbe"] = std::move(startup);
    }
  }
  for (const Json& mount : options.user_mounts) container["volumeMounts"].push_back(mount);
  return container;
}

Json capture_container(const Options& options, const Settings& settings) {
  std::string excluded = "15090,15021," + std::to_string(options.status_port == 0 ? 15020 : options.status_port);
  if (!options.exclude_inbound_ports.empty()) excluded += "," + options.exclude_inbound_ports;
  Json args = {"capture",
               "--outbound-port",
               "15001",
               "--inbound-port",
               "15006",
               "--proxy-uid",
               "1337",
               "--proxy-gid",
               "1337",
               "--exclude-inbound-ports",
               excluded,
               "--include-outbound-cidrs",
               options.include_outbound_cidrs.empty() ? "*" : options.include_outbound_cidrs};
  auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) args.insert(args.end(), {flag, value});
  };
  add("--include-inbound-ports", options.include_inbound_ports);
  add("--include-outbound-ports", options.include_outbound_ports);
  add("--exclude-outbound-ports", options.exclude_outbound_ports);
  add("--exclude-outbound-cidrs", options.exclude_outbound_cidrs);
  Json container = {
      {"name", "istio-init"},
      {"image", options.image},
      {"args", std::move(args)},
      {"resources", options.resources},
      {"securityContext",
       {{"allowPrivilegeEscalation", false},
        {"capabilities", {{"add", {"NET_ADMIN", "NET_RAW"}}, {"drop", {"ALL"}}}},
        {"privileged", false},
        {"readOnlyRootFilesystem", false},
        {"runAsGroup", 0},
        {"runAsNonRoot", false},
        {"runAsUser", 0}}},
  };
  pull_policy(container, settings);
  return container;
}

Json proxy_volumes() {
  auto item = [](const char* field, const char* path) {
    return Json{{"fieldRef", {{"fieldPath", field}}}, {"path", path}};
  };
  Json token = {{"audience", "istio-ca"}, {"expirationSeconds", 43200}, {"path", "istio-token"}};
  Json volumes = Json::array();
  volumes.push_back(
      {{"name", "istio-podinfo"},
       {"downwardAPI", {{"items", {item("metadata.labels", "labels"), item("metadata.annotations", "annotations")}}}}});
  Json sources = Json::array();
  sources.push_back({{"serviceAccountToken", std::move(token)}});
  volumes.push_back({{"name", "istio-token"}, {"projected", {{"sources", std::move(sources)}}}});
  volumes.push_back({{"name", "istiod-ca-cert"}, {"configMap", {{"name", "istio-ca-root-cert"}}}});
  return volumes;
}

Json overlay(Json base, const Json& user) {
  for (auto& [field, value] : user.items()) {
    Json& mine = base[field];
    if (field == "image" && value == "auto") continue;
    if (std::string_view key = key_of_list(field); !key.empty() && mine.is_array() && value.is_array())
      merge_list(mine, value, key);
    else if (mine.is_object() && value.is_object())
      mine = overlay(std::move(mine), value);
    else
      mine = value;
  }
  return base;
}

}  // namespace inject
