// SPDX-License-Identifier: Apache-2.0
#include "cli/install/manifest.h"

#include "base/json.h"
#include "base/strings.h"
#include "config/kinds.h"
#include "embedded/manifests.h"

namespace cli {

using Objects = std::vector<objects::Object>;
using Replacements = std::vector<std::pair<std::string_view, std::string_view>>;

static std::string fill_in(std::string_view text, const Replacements& replacements) {
  std::string out(text);
  for (auto [name, value] : replacements)
    for (size_t at = 0; (at = out.find(name, at)) != out.npos; at += value.size()) out.replace(at, name.size(), value);
  return out;
}

static base::Result<Objects> file(std::string_view name, const InstallSettings& settings, Replacements more = {}) {
  more.insert(more.end(), {{"${NAMESPACE}", settings.ns},
                           {"${REVISION}", settings.revision},
                           {"${HUB}", settings.hub},
                           {"${TAG}", settings.tag}});
  for (const auto& embedded : embedded::manifests::kFiles) {
    if (embedded.name != name) continue;
    Objects out;
    for (base::Json& document : TRY(base::parse_yaml(fill_in(embedded.text, more))))
      out.emplace_back(std::move(document));
    return out;
  }
  return base::fail(base::ErrorKind::Internal, "manifest " + std::string(name) + " is not in this program");
}

static base::Result<Objects> ingress_gateway(const InstallSettings& settings) {
  return file("gateway.yaml", settings,
              {{"${GATEWAY}", "ingressgateway"},
               {"${GATEWAY_COMPONENT}", "IngressGateways"},
               {"${SERVICE_TYPE}", settings.ingress_service}});
}

static base::Result<Objects> egress_gateway(const InstallSettings& settings) {
  Objects out = TRY(file("gateway.yaml", settings,
                         {{"${GATEWAY}", "egressgateway"},
                          {"${GATEWAY_COMPONENT}", "EgressGateways"},
                          {"${SERVICE_TYPE}", settings.egress_service}}));
  for (objects::Object& object : out)
    if (object.kind_name() == "Service") {  // nobody outside asks for its health
      base::Json& ports = object.json()["spec"]["ports"];
      std::erase_if(ports.get_ref<base::Json::array_t&>(),
                    [](const base::Json& port) { return base::text(port, "name") == "status-port"; });
    }
  return out;
}

// What was chosen of the mesh's settings, on top of those that every mesh has.
static base::Result<void> add_mesh_settings(Objects& objects, const InstallSettings& settings) {
  for (objects::Object& object : objects) {
    if (object.kind_name() != "ConfigMap" || object.name() != "istio") continue;
    base::Json& text = object.json()["data"]["mesh"];
    auto documents = TRY(base::parse_yaml(text.get<std::string>()));
    documents.front().merge_patch(settings.mesh);
    text = base::to_yaml(documents.front());
    object.json()["metadata"]["annotations"][kChoicesAnnotation] = settings.chosen.dump();
  }
  return {};
}

base::Result<std::vector<Component>> manifest(const InstallSettings& settings) {
  std::vector<Component> components;
  if (settings.profile == "empty") return components;

  Component core{.name = "Istio core", .deployment = {}, .objects = TRY(file("base.yaml", settings))};
  for (base::Json& crd : config::custom_resource_definitions()) core.objects.emplace_back(std::move(crd));
  components.push_back(std::move(core));

  Component istiod{.name = "Istiod", .deployment = "istiod", .objects = TRY(file("istiod.yaml", settings))};
  TRY(add_mesh_settings(istiod.objects, settings));
  for (objects::Object& webhook : TRY(file("webhooks.yaml", settings))) istiod.objects.push_back(std::move(webhook));
  components.push_back(std::move(istiod));

  if (settings.egress_gateway)
    components.push_back(
        {.name = "Egress gateways", .deployment = "istio-egressgateway", .objects = TRY(egress_gateway(settings))});
  if (settings.ingress_gateway)
    components.push_back(
        {.name = "Ingress gateways", .deployment = "istio-ingressgateway", .objects = TRY(ingress_gateway(settings))});
  return components;
}

base::Result<std::vector<objects::Object>> left_out(const InstallSettings& settings) {
  Objects out;
  if (settings.profile == "empty") return out;
  if (!settings.egress_gateway) out = TRY(egress_gateway(settings));
  if (!settings.ingress_gateway)
    for (objects::Object& object : TRY(ingress_gateway(settings))) out.push_back(std::move(object));
  return out;
}

}  // namespace cli
