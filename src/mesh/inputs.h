// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>

#include "base/strings.h"
#include "config/config.h"
#include "mesh/service.h"
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
      std::variant<std::monostate, std::shared_ptr<const Service>, std::shared_ptr<const Slice>,
                   std::shared_ptr<const Workload>, std::shared_ptr<const config::VirtualService>,
                   std::shared_ptr<const config::DestinationRule>, std::shared_ptr<const config::Gateway>,
                   std::shared_ptr<const config::ServiceEntry>, std::shared_ptr<const config::Sidecar>,
                   std::shared_ptr<const config::WorkloadEntry>, std::shared_ptr<const config::WorkloadGroup>,
                   std::shared_ptr<const config::AuthorizationPolicy>,
                   std::shared_ptr<const config::PeerAuthentication>,
                   std::shared_ptr<const config::RequestAuthentication>, std::shared_ptr<const config::Telemetry>>;
  struct Entry {
    std::shared_ptr<const objects::Object> object;
    Parsed parsed;          // empty for documents that do not parse and kinds that are used as they are
    std::string error;      // why it is left out: it does not parse, or came past admission
    std::string meanwhile;  // what of it holds all the same; empty: nothing
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

  // Keys fetched from a jwksUri of a RequestAuthentication, and the URIs that
  // are asked for. Fetching is the caller's: this room has no sockets.
  Scope put_jwks(const std::string& uri, std::string keys);
  std::vector<std::string> jwks_uris() const;
  const base::StringMap<std::string>& jwks() const { return jwks_; }

  // Counts changes that reach further than endpoints.
  uint64_t configuration() const { return configuration_; }
  // Counts changes to the endpoints of Services of one namespace, by "ns/name"
  // or, where a pod changed, for the whole namespace.
  uint64_t endpoints_revision(const std::string& ns, const std::string& service) const;
  // Counts changes to pods and WorkloadEntries.
  uint64_t workloads_revision() const { return workload_changes_; }

 private:
  Scope note(const Key& key, const Entry* before, const Entry* after);
  void place_workloads(std::string_view node);

  std::map<Key, Table> tables_;
  base::StringMap<std::string> jwks_;
  uint64_t configuration_ = 0;
  uint64_t changes_ = 0;
  uint64_t workload_changes_ = 0;
  base::StringMap<uint64_t> service_changes_;  // by "ns/name"
  base::StringMap<uint64_t> namespace_changes_;
};

}  // namespace mesh
