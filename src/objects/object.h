// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/json.h"

namespace objects {

using base::Json;

using Labels = std::map<std::string, std::string, std::less<>>;

// Which table of the API an object lies in, as in URLs: {"apps", "v1", "deployments"}.
struct Resource {
  std::string group;    // empty: the core group
  std::string version;  // "v1"
  std::string plural;   // "pods"
  auto operator<=>(const Resource&) const = default;
};

// What an object is, as in its apiVersion and kind.
struct Kind {
  std::string group;
  std::string version;
  std::string kind;
  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  auto operator<=>(const Kind&) const = default;
};

// Which object: "networking.istio.io VirtualService default/reviews".
struct Ref {
  std::string group;
  std::string kind;
  std::string ns;  // empty: not namespaced
  std::string name;
  std::string text() const;  // "VirtualService default/reviews"
  auto operator<=>(const Ref&) const = default;
};

// A Kubernetes object as a value: its JSON document and typed access to the
// metadata that all kinds share. Queries on absent fields give empty values.
class Object {
 public:
  Object() : json_(Json::object()) {}
  explicit Object(Json json) : json_(std::move(json)) {}

  const Json& json() const { return json_; }
  Json& json() { return json_; }

  Kind kind() const;
  Ref ref() const;
  std::string_view api_version() const { return base::text(json_, "apiVersion"); }
  std::string_view kind_name() const { return base::text(json_, "kind"); }
  std::string_view name() const { return base::text(json_, "metadata", "name"); }
  std::string_view ns() const { return base::text(json_, "metadata", "namespace"); }
  std::string_view uid() const { return base::text(json_, "metadata", "uid"); }
  std::string_view resource_version() const { return base::text(json_, "metadata", "resourceVersion"); }
  std::string_view creation_timestamp() const { return base::text(json_, "metadata", "creationTimestamp"); }
  int64_t generation() const;
  bool deleting() const { return base::find(json_, "metadata", "deletionTimestamp") != nullptr; }
  Labels labels() const;
  Labels annotations() const;
  std::string_view label(std::string_view key) const { return base::text(json_, "metadata", "labels", key); }
  std::string_view annotation(std::string_view key) const { return base::text(json_, "metadata", "annotations", key); }

  const Json& spec() const { return part("spec"); }  // an empty object where absent
  const Json& status() const { return part("status"); }

 private:
  const Json& part(std::string_view key) const;
  Json json_;
};

}  // namespace objects
