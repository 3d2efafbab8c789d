// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "translate/rbac.h"
#include "translate/rbac_match.h"

namespace translate {
namespace {

namespace api = config::security;
using Action = api::AuthorizationPolicy_Action;
using rbac_v3::Permission;
using rbac_v3::Principal;

enum class Needs { Connection, Http };

// Collects the conditions of one side of one rule; remembers whether one could
// not be asked on this layer.
template <typename Node>
struct Conditions {
  Layer layer;
  std::vector<Node> all;
  bool impossible = false;

  // Any of `values`, and none of `not_values`.
  template <typename Values, typename Match>
  void add(const Values& values, const Values& not_values, Needs needs, Match match) {
    if (values.empty() && not_values.empty()) return;
    if (needs == Needs::Http && layer == Layer::Tcp) {
      impossible = true;
      return;
    }
    if (!values.empty()) any_of(all.emplace_back(), values, match);
    if (!not_values.empty()) any_of(negated(all.emplace_back()), not_values, match);
  }

  template <typename Values, typename Match>
  static void any_of(Node& node, const Values& values, Match match) {
    for (const std::string& value : values) match(alternative(node), value);
  }

  static Permission& alternative(Permission& node) { return *node.mutable_or_rules()->add_rules(); }
  static Principal& alternative(Principal& node) { return *node.mutable_or_ids()->add_ids(); }
  static Permission& negated(Permission& node) { return *node.mutable_not_rule(); }
  static Principal& negated(Principal& node) { return *node.mutable_not_id(); }
};

// "[a][b]" -> a, b
std::vector<std::string> bracketed(std::string_view text) {
  std::vector<std::string> out;
  for (size_t end; text.starts_with('[') && (end = text.find(']')) != std::string_view::npos;
       text.remove_prefix(end + 1))
    out.emplace_back(text.substr(1, end - 1));
  return out;
}

void add_operation(Conditions<Permission>& out, const api::Operation& to) {
  out.add(to.hosts(), to.not_hosts(), Needs::Http, permission::host);
  out.add(to.methods(), to.not_methods(), Needs::Http, permission::method);
  out.add(to.paths(), to.not_paths(), Needs::Http, permission::path);
  out.add(to.ports(), to.not_ports(), Needs::Connection, permission::port);
}

void add_source(Conditions<Principal>& out, const api::Source& from, const std::string& ns) {
  auto account = [&](Principal& node, std::string_view value) {
    std::string full = value.find('/') == std::string_view::npos ? ns + "/" + std::string(value) : std::string(value);
    principal::service_account(node, full);
  };
  out.add(from.principals(), from.not_principals(), Needs::Connection, principal::identity);
  out.add(from.request_principals(), from.not_request_principals(), Needs::Http, principal::request_identity);
  out.add(from.namespaces(), from.not_namespaces(), Needs::Connection, principal::ns);
  out.add(from.service_accounts(), from.not_service_accounts(), Needs::Connection, account);
  out.add(from.remote_ip_blocks(), from.not_remote_ip_blocks(), Needs::Connection, principal::remote_ip);
  out.add(from.ip_blocks(), from.not_ip_blocks(), Needs::Connection, principal::direct_ip);
}

void add_when(Conditions<Permission>& out, const api::Condition& when) {
  if (when.key() == "destination.ip")
    out.add(when.values(), when.not_values(), Needs::Connection, permission::ip);
  else if (when.key() == "destination.port")
    out.add(when.values(), when.not_values(), Needs::Connection, permission::port);
  else if (when.key() == "connection.sni")
    out.add(when.values(), when.not_values(), Needs::Connection, permission::sni);
}

void add_when(Conditions<Principal>& out, const api::Condition& when, const std::string& ns) {
  const std::string& key = when.key();
  auto add = [&](Needs needs, auto match) { out.add(when.values(), when.not_values(), needs, match); };
  auto claim = [&](std::vector<std::string> path) {
    add(Needs::Http, [path](Principal& node, std::string_view value) { principal::claim(node, path, value); });
  };
  if (key == "source.ip")
    add(Needs::Connection, principal::direct_ip);
  else if (key == "remote.ip")
    add(Needs::Connection, principal::remote_ip);
  else if (key == "source.namespace")
    add(Needs::Connection, principal::ns);
  else if (key == "source.principal")
    add(Needs::Connection, principal::identity);
  else if (key == "source.serviceAccount") {
    add(Needs::Connection, [&](Principal& node, std::string_view value) {
      std::string full = value.find('/') == std::string_view::npos ? ns + "/" + std::string(value) : std::string(value);
      principal::service_account(node, full);
    });
  } else if (key == "request.auth.principal")
    add(Needs::Http, principal::request_identity);
  else if (key == "request.auth.audiences")
    claim({"aud"});
  else if (key == "request.auth.presenter")
    claim({"azp"});
  else if (key.starts_with("request.auth.claims"))
    claim(bracketed(std::string_view(key).substr(19)));
  else if (key.starts_with("request.headers")) {
    auto names = bracketed(std::string_view(key).substr(15));
    std::string name = names.empty() ? std::string() : names.front();
    add(Needs::Http, [name](Principal& node, std::string_view value) { principal::header(node, name, value); });
  }
}

void write(Permission& out, const std::vector<Permission>& all) {
  auto& rules = *out.mutable_and_rules();
  for (const Permission& one : all) *rules.add_rules() = one;
  if (all.empty()) rules.add_rules()->set_any(true);
}

void write(Principal& out, const std::vector<Principal>& all) {
  auto& ids = *out.mutable_and_ids();
  for (const Principal& one : all) *ids.add_ids() = one;
  if (all.empty()) ids.add_ids()->set_any(true);
}

// One alternative of a rule's side; false where it drops out on this layer.
template <typename Node, typename Fill>
bool add_side(google::protobuf::RepeatedPtrField<Node>* out, Action action, Layer layer, Fill fill) {
  Conditions<Node> conditions{layer, {}};
  fill(conditions);
  if (conditions.impossible && action == api::AuthorizationPolicy::ALLOW) return false;
  write(*out->Add(), conditions.all);
  return true;
}

}  // namespace

std::optional<rbac_v3::Policy> policy_of_rule(const api::Rule& rule, const std::string& ns, Action action,
                                              Layer layer) {
  rbac_v3::Policy out;
  auto permission_side = [&](const api::Operation* to) {
    add_side(out.mutable_permissions(), action, layer, [&](Conditions<Permission>& conditions) {
      if (to) add_operation(conditions, *to);
      for (const auto& when : rule.when()) add_when(conditions, when);
    });
  };
  auto principal_side = [&](const api::Source* from) {
    add_side(out.mutable_principals(), action, layer, [&](Conditions<Principal>& conditions) {
      if (from) add_source(conditions, *from, ns);
      for (const auto& when : rule.when()) add_when(conditions, when, ns);
    });
  };
  if (rule.to().empty()) permission_side(nullptr);
  for (const auto& to : rule.to()) permission_side(&to.operation());
  if (rule.from().empty()) principal_side(nullptr);
  for (const auto& from : rule.from()) principal_side(&from.source());
  if (out.permissions().empty() || out.principals().empty()) return std::nullopt;
  return out;
}

}  // namespace translate
