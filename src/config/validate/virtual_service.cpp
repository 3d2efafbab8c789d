// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"
#include "config/validate/routes.h"

namespace config {
namespace {

namespace api = networking;

// What a VirtualService is bound to: nothing written means the sidecars.
struct Bound {
  bool mesh = false;
  bool gateways = false;
};

Bound bound_to(const api::VirtualService& spec) {
  Bound out{spec.gateways().empty(), false};
  for (const std::string& gateway : spec.gateways()) (gateway == "mesh" ? out.mesh : out.gateways) = true;
  return out;
}

void check_delegate(Report& report, const Path& path, const api::VirtualService& spec) {
  if (!spec.gateways().empty())
    report.error("SN0120", path / "gateways", "delegate virtual service must have no gateways specified");
  if (!spec.tls().empty()) report.error("SN0120", path / "tls", "delegate virtual service must have no tls specified");
  if (!spec.tcp().empty()) report.error("SN0120", path / "tcp", "delegate virtual service must have no tcp specified");
}

void check_gateway_names(Report& report, const Path& path, const api::VirtualService& spec) {
  for (int i = 0; i < spec.gateways_size(); ++i) {
    const std::string& name = spec.gateways(i);
    auto parts = base::cut(name, '/');
    std::string_view last = parts ? parts->second : std::string_view(name);
    bool bad = last.empty() || last.find('/') != std::string_view::npos || (parts && parts->first.empty());
    if (bad)
      report.error("SN0121", (path / "gateways")[i], "invalid gateway name " + in_quotes(name),
                   "a gateway's name, namespace/name, or mesh");
  }
}

// Pairs of hosts of which one covers the other, the later first. "a.b.c" is covered by "*.b.c", "*.c" and "*".
std::set<std::pair<int, int>> overlaps(const google::protobuf::RepeatedPtrField<std::string>& hosts) {
  std::map<std::string, int, std::less<>> first;
  std::set<std::pair<int, int>> out;
  for (int i = 0; i < hosts.size(); ++i)
    if (auto [at, is_new] = first.try_emplace(hosts[i], i); !is_new) out.emplace(i, at->second);
  for (const auto& [host, i] : first) {
    auto look = [&, i = i, &host = host](const std::string& wide) {
      if (auto at = first.find(wide); at != first.end() && wide != host)
        out.emplace(std::max(i, at->second), std::min(i, at->second));
    };
    look("*");
    for (size_t dot = host.find('.'); dot != host.npos; dot = host.find('.', dot + 1)) look("*" + host.substr(dot));
  }
  return out;
}

void check_hosts(Report& report, const Path& path, const api::VirtualService& spec, Bound bound) {
  bool all_good = true;
  for (int i = 0; i < spec.hosts_size(); ++i) {
    const std::string& host = spec.hosts(i);
    if (!check_domain_or_address(report, (path / "hosts")[i], host)) {
      all_good = false;
    } else if (bound.mesh && host == "*") {
      report.error("SN0101", (path / "hosts")[i],
                   "wildcard host * is not allowed for virtual services bound to the mesh gateway",
                   "name the gateway in spec.gateways, or the hosts in spec.hosts");
      all_good = false;
    }
  }
  if (!all_good) return;
  for (auto [i, j] : overlaps(spec.hosts()))
    report.error("SN0122", (path / "hosts")[i],
                 "duplicate hosts in virtual service: " + spec.hosts(i) + " and " + spec.hosts(j));
}

// JWT claims are only verified at gateways.
void check_claims(Report& report, const Path& path, const api::VirtualService& spec, Bound bound) {
  if (!bound.mesh) return;
  for (int i = 0; i < spec.http_size(); ++i)
    for (const auto& match : spec.http(i).match())
      for (const auto& [name, value] : match.headers())
        if (name.starts_with("@request.auth.claims") && match.gateways().empty())
          report.error("SN0123", (path / "http")[i],
                       "JWT claim based routing without gateway is not supported: " + name);
}

bool matches_all(const api::HTTPRoute& http) {
  if (http.match().empty()) return true;
  return std::ranges::any_of(http.match(), [](const api::HTTPMatchRequest& match) {
    bool all_paths = !match.has_uri() || match.uri().prefix() == "/";
    return all_paths && match.headers().empty() && match.query_params().empty() && match.without_headers().empty() &&
           !match.has_method() && !match.has_authority() && !match.has_scheme() && match.port() == 0 &&
           match.source_labels().empty() && match.gateways().empty() && match.source_namespace().empty();
  });
}

void check_reachable(Report& report, const Path& path, const api::VirtualService& spec) {
  for (int i = 0; i + 1 < spec.http_size(); ++i)
    if (matches_all(spec.http(i))) {
      std::string name = spec.http(i + 1).name().empty() ? "#" + std::to_string(i + 1) : spec.http(i + 1).name();
      report.warn("SN0124", (path / "http")[i + 1],
                  "virtualService rule " + name + " not used (only the last rule can have no matches)",
                  "http[" + std::to_string(i) + "] takes every request; move it to the end");
      return;
    }
}

}  // namespace

void check(Report& report, const VirtualService& config) {
  const Path path("spec");
  const api::VirtualService& spec = config.spec;
  bool delegate = spec.hosts().empty();
  Bound bound = bound_to(spec);
  if (delegate) check_delegate(report, path, spec);
  check_gateway_names(report, path, spec);
  if (!delegate) {
    check_claims(report, path, spec, bound);
    check_hosts(report, path, spec, bound);
  }
  if (spec.http().empty() && spec.tls().empty() && spec.tcp().empty())
    report.error("SN0125", path, "http, tcp or tls must be provided in virtual service");
  for (int i = 0; i < spec.http_size(); ++i)
    check_http_route(report, (path / "http")[i], spec.http(i), delegate ? Place::Delegate : Place::Root);
  for (int i = 0; i < spec.tls_size(); ++i) check_tls_route(report, (path / "tls")[i], spec.tls(i), spec);
  for (int i = 0; i < spec.tcp_size(); ++i) check_tcp_route(report, (path / "tcp")[i], spec.tcp(i));
  check_export_to(report, path / "exportTo", spec.export_to(), config.meta.ref.ns);
  check_reachable(report, path, spec);
}

}  // namespace config
