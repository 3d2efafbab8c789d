// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "config/specs.h"
#include "envoy/config/rbac/v3/rbac.pb.h"
#include "mesh/view.h"
#include "translate/envoy.h"
#include "translate/listener.h"
#include "translate/tls.h"

namespace translate {

// The rules of one action, enforced and (dry run) only counted.
struct Rules {
  rbac_v3::RBAC enforced, shadow;
  bool any_enforced = false, any_shadow = false;
};

// All policies of that action that select the workload. On TCP what only HTTP
// has is unknown: an ALLOW rule that needs it never allows, a DENY rule is
// widened by leaving it out.
Rules rules_of(const mesh::View& view, config::security::AuthorizationPolicy_Action action, Layer layer);

// One rule of one policy; nullopt where it cannot hold on that layer.
std::optional<rbac_v3::Policy> policy_of_rule(const config::security::Rule& rule, const std::string& ns,
                                              config::security::AuthorizationPolicy_Action action, Layer layer);

}  // namespace translate
