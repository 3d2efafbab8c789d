// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "objects/object.h"

namespace config {

struct PrinterColumn {
  std::string_view name;
  std::string_view type;       // "string", "date"
  std::string_view json_path;  // ".spec.hosts"
  std::string_view description;
};

// One of Istio's kinds, as the API server must know it. All are namespaced and
// have a status. Lives for the whole program.
struct IstioKind {
  std::string_view group;                      // "networking.istio.io"
  std::string_view kind;                       // "VirtualService"
  std::string_view plural;                     // "virtualservices"
  std::string_view singular;                   // "virtualservice"
  std::string_view kebab;                      // "virtual-service", as in the metadata of generated resources
  std::string_view message;                    // the spec's protobuf: "istio.networking.v1alpha3.VirtualService"
  std::span<const std::string_view> versions;  // served, newest first
  std::string_view storage_version;
  std::span<const std::string_view> short_names;
  std::string_view category;  // "networking-istio-io"; all are in "istio-io" too
  std::span<const PrinterColumn> columns;

  bool serves(std::string_view version) const;
  objects::Resource resource() const { return {std::string(group), std::string(storage_version), std::string(plural)}; }
};

std::span<const IstioKind> istio_kinds();

// nullptr where it is none of Istio's.
const IstioKind* find_kind(std::string_view group, std::string_view kind);

// "/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews", as
// in filter_metadata.istio.config of what an object caused.
std::string config_path(const objects::Ref& ref);

// The apiextensions.k8s.io/v1 manifests of all of them, with a structural
// schema generated from the protobuf descriptors, status subresource, printer
// columns and short names.
std::vector<objects::Json> custom_resource_definitions();

}  // namespace config
