// SPDX-License-Identifier: Apache-2.0
#include "cli/install/manifest.h"

#include "base/json.h"
#include "base/strings.h"
#include "config/kinds.h"
#include "embedded/manifests.h"

namespace cli {

base::Result<void> set(InstallSettings& settings, std::string_view assignment) {
  auto pair = base::cut(assignment, '=');
  if (!pair)
    return base::fail(base::ErrorKind::Invalid, "--set " + std::string(assignment) + ": write it as KEY=VALUE");
  auto [key, value] = *pair;
  if (key == "profile") {
    if (value != "default" && value != "minimal" && value != "empty" && value != "demo")
      return base::fail(base::ErrorKind::Invalid,
                        "profile \"" + std::string(value) + "\" is not known: default, demo, minimal or empty");
    settings.profile = value == "demo" ? "default" : value;
  } else if (key == "hub" || key == "values.global.hub") {
    settings.hub = value;
  } else if (key == "tag" || key == "values.global.tag") {
    settings.tag = value;
  } else if (key == "revision") {
    settings.revision = value;
  } else if (key == "values.global.istioNamespace") {
    settings.ns = value;
  } else {
    return base::fail(base::ErrorKind::Invalid,
                      "--set " + std::string(key) +
                          ": this setting does not act yet; those that do: profile, hub, tag, "
                          "revision, values.global.istioNamespace");
  }
  return {};
}

static std::string fill_in(std::string_view text, const InstallSettings& settings) {
  const std::pair<std::string_view, std::string_view> kNames[] = {{"${NAMESPACE}", settings.ns},
                                                                  {"${REVISION}", settings.revision},
                                                                  {"${HUB}", settings.hub},
                                                                  {"${TAG}", settings.tag}};
  std::string out(text);
  for (auto [name, value] : kNames)
    for (size_t at = 0; (at = out.find(name, at)) != out.npos; at += value.size()) out.replace(at, name.size(), value);
  return out;
}

static base::Result<std::vector<objects::Object>> file(std::string_view name, const InstallSettings& settings) {
  for (const auto& embedded : embedded::manifests::kFiles) {
    if (embedded.name != name) continue;
    std::vector<objects::Object> out;
    for (base::Json& document : TRY(base::parse_yaml(fill_in(embedded.text, settings))))
      out.emplace_back(std::move(document));
    return out;
  }
  return base::fail(base::ErrorKind::Internal, "manifest " + std::string(name) + " is not in this program");
}

base::Result<std::vector<Component>> manifest(const InstallSettings& settings) {
  std::vector<Component> components;
  if (settings.profile == "empty") return components;

  Component core{.name = "Istio core", .deployment = {}, .objects = TRY(file("base.yaml", settings))};
  for (base::Json& crd : config::custom_resource_definitions()) core.objects.emplace_back(std::move(crd));
  components.push_back(std::move(core));

  Component istiod{.name = "Istiod", .deployment = "istiod", .objects = TRY(file("istiod.yaml", settings))};
  for (objects::Object& webhook : TRY(file("webhooks.yaml", settings))) istiod.objects.push_back(std::move(webhook));
  components.push_back(std::move(istiod));

  if (settings.profile == "default")
    components.push_back({.name = "Ingress gateways",
                          .deployment = "istio-ingressgateway",
                          .objects = TRY(file("ingressgateway.yaml", settings))});
  return components;
}

}  // namespace cli
