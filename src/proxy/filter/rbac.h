// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/filter/filter.h"
#include "proxy/listener/listener_config.h"
#include "proxy/route/metadata.h"

namespace proxy {

struct Origin;

namespace rbac {

// What rules may look at: a connection, and the request on it.
struct Subject {
  const Origin& origin;
  const http::RequestHead* request = nullptr;  // nullptr: the connection alone
  const Metadata* metadata = nullptr;          // dynamic
  const Metadata* route_metadata = nullptr;
  const net::Address* client = nullptr;  // behind trusted proxies; nullptr: the connection's peer
};

// How a fact that can be read in two ways counts, e.g. a header that is there
// twice with different values: always so that the request is denied.
enum class Doubt : bool { Fails, Matches };

// A permission or a principal of envoy.config.rbac.v3, compiled.
struct Rule {
  enum class Kind : uint8_t {
    And,
    Or,
    Not,
    Any,
    Header,
    Path,
    Template,
    Destination,
    DestinationPort,
    Peer,
    Client,
    ServerName,
    DynamicMetadata,
    RouteMetadata,
    Authenticated,
  };
  Kind kind = Kind::Any;
  std::vector<Rule> parts;  // And, Or; Not: one
  HeaderMatch header;
  std::optional<StringMatch> text;       // Path, ServerName; Authenticated: none, any identity
  std::shared_ptr<const re2::RE2> path;  // Template
  AddressRange range;
  uint32_t port_from = 0, port_below = 0;
  MetadataMatch metadata;

  bool matches(const Subject& subject, Doubt doubt) const;
};

// An envoy.config.rbac.v3.RBAC, compiled.
struct Ruleset {
  enum class Action : uint8_t { Allow, Deny, Log };
  struct Policy {
    std::string name;
    std::vector<Rule> permissions, principals;  // one of each must match
  };
  Action action = Action::Allow;
  std::vector<Policy> policies;  // by name, as Envoy asks them

  struct Outcome {
    bool allowed = true;
    const std::string* policy = nullptr;  // that matched
  };
  Outcome decide(const Subject& subject) const;
};

}  // namespace rbac

// What a listener, or a route in its place, says to an rbac filter.
struct RbacPolicy final : FilterPolicy {
  std::optional<rbac::Ruleset> rules, shadow;
  bool asks_client = false;                 // some rule looks at Subject::client
  std::string rules_prefix, shadow_prefix;  // of the keys in the dynamic metadata
};

// Numbers of the worker's counters (Worker::count).
struct RbacCounters {
  Slot allowed = kNone, denied = kNone, shadow_allowed = kNone, shadow_denied = kNone;
};

// Answers 403 to what the rules do not let through.
class RbacFilter final : public Filter {
 public:
  RbacFilter(RbacPolicy policy, RbacCounters counters) : policy_(std::move(policy)), counters_(counters) {}
  std::string_view name() const override { return "envoy.filters.http.rbac"; }
  Verdict on_request(Stream& stream) const override;

 private:
  RbacPolicy policy_;
  RbacCounters counters_;
};

// Ends connections that the rules do not let through, before anything else is done for them.
class RbacNetworkFilter final : public NetworkFilter {
 public:
  RbacNetworkFilter(RbacPolicy policy, RbacCounters counters) : policy_(std::move(policy)), counters_(counters) {}
  std::string_view name() const override { return "envoy.filters.network.rbac"; }
  std::optional<std::string> refuses(Worker& worker, const Origin& origin) const override;

 private:
  RbacPolicy policy_;
  RbacCounters counters_;
};

}  // namespace proxy
