// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/descriptor.h>

#include "config/descriptions.h"
#include "config/kinds.h"
#include "config/specs.h"
#include "istio/networking/v1alpha3/envoy_filter.pb.h"
#include "istio/networking/v1beta1/proxy_config.pb.h"
#include "objects/openapi.h"

namespace config {

using objects::Json;

// The descriptor of a kind's spec; nullptr for the kinds Seine has no schema of.
static const google::protobuf::Descriptor* spec_of(const IstioKind& kind) {
  // Named here so that the linker keeps the schemas nothing else refers to.
  networking::EnvoyFilter::descriptor();
  istio::networking::v1beta1::ProxyConfig::descriptor();
  return google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(std::string(kind.message));
}

static Json strings(std::span<const std::string_view> texts) {
  Json out = Json::array();
  for (std::string_view text : texts) out.push_back(text);
  return out;
}

static Json version_of(const IstioKind& kind, std::string_view version, const Json& spec, std::string_view about) {
  Json status = {{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}};
  Json columns = Json::array();
  for (const PrinterColumn& column : kind.columns)
    columns.push_back({{"name", column.name},
                       {"type", column.type},
                       {"jsonPath", column.json_path},
                       {"description", column.description}});
  Json schema = {{"type", "object"}, {"properties", {{"spec", spec}, {"status", status}}}};
  if (!about.empty()) schema["description"] = about;
  Json out = {{"name", version},
              {"served", true},
              {"storage", version == kind.storage_version},
              {"subresources", {{"status", Json::object()}}},
              {"schema", {{"openAPIV3Schema", std::move(schema)}}}};
  if (!columns.empty()) out["additionalPrinterColumns"] = std::move(columns);
  return out;
}

std::vector<Json> custom_resource_definitions() {
  std::vector<Json> out;
  for (const IstioKind& kind : istio_kinds()) {
    const google::protobuf::Descriptor* type = spec_of(kind);
    Json spec = type ? objects::structural_schema(*type)
                     : Json{{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}};
    if (type) describe(*type, spec);
    std::string_view about = type ? description_of(*type, "") : std::string_view();
    Json versions = Json::array();
    for (std::string_view version : kind.versions) versions.push_back(version_of(kind, version, spec, about));
    Json names = {{"kind", kind.kind},
                  {"listKind", std::string(kind.kind) + "List"},
                  {"plural", kind.plural},
                  {"singular", kind.singular},
                  {"categories", {"istio-io", kind.category}}};
    if (!kind.short_names.empty()) names["shortNames"] = strings(kind.short_names);
    out.push_back({{"apiVersion", "apiextensions.k8s.io/v1"},
                   {"kind", "CustomResourceDefinition"},
                   {"metadata",
                    {{"name", std::string(kind.plural) + "." + std::string(kind.group)},
                     {"labels", {{"app", "istio-pilot"}, {"release", "istio"}}}}},
                   {"spec",
                    {{"group", kind.group},
                     {"scope", "Namespaced"},
                     {"names", std::move(names)},
                     {"versions", std::move(versions)}}}});
  }
  return out;
}

}  // namespace config
