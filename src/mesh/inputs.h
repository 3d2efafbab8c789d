// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>

#include "config/config.h"
#include "objects/object.h"

namespace mesh {

// How far a change can reach: nothing in the mesh, endpoints alone (the fast
// path), or everything.
enum class Scope { Nothing, Endpoints, Everything };

// All objects the mesh is made of, as the watches deliver them, with parsed
// forms kept so that a Snapshot after one change costs no parsing. Owned by the
// thread that builds snapshots; snapshots share the values, not this table.
class Inputs {
 public:
  using Parsed =
      std::variant<std::monostate, std::shared_ptr<const config::VirtualService>,
                   std::shared_ptr<const config::DestinationRule>, std::shared_ptr<const config::Gateway>,
                   std::shared_ptr<const config::ServiceEntry>, std::shared_ptr<const config::Sidecar>,
                   std::shared_ptr<const config::WorkloadEntry>, std::shared_ptr<const config::WorkloadGroup>,
                   std::shared_ptr<const config::AuthorizationPolicy>,
                   std::shared_ptr<const config::PeerAuthentication>,
                   std::shared_ptr<const config::RequestAuthentication>, std::shared_ptr<const config::Telemetry>>;
  struct Entry {
    std::shared_ptr<const objects::Object> object;
    Parsed parsed;      // empty for Kubernetes' kinds and for documents that do not parse
    std::string error;  // why it does not parse
  };
  struct Key {  // group and kind; versions of a kind are one
    std::string group;
    std::string kind;
    auto operator<=>(const Key&) const = default;
  };
  using Table = std::map<std::pair<std::string, std::string>, Entry>;  // by namespace and name

  // The tables to list and watch: Services, EndpointSlices, Pods, Nodes,
  // Namespaces, ConfigMaps, Secrets and Istio's kinds in their storage version.
  static std::span<const objects::Resource> watched();

  // Adds or replaces one object. Objects of other kinds are ignored.
  Scope put(objects::Object object);
  Scope put(std::shared_ptr<const objects::Object> object);
  Scope erase(const objects::Ref& ref);

  const Table& table(std::string_view group, std::string_view kind) const;
  const Entry* find(const objects::Ref& ref) const;

 private:
  std::map<Key, Table> tables_;
};

}  // namespace mesh
