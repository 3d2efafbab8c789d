// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "localkube/api/call.h"
#include "localkube/store/store.h"

namespace localkube {

// What somebody wants to do, in the words of a SubjectAccessReview.
struct Attributes {
  std::string verb;
  std::string group, resource, subresource;
  std::string ns, name;
  std::string path;  // of what is no resource; then the five above are empty
};

// Role-based access control by the Roles, ClusterRoles and bindings in the
// store, as Kubernetes: what no rule allows is forbidden. Group system:masters
// may do everything; whoever is authenticated may discover the API and ask
// about itself. ClusterRoles cluster-admin, admin, edit and view are there
// unless the store has others of that name.
//
// Not there: aggregationRule. Instead of Kubernetes' check that a role grants
// no more than its author holds, only who may do everything may write roles and
// bindings.
class Rbac {
 public:
  explicit Rbac(const Store& store) : store_(store) {}

  struct Verdict {
    bool allowed = false;
    std::string reason;  // the binding and role that allowed it; empty where it needs none
  };
  Verdict decide(const User& user, const Attributes& wish) const;

  // The rules that hold for a user in a namespace, and everywhere.
  std::vector<Json> rules_of(const User& user, const std::string& ns) const;

 private:
  // Calls with each rule until it returns true.
  using Visit = std::function<bool(const Json& rule, const std::string& reason)>;
  void visit(const User& user, const std::string& ns, const Visit& call) const;
  bool visit_role(const Json& binding, const std::string& ns, std::string_view kind, const Visit& call) const;

  const Store& store_;
};

}  // namespace localkube
