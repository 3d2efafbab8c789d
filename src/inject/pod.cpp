// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "inject/containers.h"
#include "inject/inject.h"
#include "inject/probes.h"

namespace inject {

namespace {

void set_default(Json& object, const std::string& key, std::string_view value) {
  if (!object.contains(key)) object[key] = value;
}

// The array there, made where absent or null.
Json& list(Json& object, const char* key) {
  Json& out = object[key];
  if (!out.is_array()) out = Json::array();
  return out;
}
Json& map(Json& object, const char* key) {
  Json& out = object[key];
  if (!out.is_object()) out = Json::object();
  return out;
}

std::string first_of(const Json& labels, std::initializer_list<std::string_view> keys, std::string_view otherwise) {
  for (std::string_view key : keys)
    if (std::string_view value = base::text(labels, key); !value.empty()) return std::string(value);
  return std::string(otherwise);
}

void add_labels(Json& pod, const Owner& owner, const Settings& settings, const Options& options) {
  Json& labels = map(map(pod, "metadata"), "labels");
  std::string name = first_of(labels, {"service.istio.io/canonical-name", "app.kubernetes.io/name", "app"}, owner.name);
  std::string revision =
      first_of(labels, {"service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"}, "latest");
  // A gateway's own ports speak what its Gateway says; peers must not expect the mesh's TLS there.
  if (options.kind == Options::Template::Sidecar)
    set_default(labels, "security.istio.io/tlsMode", "istio");
  else
    set_default(labels, "istio.io/rev", settings.revision);
  set_default(labels, "service.istio.io/canonical-name", name.substr(0, 63));
  set_default(labels, "service.istio.io/canonical-revision", revision.substr(0, 63));
}

// With merged metrics the sidecar answers for both; it learns from the old annotations where the application's are.
std::string add_metrics_annotations(Json& annotations, const Options& options) {
  std::string_view scrape = base::text(annotations, "prometheus.io/scrape");
  if (!options.merge_metrics || options.status_port == 0 || scrape == "false") return {};
  Json before;
  if (scrape == "true")
    before = {{"scrape", "true"},
              {"path", base::text(annotations, "prometheus.io/path")},
              {"port", base::text(annotations, "prometheus.io/port")}};
  annotations["prometheus.io/scrape"] = "true";
  annotations["prometheus.io/port"] = std::to_string(options.status_port);
  annotations["prometheus.io/path"] = "/stats/prometheus";
  return before.is_null() ? std::string() : before.dump();
}

void add_annotations(Json& annotations, const Json& spec, const Settings& settings, const Json& status) {
  for (const Json& container : spec["containers"]) {
    std::string_view name = base::text(container, "name");
    if (name == "istio-proxy") continue;
    set_default(annotations, "kubectl.kubernetes.io/default-container", name);
    set_default(annotations, "kubectl.kubernetes.io/default-logs-container", name);
    break;
  }
  annotations["istio.io/rev"] = settings.revision;
  annotations["sidecar.istio.io/status"] = status.dump();
}

// Takes the user's own `istio-proxy`, if any, out of a list of containers.
std::optional<Json> take(Json& containers, std::string_view name) {
  auto it = std::ranges::find_if(containers, [&](const Json& c) { return base::text(c, "name") == name; });
  if (it == containers.end()) return std::nullopt;
  Json out = std::move(*it);
  containers.erase(it);
  return out;
}

void add_missing(Json& volumes, const Json& more, Json& names) {
  for (const Json& volume : more) {
    bool there = std::ranges::any_of(
        volumes, [&](const Json& v) { return base::text(v, "name") == base::text(volume, "name"); });
    if (!there) volumes.push_back(volume);
    names.push_back(base::text(volume, "name"));
  }
}

}  // namespace

base::Result<Json> into_pod(Json pod, std::string_view ns, const Owner& owner, const Settings& settings) {
  if (!pod.is_object() || !base::find(pod, "spec", "containers") || !pod["spec"]["containers"].is_array())
    return base::fail(base::ErrorKind::Invalid, "a pod without spec.containers cannot be injected");
  Options options = TRY(options_of(pod, settings));
  bool sidecar = options.kind == Options::Template::Sidecar;
  Json& spec = pod["spec"];
  Json& annotations = map(map(pod, "metadata"), "annotations");
  Json& containers = list(spec, "containers");
  if (!spec["initContainers"].is_array()) spec["initContainers"] = Json::array();
  Json& init_containers = spec["initContainers"];

  Application application = application_of(spec);
  if (sidecar && options.rewrite_probes && options.status_port != 0)
    application.probes = rewrite_probes(spec, options.status_port);
  application.prometheus_annotations = add_metrics_annotations(annotations, options);

  Json proxy = proxy_container(application, ns, owner, options, settings);
  for (Json* where : {&containers, &init_containers})
    if (auto own = take(*where, "istio-proxy")) proxy = overlay(std::move(proxy), *own);

  Json status = {{"initContainers", Json::array()},
                 {"containers", Json::array()},
                 {"volumes", Json::array()},
                 {"imagePullSecrets", nullptr},
                 {"revision", settings.revision}};
  if (options.native) {
    // Before the application's own init containers, so that those are in the mesh already.
    proxy["restartPolicy"] = "Always";
    init_containers.insert(init_containers.begin(), std::move(proxy));
    status["initContainers"].push_back("istio-proxy");
  } else {
    auto at = options.hold_application || !sidecar ? containers.begin() : containers.end();
    containers.insert(at, std::move(proxy));
    status["containers"].push_back("istio-proxy");
  }
  if (sidecar && options.capture) {
    // Native: first of all. Else last: init containers could not reach anything through a proxy that is not there yet.
    auto at = options.native ? init_containers.begin() : init_containers.end();
    init_containers.insert(at, capture_container(options, settings));
    status["initContainers"].insert(status["initContainers"].begin(), "istio-init");
  }
  if (init_containers.empty()) spec.erase("initContainers");

  add_missing(list(spec, "volumes"), proxy_volumes(), status["volumes"]);
  add_missing(spec["volumes"], options.user_volumes, status["volumes"]);
  if (!settings.image_pull_secrets.empty()) {
    Json& secrets = list(spec, "imagePullSecrets");
    for (const std::string& name : settings.image_pull_secrets) secrets.push_back({{"name", name}});
    status["imagePullSecrets"] = settings.image_pull_secrets;
  }
  add_labels(pod, owner, settings, options);
  add_annotations(annotations, spec, settings, status);
  return pod;
}

Json patch_between(const Json& before, const Json& after) { return Json::diff(before, after); }

}  // namespace inject
