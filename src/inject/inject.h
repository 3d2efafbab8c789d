// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "objects/object.h"

namespace inject {

using objects::Json;

// What the injector writes into every pod, as the mesh's administrator set it.
struct Settings {
  std::string proxy_image = "docker.io/seine/proxyv2:" SEINE_VERSION;
  std::string image_pull_policy;  // empty: Kubernetes' default
  std::string revision = "default";
  std::string ca_address = "istiod.istio-system.svc:15012";
  std::string trust_domain = "cluster.local";
  std::string mesh_id = "cluster.local";
  std::string cluster_id = "Kubernetes";
  std::string network;
  Json proxy_config = Json::object();  // MeshConfig.defaultConfig
  bool native_sidecars = true;  // an init container with restartPolicy Always; else a container beside the others
  bool rewrite_probes = true;
  bool merge_metrics = true;
  std::vector<std::string> image_pull_secrets;
};

// Whether a pod gets a sidecar, and the rule that said so, as a sentence.
struct Verdict {
  bool inject = false;
  std::string why;
};

// Istio's rules. `pod` is a Pod or a pod template. `namespace_labels` is given
// where nobody chose by namespace yet (kube-inject, checks); the webhook leaves
// it out, because the API server has matched its selectors already.
Verdict decide(const Json& pod, std::string_view ns, const Settings& settings,
               const objects::Labels* namespace_labels = nullptr);

// Who made the pod: names the workload in telemetry.
struct Owner {
  std::string api_version = "v1";
  std::string kind = "Pod";
  std::string name;
  std::string path(std::string_view ns) const;  // "kubernetes://apis/apps/v1/namespaces/NS/deployments/NAME"
};
// By the pod's controller; a ReplicaSet that carries the pod's template hash stands for its Deployment, a Job with a
// schedule's time for its CronJob.
Owner owner_of(const Json& pod);

// The pod with its sidecar (or filled in as a gateway, where it asks for that
// template). Pure: equal input, equal output. Errors name the annotation that
// does not make sense.
base::Result<Json> into_pod(Json pod, std::string_view ns, const Owner& owner, const Settings& settings);

// RFC 6902: what makes `after` of `before`.
Json patch_between(const Json& before, const Json& after);

// For kube-inject: any object; those with a pod template get it injected where
// decide() says so, Lists item by item, all others come back as they are.
base::Result<Json> into_manifest(Json object, const Settings& settings);

}  // namespace inject
