// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/strings.h"
#include "inject/inject.h"

namespace inject {

namespace {

// Namespaces where nothing of the mesh may get in the way of the cluster.
constexpr std::array<std::string_view, 4> kSystemNamespaces = {"kube-system", "kube-public", "kube-node-lease",
                                                               "local-path-storage"};

enum class Wish { Yes, No, None };

// YAML 1.1's words for true; anything else that is written means no.
Wish wish_of(std::string_view value) {
  std::string text = base::to_lower(value);
  if (text.empty()) return Wish::None;
  return text == "true" || text == "yes" || text == "y" || text == "on" ? Wish::Yes : Wish::No;
}

std::string_view value(const objects::Labels& labels, std::string_view key) {
  auto it = labels.find(key);
  return it == labels.end() ? std::string_view() : std::string_view(it->second);
}

// The selectors of Istio's webhook configurations, in words.
Verdict by_namespace(const Json& pod, const Settings& settings, const objects::Labels& ns, Wish wish) {
  auto ours = [&](std::string_view revision) { return revision == settings.revision || revision == "default"; };
  if (std::string_view injection = value(ns, "istio-injection"); !injection.empty()) {
    if (injection == "enabled") return {true, "the namespace has the label istio-injection=enabled"};
    return {false, "the namespace has the label istio-injection=" + std::string(injection)};
  }
  if (std::string_view revision = value(ns, "istio.io/rev"); !revision.empty()) {
    bool mine = ours(revision);
    return {mine,
            "the namespace has the label istio.io/rev=" + std::string(revision) + (mine ? "" : ", another revision's")};
  }
  if (std::string_view revision = base::text(pod, "metadata", "labels", "istio.io/rev"); !revision.empty())
    return {ours(revision), "the pod has the label istio.io/rev=" + std::string(revision)};
  if (wish == Wish::Yes) return {true, "the pod asks for it (sidecar.istio.io/inject)"};
  return {false,
          "neither the namespace (istio-injection=enabled or istio.io/rev) nor the pod (sidecar.istio.io/inject) asks "
          "for it"};
}

}  // namespace

Verdict decide(const Json& pod, std::string_view ns, const Settings& settings,
               const objects::Labels* namespace_labels) {
  if (const Json* host = base::find(pod, "spec", "hostNetwork"); host && host->is_boolean() && host->get<bool>())
    return {false, "the pod uses the host's network"};
  if (std::ranges::find(kSystemNamespaces, ns) != kSystemNamespaces.end())
    return {false, "the namespace " + std::string(ns) + " belongs to the cluster itself"};
  if (!base::text(pod, "metadata", "annotations", "sidecar.istio.io/status").empty())
    return {false, "the pod has a sidecar already (annotation sidecar.istio.io/status)"};

  Wish wish = wish_of(base::text(pod, "metadata", "annotations", "sidecar.istio.io/inject"));
  std::string_view word = "annotation";
  if (const Json* label = base::find(pod, "metadata", "labels", "sidecar.istio.io/inject");
      label && label->is_string()) {
    wish = wish_of(label->get_ref<const std::string&>());
    word = "label";
  }
  if (wish == Wish::No) return {false, "the pod's " + std::string(word) + " sidecar.istio.io/inject says no"};
  if (namespace_labels) return by_namespace(pod, settings, *namespace_labels, wish);
  if (wish == Wish::Yes) return {true, "the pod's " + std::string(word) + " sidecar.istio.io/inject says yes"};
  return {true, "nothing forbids it"};
}

}  // namespace inject
