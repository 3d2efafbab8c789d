// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "inject/options.h"

namespace inject {

// The part of the pod that its containers tell the proxy about.
struct Application {
  std::string containers;  // names, joined by commas
  Json ports = Json::array();
  Json probes = Json::object();        // ISTIO_KUBE_APP_PROBERS
  std::string prometheus_annotations;  // ISTIO_PROMETHEUS_ANNOTATIONS; empty: none
};
Application application_of(const Json& pod_spec);

// The container `istio-proxy`, without restartPolicy.
Json proxy_container(const Application& application, std::string_view ns, const Owner& owner, const Options& options,
                     const Settings& settings);
// The init container `istio-init`, which redirects the pod's traffic.
Json capture_container(const Options& options, const Settings& settings);
// The volumes that the proxy mounts.
Json proxy_volumes();

// A container that the user wrote on top of the template's one: objects are
// merged, lists with keys (env, ports, volumeMounts) by key, others replaced;
// the image "auto" means the template's.
Json overlay(Json base, const Json& user);

}  // namespace inject
